"""Frozen dataclasses made at a third of the cost: a gateway starts with some two hundred of them.

:func:`dataclasses.dataclass` compiles six methods for each class, one by one, which were a quarter of a start. Here only
``__init__`` is compiled; the others are the same for all and read what the class's fields are. What is made is a
dataclass with ``frozen=True, slots=True, kw_only=True`` to everybody who asks, ``replace`` and ``fields`` included.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import MISSING, Field, FrozenInstanceError, dataclass, field, fields
from operator import attrgetter
from typing import Any, NoReturn, TypeVar, dataclass_transform

T = TypeVar("T")


@dataclass_transform(frozen_default=True, kw_only_default=True, field_specifiers=(field,))
def frozen(cls: type[T]) -> type[T]:
    """The class as a frozen dataclass with slots, whose arguments are all named.

    Raises:
        TypeError: it has what this does not do: ``__post_init__``, or a base that is a dataclass.

    """
    if hasattr(cls, "__post_init__") or hasattr(cls, "__dataclass_fields__"):
        raise TypeError(f"{cls.__name__} is more than `frozen` makes: use dataclasses.dataclass")
    own = vars(cls)
    made = dataclass(init=False, repr=False, eq=False, slots=True, kw_only=True)(cls)
    given: dict[str, Any] = {"__init__": _init_of(made), "__setattr__": _refuse, "__delattr__": _refuse}
    given |= {"__eq__": _equals, "__hash__": _hash, "__repr__": _repr}
    given |= {"__getstate__": _state, "__setstate__": _restore}
    compared = [each.name for each in fields(made) if each.compare]  # type: ignore[arg-type]
    given["__compared__"] = attrgetter(*compared) if compared else staticmethod(_nothing)
    for name, method in given.items():
        if name not in own or own[name] is None:
            setattr(made, name, method)
    return made


def _init_of(cls: type[Any]) -> Callable[..., None]:
    """Sets every slot by its own descriptor, past the one ``__setattr__`` that refuses."""
    names: dict[str, Any] = {}
    parameters, lines = [], []
    for each in fields(cls):
        name, value = each.name, each.name
        names[f"_set_{name}"] = getattr(cls, name).__set__
        if each.default is not MISSING:
            names[f"_default_{name}"] = each.default
            parameters.append(f"{name}=_default_{name}")
        elif each.default_factory is not MISSING:
            names[f"_make_{name}"], names["_MISSING"] = each.default_factory, MISSING
            parameters.append(f"{name}=_MISSING")
            value = f"_make_{name}() if {name} is _MISSING else {name}"
        else:
            parameters.append(name)
        lines.append(f" _set_{name}(self, {value})")
    star = ", *, " if parameters else ""
    source = f"def __init__(self{star}{', '.join(parameters)}):\n" + ("\n".join(lines) or " pass")
    exec(source, names)  # noqa: S102 - as dataclasses does, of names that are identifiers already
    made: Callable[..., None] = names["__init__"]
    made.__qualname__ = f"{cls.__qualname__}.__init__"
    made.__module__ = cls.__module__
    return made


def _shown(self: Any) -> list[Field[Any]]:
    return [each for each in fields(self) if each.repr]


def _nothing(_of: object) -> tuple[()]:
    return ()


def _equals(self: Any, other: Any) -> Any:
    if other.__class__ is not self.__class__:
        return NotImplemented
    values = self.__compared__  # in C, and not bound to anybody
    return values(self) == values(other)


def _hash(self: Any) -> int:
    return hash(self.__compared__(self))


def _repr(self: Any) -> str:
    said = ", ".join(f"{each.name}={getattr(self, each.name)!r}" for each in _shown(self))
    return f"{type(self).__qualname__}({said})"


def _state(self: Any) -> list[Any]:
    return [getattr(self, each.name) for each in fields(self)]


def _restore(self: Any, state: list[Any]) -> None:
    """For ``copy``; what is frozen is set past its own ``__setattr__``."""
    for each, value in zip(fields(self), state, strict=True):
        object.__setattr__(self, each.name, value)


def _refuse(self: Any, name: str, _value: object = None) -> NoReturn:
    raise FrozenInstanceError(f"cannot assign to field {name!r}")
