"""How much is logged, while it changes."""

from __future__ import annotations

import pytest

from bff.telemetry.verbosity import Said, Verbosity
from bff.trace import begin


@pytest.mark.parametrize("least", ["debug", "info", "warning", "error"])
def test_what_is_wanted_is_at_least_so_bad(least: str) -> None:
    """Level by level."""
    levels = ["debug", "info", "warning", "error"]
    wanted = Verbosity(Said(level=least))
    assert [level for level in levels if wanted.wants(level)] == levels[levels.index(least) :]


def test_a_function_may_have_a_level_of_its_own() -> None:
    """Louder or quieter than the others."""
    wanted = Verbosity(Said(level="info", functions={"home": "debug", "noisy": "error"}))
    assert (wanted.wants("debug", "home"), wanted.wants("debug", "other"), wanted.wants("debug")) == (
        True,
        False,
        False,
    )
    assert (wanted.wants("warning", "noisy"), wanted.wants("error", "noisy")) == (False, True)
    assert wanted.said() == Said(level="info", functions={"home": "debug", "noisy": "error"})


def test_who_listens_hears_of_changes() -> None:
    """As the standard library's root logger does, which has a level of its own."""
    wanted, heard = Verbosity(Said(level="error")), list[int]()
    wanted.on_change(lambda: heard.append(wanted.least))
    wanted.obey(Said(level="warning", functions={"home": "debug"}))
    assert heard == [10]


def test_a_share_of_the_traces_is_kept_and_everybody_keeps_the_same() -> None:
    """Of random ids about as many as asked for; a greater share holds all of a smaller one."""
    traces = [begin().trace_id for _ in range(4000)]
    tenth, half, whole = (Verbosity(Said(level="info", sample=share)) for share in (0.1, 0.5, 1.0))
    kept = [trace for trace in traces if tenth.samples(trace)]
    assert 250 < len(kept) < 600
    assert all(half.samples(trace) for trace in kept)
    assert all(whole.samples(trace) for trace in traces)
