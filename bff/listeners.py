"""The two listeners and the signals that end them: public first, admin last, so that health stays visible."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import uvicorn

from bff.admin import localtoken
from bff.admin.keys import Key, local_key
from bff.admin.office import PublicWithoutTokens
from bff.app import House, Options, compose
from bff.config import Config
from bff.frozen import frozen
from bff.gateway.crowd import Crowd
from bff.gateway.protocol import HeadLimits, LimitedProtocol
from bff.revisions.store.failures import StoreUnavailable
from bff.signals import LoopLost, NoLocalToken
from bff.watch import Seen, look, watch

BACKLOG = 2048
"""Connections the system holds until they are accepted (uvicorn's default)."""
ADMIN_DRAIN = 1.0
"""Seconds the admin listener waits for its own last requests."""


class CannotListen(Exception):
    """An address cannot be listened on; the sentence says which and why."""


class _Server(uvicorn.Server):
    """uvicorn's server without its signal handlers: the app owns signals for both listeners."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def bind(host: str, port: int) -> socket.socket:
    """A socket that listens already: before that, a second one could be bound to the same address.

    Raises:
        CannotListen: the address is taken, forbidden or not of this machine.

    """
    try:
        family, kind, proto, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        # The protocol is named: asyncio sets TCP_NODELAY only on sockets that say they are TCP.
        with contextlib.ExitStack() as unless_it_listens:
            listening = unless_it_listens.enter_context(
                socket.socket(family, kind, proto or socket.IPPROTO_TCP)
            )
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listening.bind(address)
            listening.listen(BACKLOG)
            unless_it_listens.pop_all()
    except OSError as error:
        raise CannotListen(f"cannot listen on {host}:{port}: {error.strerror or error}") from error
    return listening


def _server(
    app: Any, config: Config, limits: HeadLimits, drain: float, crowd: Crowd | None = None
) -> _Server:
    return _Server(
        uvicorn.Config(
            app,
            http=partial(LimitedProtocol, limits=limits, crowd=crowd),  # type: ignore[arg-type]
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            date_header=False,
            server_header=False,
            proxy_headers=False,
            backlog=BACKLOG,
            timeout_keep_alive=max(1, round(config.gateway.keep_alive_timeout)),
            timeout_graceful_shutdown=max(1, round(drain)),
        )
    )


Announce = Callable[[House, str, str], Awaitable[None]]


@frozen
class Share:
    """What of the work offline a process does: the queues it takes from, None for all; and the name it goes by among
    those on the same store, "" for one that nobody else has.
    """

    queues: tuple[str, ...] | None = None
    name: str = ""


WHOLE = Share()


async def run(
    config: Config,
    *,
    host: str,
    port: int,
    admin: tuple[str, int],
    dev: bool,
    announce: Announce,
    end: Callable[[LoopLost], object],
    watches: bool = False,
    share: Share = WHOLE,
) -> None:
    """Serve until SIGINT or SIGTERM, then drain and return. What is saved in the functions folder is published
    in dev, and where it ``watches``. ``end`` is called, in a thread, when the event loop does not come back.

    Raises:
        CannotListen: one of the two addresses cannot be had, or the admin listener's could be reached from
            elsewhere while nobody has a token.
        NameTaken: another process of this name is alive.
        StoreUnavailable: nobody can tell which revision gets the calls.

    """
    seen = look(config.path)
    with bind(host, port) as public_socket, bind(*admin) as admin_socket:
        async with (
            _house(config, admin[0], dev=dev, share=share) as house,
            _watching(house, functions=dev or watches, seen=seen),
        ):
            drain = config.gateway.drain_timeout
            public = _server(house.gateway, config, house.limits, drain, house.crowd)
            private = _private(house)
            with _signals_end(house, public), house.guard(end):
                await _serve_both(house, public, public_socket, private, admin_socket, announce)


async def work(
    config: Config,
    *,
    admin: tuple[str, int],
    announce: Announce,
    end: Callable[[LoopLost], object],
    share: Share,
) -> None:
    """Deliver events until SIGINT or SIGTERM, without a public listener; then take nothing more, let what runs end
    within ``gateway.drain_timeout``, give the rest back and return.

    Raises:
        CannotListen, NameTaken, StoreUnavailable: as :func:`run`.

    """
    seen = look(config.path)
    with bind(*admin) as admin_socket:
        async with (
            _house(config, admin[0], dev=False, share=share) as house,
            _watching(house, functions=False, seen=seen),
        ):
            private, told = _private(house), asyncio.Event()
            with _signals_stop(house, told), house.guard(end):
                await _serve_work(house, private, admin_socket, announce, told)


@asynccontextmanager
async def _house(config: Config, admin: str, *, dev: bool, share: Share) -> AsyncIterator[House]:
    keys, why_not = _local_keys(config)
    options = Options(
        dev=dev,
        admin_host=admin,
        admin_keys=keys,
        take_over_logging=True,
        keeps_state=not dev,
        name=share.name,
        queues=share.queues,
    )
    async with compose(config, options) as house:
        if why_not:
            house.signals.emit(NoLocalToken(why=why_not))
        await _check_admin(house)
        yield house


def _private(house: House) -> _Server:
    """The admin listener's server; it keeps the same limits for heads as the public one."""
    return _server(house.office.app, house.config, house.limits, ADMIN_DRAIN)


def _local_keys(config: Config) -> tuple[tuple[Key, ...], str]:
    """The key of the token in the state folder; none, and why, where it cannot be had: then only tokens of
    routes.yaml and of the store work.
    """
    try:
        return (local_key(localtoken.made(config.state_folder)),), ""
    except localtoken.TokenFileUnusable as why:
        return (), str(why)


async def _check_admin(house: House) -> None:
    try:
        await house.office.check_address()
    except (PublicWithoutTokens, StoreUnavailable) as why:
        raise CannotListen(str(why)) from None


async def _serve_both(
    house: House,
    public: _Server,
    public_socket: socket.socket,
    private: _Server,
    admin_socket: socket.socket,
    announce: Announce,
) -> None:
    async with asyncio.TaskGroup() as group:
        serving = group.create_task(public.serve(sockets=[public_socket]))
        private_serving = group.create_task(private.serve(sockets=[admin_socket]))
        await _started(serving, public, private)
        house.public_url = _address(public_socket)
        await announce(house, house.public_url, _address(admin_socket))
        house.backends.registrations.begin(house.config, public_socket.getsockname()[1])
        await house.preload()
        house.keep_up()
        await serving
        private.should_exit = True
        await private_serving


async def _serve_work(
    house: House, private: _Server, admin_socket: socket.socket, announce: Announce, told: asyncio.Event
) -> None:
    async with asyncio.TaskGroup() as group:
        serving = group.create_task(private.serve(sockets=[admin_socket]))
        await _started(serving, private)
        await announce(house, "", _address(admin_socket))
        await house.preload()
        house.keep_up()
        await told.wait()
        await house.offline.stop(house.config.gateway.drain_timeout)
        private.should_exit = True
        await serving


async def _started(serving: asyncio.Task[None], *servers: _Server) -> None:
    # uvicorn has no event to wait for.
    while not all(server.started for server in servers) and not serving.done():  # noqa: ASYNC110
        await asyncio.sleep(0.001)


def _address(listening: socket.socket) -> str:
    host, port = listening.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


@contextlib.contextmanager
def _signals_end(house: House, public: _Server) -> Iterator[None]:
    """The first signal drains; a second SIGINT does not wait for anybody. Whoever is found in a registry is taken out
    before it listens no more: until then others may still come.
    """
    loop = asyncio.get_running_loop()
    leaving: set[asyncio.Task[None]] = set()

    async def leave() -> None:
        await house.backends.registrations.aclose()
        public.should_exit = True

    def end() -> None:
        if public.should_exit:
            public.force_exit = True
        house.gateway.drain()
        if leaving or not house.backends.registrations.are_there:
            public.should_exit = True
        else:
            leaving.add(loop.create_task(leave()))

    with _signals_call(end):
        yield


@contextlib.contextmanager
def _signals_stop(house: House, told: asyncio.Event) -> Iterator[None]:
    """The first signal lets what is being delivered end; more of them change nothing."""

    def end() -> None:
        house.gateway.drain()
        told.set()

    with _signals_call(end):
        yield


@contextlib.contextmanager
def _signals_call(end: Callable[[], object]) -> Iterator[None]:
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, end)
    try:
        yield
    finally:
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)


@asynccontextmanager
async def _watching(house: House, *, functions: bool, seen: Seen) -> AsyncIterator[None]:
    """routes.yaml is live always, the functions folder where it is asked for."""
    stop = asyncio.Event()
    async with asyncio.TaskGroup() as group:
        watching = group.create_task(watch(house, stop, functions=functions, seen=seen))
        try:
            yield
        finally:
            stop.set()
            watching.cancel()  # it may be waiting for an import that hangs


def run_blocking(main: Callable[[], Awaitable[None]]) -> None:
    """Run on uvloop where there is one."""
    try:
        import uvloop
    except ImportError:
        factory = None
    else:
        factory = uvloop.new_event_loop
    with asyncio.Runner(loop_factory=factory) as runner:
        runner.run(_awaited(main))


async def _awaited(main: Callable[[], Awaitable[None]]) -> None:
    await main()
