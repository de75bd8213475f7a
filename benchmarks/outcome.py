"""What a benchmark hands to the report, and how hard it was asked to try."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from benchmarks.figures import Series


@dataclass(frozen=True, slots=True, kw_only=True)
class Effort:
    """Full: figures to publish. Quick: a smoke test of the harness, its numbers mean little."""

    rounds: int = 7
    spare_rounds: int = 7
    seconds: int = 2
    starts: int = 15
    imports: int = 20
    rests: int = 3
    edits: int = 30
    functions: int = 40
    evictions: int = 3
    import_seconds: float = 1.0
    callers: int = 1000
    many: int = 10_000
    warm: int = 1000
    cycles: int = 10_000
    calls: int = 20_000
    is_quick: bool = False
    say: Callable[[str], None] = print

    @classmethod
    def quick(cls, say: Callable[[str], None] = print) -> "Effort":
        return cls(
            rounds=1,
            spare_rounds=0,
            seconds=1,
            starts=2,
            imports=3,
            rests=1,
            edits=3,
            functions=4,
            evictions=1,
            import_seconds=0.2,
            callers=50,
            many=200,
            warm=20,
            cycles=100,
            calls=500,
            is_quick=True,
            say=say,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A table beside the figures: what each contender measured on its own."""

    title: str
    head: tuple[str, ...]
    rows: Sequence[tuple[str, ...]]
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    figures: Mapping[str, Series] = field(default_factory=dict)  # by Goal.key
    tables: Sequence[Table] = ()
    rows: Sequence[Mapping[str, Any]] = ()  # raw, kept as JSON


def spread(series: Series, digits: int = 0) -> str:
    return f"{series.median:.{digits}f} ({series.low:.{digits}f} to {series.high:.{digits}f})"
