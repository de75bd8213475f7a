"""One ratio and no more: python -m benchmarks.beside aggregate Fastify [PEER …] [--rounds 2] [--seconds 1].

Our gateway beside the peers whose names hold one of these words, measured as `python -m benchmarks` does it: fresh
servers, windows there and back, each ratio taken round by round. For a look between two changes; figures to publish
come from `make bench`. Where others use the machine too, CPU a request says more than requests/s.
"""

import argparse
import sys
from collections.abc import Callable, Mapping, Sequence
from statistics import mean

from benchmarks import aggregate, hello
from benchmarks import catalogue as who
from benchmarks.figures import Series
from benchmarks.outcome import Effort, Outcome, spread
from benchmarks.report import titled
from benchmarks.servers import Server

Measure = Callable[[Effort, Sequence[Server]], Outcome]
KINDS: Mapping[str, tuple[Measure, Server, Sequence[Server]]] = {
    "hello": (hello.measure, who.BFF_BARE, hello.SERVERS),
    "equipped": (hello.measure, who.BFF_EQUIPPED, hello.SERVERS),
    "aggregate": (aggregate.measure, who.BFF_AGGREGATE, who.AGGREGATORS),
}


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.beside", description=__doc__)
    parser.add_argument("kind", choices=KINDS)
    parser.add_argument("peers", nargs="+", metavar="PEER", help="a word of a peer's name")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--seconds", type=int, default=1, help="of each window")
    chosen = parser.parse_args(argv)
    measure, ours, known = KINDS[chosen.kind]
    peers = chosen_peers(known, ours, chosen.peers)
    if not peers:
        parser.error(f"no peer of that name; there are {', '.join(each.name for each in known)}")
    outcome = measure(Effort(rounds=chosen.rounds, spare_rounds=0, seconds=chosen.seconds), [ours, *peers])
    for table in outcome.tables:
        print("\n".join(titled(table)))
    for peer in peers:
        more, less = (ratio(outcome, ours, peer, what) for what in ("rps", "cpu"))
        print(f"{ours.name} ÷ {peer.name}: requests/s {spread(more, 2)}, CPU a request {spread(less, 2)}")
    return 0


def chosen_peers(known: Sequence[Server], ours: Server, words: Sequence[str]) -> list[Server]:
    """Those whose name holds one of the words."""
    wanted = [word.lower() for word in words]
    return [each for each in known if each is not ours and any(word in each.name.lower() for word in wanted)]


def ratio(outcome: Outcome, ours: Server, peer: Server, what: str) -> Series:
    """Ours over theirs, round by round, with the most connections that were measured."""
    most = max(row["connections"] for row in outcome.rows)
    rows = [row for row in outcome.rows if row["connections"] == most]
    rounds = sorted({row["round"] for row in rows})

    def of(server: Server, at: int) -> float:
        return float(mean(row[what] for row in rows if (row["server"], row["round"]) == (server.name, at)))

    return Series.of([of(ours, at) / of(peer, at) for at in rounds])


if __name__ == "__main__":
    sys.exit(main())
