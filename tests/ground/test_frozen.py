"""What `frozen` makes is what dataclasses would have made, at a third of the cost."""

from __future__ import annotations

import copy
from dataclasses import FrozenInstanceError, asdict, dataclass, field, fields, is_dataclass, replace
from typing import Any, ClassVar

import pytest

from bff.frozen import frozen


@frozen
class Ours:
    """Everything that fields can be."""

    KIND: ClassVar[str] = "k"
    name: str
    count: int = 1
    parts: list[str] = field(default_factory=list)
    secret: str = field(default="s", repr=False, compare=False)

    @property
    def size(self) -> int:
        return len(self.parts)


@dataclass(frozen=True, slots=True, kw_only=True)
class Theirs:
    """The same, by the standard library."""

    KIND: ClassVar[str] = "k"
    name: str
    count: int = 1
    parts: list[str] = field(default_factory=list)
    secret: str = field(default="s", repr=False, compare=False)


@frozen
class Named:
    """With methods of its own."""

    name: str

    def __repr__(self) -> str:
        return f"<{self.name}>"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Named)

    def __hash__(self) -> int:
        return 7


def test_it_is_told_like_a_dataclass() -> None:
    """By its text, its fields and its slots."""
    assert repr(Ours(name="a")).replace("Ours", "Theirs") == repr(Theirs(name="a"))
    assert is_dataclass(Ours)
    assert [each.name for each in fields(Ours)] == [each.name for each in fields(Theirs)]
    assert asdict(Ours(name="a", parts=["x"])) == asdict(Theirs(name="a", parts=["x"]))
    assert not hasattr(Ours(name="a"), "__dict__")
    assert Ours(name="a", parts=["x"]).size == 1


def test_it_is_equal_by_what_is_compared() -> None:
    """To its own kind only; and what is equal has the same hash."""
    assert Ours(name="a") == Ours(name="a", secret="other")
    assert Ours(name="a") != Ours(name="b")
    assert Ours(name="a") != Theirs(name="a")
    assert hash(Named(name="a")) == 7
    assert Named(name="a") == Named(name="b")
    assert repr(Named(name="a")) == "<a>"


@frozen
class Plain:
    """Of what can be hashed."""

    name: str
    count: int = 1


def test_what_can_be_hashed_has_the_hash_of_its_fields() -> None:
    """And stands for its equals in sets."""
    assert len({Plain(name="a"), Plain(name="a"), Plain(name="b")}) == 2
    with pytest.raises(TypeError, match="unhashable"):
        hash(Ours(name="a"))


@pytest.mark.parametrize("change", [lambda it: setattr(it, "name", "b"), lambda it: delattr(it, "name")])
def test_it_is_frozen(change: Any) -> None:
    """Whoever wants another one makes another one."""
    made = Ours(name="a", count=2)
    with pytest.raises(FrozenInstanceError, match="name"):
        change(made)
    assert replace(made, name="b") == Ours(name="b", count=2)
    assert made.name == "a"


def test_each_has_a_list_of_its_own() -> None:
    """A default is made for each that was given none, and copies share nothing when they are deep."""
    one, other = Ours(name="a"), Ours(name="a")
    one.parts.append("x")
    assert other.parts == []
    deep = copy.deepcopy(one)
    assert deep == one
    assert deep.parts is not one.parts
    assert copy.copy(one).parts is one.parts


@pytest.mark.parametrize("given", [{}, {"name": "a", "nobody": 1}])
def test_arguments_are_those_it_has(given: dict[str, Any]) -> None:
    """None is missing, and none too many; all by name."""
    with pytest.raises(TypeError):
        Ours(**given)
    with pytest.raises(TypeError):
        Ours("a")  # type: ignore[misc]


def test_what_it_does_not_make_is_refused() -> None:
    """Not half made."""
    with pytest.raises(TypeError, match="more than `frozen` makes"):

        @frozen
        class _Checked:
            name: str

            def __post_init__(self) -> None:
                raise AssertionError

    with pytest.raises(TypeError, match="more than `frozen` makes"):

        @frozen
        class _Based(Plain):
            more: int
