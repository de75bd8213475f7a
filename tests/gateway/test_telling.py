"""A crowd that is refused fills no log."""

from __future__ import annotations

from bff.gateway.telling import MOST, Telling


def test_so_many_lines_a_second_and_then_a_number() -> None:
    """Nothing is lost: the next line says how many had none."""
    telling = Telling()
    assert [telling.heard(5.0) for _ in range(MOST)] == [""] * MOST
    assert [telling.heard(5.9) for _ in range(3)] == [None] * 3
    assert telling.heard(6.0) == "; 3 before it are not told"
    assert telling.heard(6.0) == ""
