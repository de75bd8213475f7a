"""One function looked at as closely as can be without running it: imported, its contract read, then dropped.

It loads on a loader of its own, in a thread that nobody has to wait for, and runs neither ``start`` nor a
handler.
"""

from __future__ import annotations

import concurrent.futures
import contextlib
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TypeVar

from bff.cli.mentions import services_in
from bff.config import Config, Mistake, RouteConfig
from bff.config.names import suggest
from bff.errors import FunctionNotLoaded
from bff.revisions import snapshot
from bff.revisions.loader import Loader, Package, explain
from bff.revisions.revision import Revision
from bff.revisions.snapshot import Snapshot
from bff.runtime.hooks import check_of
from bff.sdk.binding import binder_of, line_of
from bff.sdk.handler import ContractBroken, Handler, Kind, find
from bff.sdk.reply import compile_encoder

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Flaw(Mistake):
    """A mistake in a function's source, and what would put it right."""

    remedy: str = ""

    def __str__(self) -> str:
        told = Mistake.__str__(self)
        return f"{told}\n  remedy: {self.remedy}" if self.remedy else told


@dataclass(frozen=True, slots=True, kw_only=True)
class Examined:
    """What was found out about a function; ``shape`` is empty when it has none that works."""

    name: str
    shape: str
    routes: tuple[RouteConfig, ...]
    flaws: tuple[Flaw, ...]


class Examiner:
    """Examines the functions of one configuration. Nothing of them stays in memory."""

    def __init__(self, config: Config, loader: Loader) -> None:
        self._config = config
        self._loader = loader
        self._root = config.folder.resolve()

    def examine(self, name: str) -> Examined:
        """Everything that can be said of one function."""
        routes = tuple(route for route in self._config.routes if route.function == name)
        flaws: list[Flaw] = []
        shape = ""
        try:
            taken = snapshot.take(self._root, name)
            flaws.extend(self._unknown_services(taken))
            # What modules print must not get between the lines of --json.
            with contextlib.redirect_stdout(sys.stderr):
                shape, more = self._in_time(taken, partial(self._contract, taken, routes))
            flaws.extend(more)
        except FunctionNotLoaded as failure:
            flaws.append(self._flaw(failure))
        return Examined(name=name, shape=shape, routes=routes, flaws=tuple(flaws))

    def _unknown_services(self, taken: Snapshot) -> Iterator[Flaw]:
        known = self._config.services
        for module, tree in taken.trees.items():
            for service, line, column in services_in(tree):
                if service not in known:
                    yield Flaw(
                        file=self._shown(f"{self._root.name}/{taken.modules[module]}"),
                        line=line,
                        column=column,
                        message=f"no service {service} is declared in routes.yaml{suggest(service, known)}",
                        remedy=f'add `{service}: {{url: "http://…"}}` to its services, or correct the name',
                    )

    def _in_time(self, taken: Snapshot, work: Callable[[], T]) -> T:
        """What ``work`` gives, as long as the gateway would wait for it."""
        limit = self._config.warm_up_timeout(taken.function)
        done: concurrent.futures.Future[T] = concurrent.futures.Future()
        # A daemon: a module body that never ends cannot be killed, and must not hold up the exit.
        threading.Thread(target=_settle, args=(done, work), daemon=True).start()
        concurrent.futures.wait([done], limit)
        if not done.done():
            raise FunctionNotLoaded(
                taken.function,
                f"importing it did not end within {limit:g} s",
                where=_home(taken),
                remedy="move slow work from the module's body into `start`, "
                "or raise warm_up_timeout in routes.yaml",
            )
        try:
            return done.result()
        except KeyboardInterrupt as error:  # signals come to the main thread only: the module raised it
            raise FunctionNotLoaded(
                taken.function,
                "KeyboardInterrupt",
                where=_home(taken),
                remedy="a function's module must not exit the process",
            ) from error

    def _contract(self, taken: Snapshot, routes: Sequence[RouteConfig]) -> tuple[str, list[Flaw]]:
        package = self._loader.load(Revision(taken.function, taken.function, taken, 0.0), real_paths=True)
        try:
            handler = find(package.module())
            check_of(package.module())
            return f"{handler.shape}, {handler.kind}", list(self._misfits(handler, routes, package))
        except (KeyboardInterrupt, MemoryError):
            raise
        except BaseException as error:
            raise _failure(error, package) from error
        finally:
            self._loader.drop(package)

    def _misfits(self, handler: Handler, routes: Sequence[RouteConfig], package: Package) -> Iterator[Flaw]:
        """Where routes and return type do not fit the handler; what several routes share is said once."""
        if handler.kind is Kind.ASGI:
            return
        broken: dict[str, tuple[ContractBroken, list[str]]] = {}
        for route in routes:
            error = _breaks(partial(binder_of, handler, route.pattern.parameters))
            if error is not None:
                broken.setdefault(str(error), (error, []))[1].append(route.path)
        error = _breaks(partial(compile_encoder, package.revision.function, handler.call))
        if error is not None and not broken:
            broken[str(error)] = error, []
        for error, paths in broken.values():
            error.line = error.line or line_of(handler.call)
            flaw = self._flaw(_failure(error, package))
            yield replace(flaw, message=f"{flaw.message} (route {', '.join(paths)})") if paths else flaw

    def _flaw(self, failure: FunctionNotLoaded) -> Flaw:
        path, line, column = _place(failure.where)
        return Flaw(
            file=self._shown(path or f"{self._root.name}/{failure.function}.py"),
            line=line,
            column=column,
            message=failure.why,
            remedy=failure.remedy,
        )

    def _shown(self, path: str) -> str:
        """``functions/home.py`` as seen from here, whatever routes.yaml calls the folder."""
        return str(self._config.folder / path.partition("/")[2])


def _breaks(compile_it: Callable[[], object]) -> ContractBroken | None:
    try:
        compile_it()
    except ContractBroken as broken:
        return broken
    except NameError as error:
        return ContractBroken(f"the handler's signature cannot be read: {error}")
    return None


def _settle(done: concurrent.futures.Future[T], work: Callable[[], T]) -> None:
    try:
        done.set_result(work())
    except BaseException as error:
        done.set_exception(error)


def _home(taken: Snapshot) -> str:
    return f"{taken.root.name}/{taken.modules[taken.function]}"


def _failure(error: BaseException, package: Package) -> FunctionNotLoaded:
    place = _home(package.revision.snapshot)
    if isinstance(error, ContractBroken):
        where = f"{place}:{error.line}" if error.line else place
        # Our name for the folder means nothing to its author.
        why = str(error).replace(f"{package.name}.", "")
        return FunctionNotLoaded(package.revision.function, why, where=where, remedy=error.remedy)
    failure = explain(error, package)
    failure.where = failure.where or place
    return failure


def _place(where: str) -> tuple[str, int, int]:
    """File, line and column of ``functions/home.py:3:5``; 0 for no line, column 1 when it is not known."""
    parts = where.split(":")
    numbers = [int(part) for part in parts[1:]]
    line, column = (*numbers, 1)[:2] if numbers else (0, 0)
    return parts[0], line, column
