"""Signals go sideways: to whoever listens, at once, and never back."""

from __future__ import annotations

from typing import Any

import pytest

from bff.signals import ConfigApplied, ConfigRejected, Evicted, Signal, Signals


class Special(Signal):
    pass


class MoreSpecial(Special):
    pass


def test_each_listener_hears_its_type_in_order() -> None:
    """All that listen to a type, in the order they were added; nobody else."""
    heard: list[tuple[str, Any]] = []
    signals = Signals()
    signals.listen(ConfigApplied, lambda signal: heard.append(("first", signal)))
    signals.listen(ConfigApplied, lambda signal: heard.append(("second", signal)))
    signals.listen(ConfigRejected, lambda signal: heard.append(("rejected", signal)))
    applied = ConfigApplied(routes=3)
    signals.emit(applied)
    signals.emit(Evicted(function="home", revision="home-00001"))
    assert heard == [("first", applied), ("second", applied)]


def test_a_type_is_heard_exactly() -> None:
    """Not its subclasses: a listener knows what it gets."""
    heard: list[Any] = []
    signals = Signals()
    signals.listen(Special, heard.append)
    signals.emit(MoreSpecial())
    assert heard == []


def test_a_listener_that_fails_fails_alone(capsys: pytest.CaptureFixture[str]) -> None:
    """Who emits is not told, the other listeners hear, and the failure is printed."""
    heard: list[Any] = []
    signals = Signals()

    def broken(signal: Any) -> None:
        raise ZeroDivisionError("oops")

    signals.listen(ConfigApplied, broken)
    signals.listen(ConfigApplied, heard.append)
    signals.emit(ConfigApplied(routes=1))
    assert len(heard) == 1
    said = capsys.readouterr().err
    assert "ConfigApplied" in said
    assert "ZeroDivisionError: oops" in said


def test_a_listener_may_add_another() -> None:
    """It hears from the next signal on."""
    heard: list[str] = []
    signals = Signals()

    def adding(_signal: Any) -> None:
        heard.append("old")
        signals.listen(ConfigApplied, lambda _: heard.append("new"))

    signals.listen(ConfigApplied, adding)
    signals.emit(ConfigApplied(routes=1))
    assert heard == ["old"]


def test_signals_are_values() -> None:
    """Frozen, and equal when they say the same."""
    signal = ConfigApplied(routes=1)
    assert signal == ConfigApplied(routes=1) != ConfigApplied(routes=2)
    with pytest.raises(AttributeError):
        signal.routes = 2  # type: ignore[misc]
