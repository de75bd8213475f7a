"""What the door costs: a token checked, a body checked, and callers who half-send and wait."""

import selectors
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from statistics import median

from joserfc import jwt
from joserfc.jwk import OctKey

from benchmarks import catalogue as who
from benchmarks import probe
from benchmarks.figures import Series, paired_ratios
from benchmarks.load import Plan, Window, by_round, quietest, rounds, wrk
from benchmarks.outcome import Effort, Outcome, Table, spread
from benchmarks.projects import HELLO, project
from benchmarks.servers import LOAD_CORE, BenchmarkError, Running, Server, on_core, running

SECRET = "not a secret, since it stands in a benchmark"
HEAD_TIMEOUT = 2.0
SETTINGS = f"""gateway: {{head_timeout: {HEAD_TIMEOUT:g}s}}
auth:
  people: {{jwt: {{issuer: "https://issuer.example", audience: shop, secret: "{SECRET}", algorithms: HS256}}}}
"""
HALVES = 200
PAIRS = 3
SETTLED = 0.1
"""Seconds until all of them are let in: 60 µs of processor time each, which nobody else's call has to wait for."""


def measure(effort: Effort) -> Outcome:
    with (
        project({"hello": HELLO}, SETTINGS) as open_config,
        project({"hello": HELLO}, SETTINGS + "defaults: {auth: people}\n") as guarded_config,
    ):
        opened = who.gateway("bff, open", open_config, expected=who.HELLO)
        guarded = replace(
            who.gateway("bff, behind a JWT", guarded_config, expected=who.HELLO),
            fields={"authorization": f"Bearer {token()}"},
        )
        windows = load(effort, opened, guarded)
        shares, gone = waited(effort, opened)
    views = Series.of(probe.told("view", effort.rounds, max(200, effort.calls // 10)))
    figures = {
        "door.jwt": paired_ratios(by_round(windows, guarded, "rps"), by_round(windows, opened, "rps")),
        "door.halves": shares,
        "door.gone": gone,
        "door.view": views,
    }
    return Outcome(
        figures=figures,
        tables=[table(figures)],
        rows=[{"benchmark": "door", "what": key, "values": seen.values} for key, seen in figures.items()],
    )


def token() -> str:
    now = int(time.time())
    claims = {"iss": "https://issuer.example", "aud": "shop", "sub": "ada", "iat": now, "exp": now + 86_400}
    return jwt.encode({"alg": "HS256"}, claims, OctKey.import_key(SECRET))


def load(effort: Effort, *servers: Server) -> list[Window]:
    plan = Plan(seconds=effort.seconds)
    taken = rounds(servers, count=effort.rounds, spare=effort.spare_rounds, plan=plan, say=effort.say)
    return quietest(taken, effort.rounds)


def waited(effort: Effort, server: Server) -> tuple[Series, Series]:
    """Requests/s beside half-sent requests ÷ without them, and seconds until the last of those is gone."""
    shares, gone = [], []
    with running(server) as run:
        wrk(run.url, 1)
        for _ in range(effort.rounds):
            pairs = []
            for _ in range(PAIRS):
                alone = wrk(run.url, 1).rps
                with halves(run) as (sockets, began):
                    time.sleep(SETTLED)
                    beside = wrk(run.url, 1).rps
                    gone.append(last_gone(sockets) - began)
                pairs.append(2 * beside / (alone + wrk(run.url, 1).rps))
            shares.append(median(pairs))  # windows of a second differ by a tenth by themselves
            effort.say(f"  {HALVES} half-sent: {shares[-1]:.2f} of the rate, gone after {gone[-1]:.2f} s")
    return Series.of(shares), Series.of(gone)


@contextmanager
def halves(run: Running) -> Iterator[tuple[list[socket.socket], float]]:
    """Callers with half a head each, and when the last of them came."""
    with ExitStack() as stack, on_core(LOAD_CORE):
        sockets = []
        for _ in range(HALVES):
            one = stack.enter_context(socket.create_connection(("127.0.0.1", run.port), timeout=30))
            one.sendall(b"GET /hello HTTP/1.1\r\nHost: bff\r\nx-half: ")
            sockets.append(one)
        yield sockets, time.perf_counter()


def last_gone(sockets: list[socket.socket], within: float = 30.0) -> float:
    """When every one of them has been closed by the other side; they were told why."""
    with selectors.DefaultSelector() as waiting:
        for one in sockets:
            waiting.register(one, selectors.EVENT_READ)
        ends, left = time.perf_counter() + within, len(sockets)
        while left:
            ready = waiting.select(max(0.0, ends - time.perf_counter()))
            if not ready:
                raise BenchmarkError(f"{left} half-sent requests are still there after {within:g} s")
            for key, _ in ready:
                assert isinstance(key.fileobj, socket.socket)
                if not key.fileobj.recv(65536):
                    waiting.unregister(key.fileobj)
                    left -= 1
    return time.perf_counter()


def table(figures: dict[str, Series]) -> Table:
    names = {
        "door.jwt": "hello behind a JWT ÷ open, requests/s",
        "door.halves": f"hello beside {HALVES} half-sent requests ÷ alone, requests/s",
        "door.gone": f"until the last of them is gone, s (head_timeout {HEAD_TIMEOUT:g} s)",
        "door.view": "a 4 KB view read, checked and written, CPU µs",
    }
    return Table(
        title="At the door",
        head=("what", "measured"),
        rows=[(says, spread(figures[key], 2)) for key, says in names.items()],
        note="The token is HS256 and the same one every time: verified once, remembered until it expires.",
    )
