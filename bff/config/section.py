"""What every part of the configuration shares: it is frozen, strict, and discreet about secrets."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Annotated, Any, Final, LiteralString, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    PrivateAttr,
    SecretStr,
    SerializerFunctionWrapHandler,
    StrictBool,
    StrictInt,
    WithJsonSchema,
    WrapSerializer,
    model_serializer,
)
from pydantic_core import PydanticCustomError, core_schema

from bff.config.scalars import typed

HIDDEN: Final = "**********"  # what pydantic's SecretStr prints


class Section(BaseModel):
    """A part of routes.yaml as a frozen value.

    A field whose text came from the environment or a secret file keeps its value for the code that needs it,
    but never shows it: not in ``repr``, not in ``model_dump``, not in JSON.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True, defer_build=True)

    _hidden: frozenset[str] = PrivateAttr(default=frozenset())

    @classmethod
    def plain(cls) -> Self:
        """The section with every key at its default. To call the class instead would make a validator for it
        alone, which costs a start a millisecond or two for each section: routes.yaml has one for all of it.
        """
        return cls.model_construct()  # type: ignore[return-value]  # as the plugin sees it

    def hide(self, field: str) -> None:
        """From now on the field's value is not shown; called before anyone sees the section."""
        self._hidden |= {field}

    @model_serializer(mode="wrap")
    def _shown(self, dump: SerializerFunctionWrapHandler) -> dict[str, Any]:
        return {name: HIDDEN if name in self._hidden else value for name, value in dump(self).items()}

    def __repr_args__(self) -> Iterator[tuple[str | None, Any]]:
        for name, value in super().__repr_args__():
            yield name, HIDDEN if name in self._hidden else value


def wrong(message: LiteralString, *, hint: str = "") -> PydanticCustomError:
    """A validator's error: ``message`` never holds the value; ``hint`` may, and is dropped for secrets."""
    return PydanticCustomError("wrong", message, {"hint": hint})


def no_entries() -> Mapping[str, Any]:
    """The default of a frozen mapping."""
    return MappingProxyType({})


def _frozen(values: Mapping[str, Any]) -> Mapping[str, Any]:
    return MappingProxyType(dict(values))


def _dumped(values: Mapping[str, Any], dump: SerializerFunctionWrapHandler) -> Any:
    return dump(dict(values))


@dataclass(frozen=True, slots=True)
class Also:
    """Annotates a field with a second way to write it, for the loader (``read``) and for editors (``type``)."""

    read: Callable[[Any], Any]
    type: str

    def __get_pydantic_core_schema__(
        self, source: Any, build: GetCoreSchemaHandler
    ) -> core_schema.CoreSchema:
        return core_schema.no_info_before_validator_function(self.read, build(source))

    def __get_pydantic_json_schema__(
        self, schema: core_schema.CoreSchema, build: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        return {"anyOf": [build(schema), {"type": self.type}]}


def _typed(value: Any) -> Any:
    return typed(value) if isinstance(value, str) else value


def _enabled(value: Any) -> Any:
    value = _typed(value)
    return {"enabled": value} if isinstance(value, bool) else value


def _there(value: Any) -> Any:
    value = _typed(value)
    return {True: {}, False: None}[value] if isinstance(value, bool) else value


def _lowered(value: Any) -> Any:
    return value.lower() if isinstance(value, str) else value


def _one_is_a_list(value: Any) -> Any:
    return (value,) if isinstance(value, str) else value


def _no_doubles(values: tuple[str, ...]) -> tuple[str, ...]:
    for at, value in enumerate(values):
        if value in values[:at]:
            raise wrong("lists the same thing twice", hint=f": {value}")
    return values


Flag = Annotated[StrictBool, BeforeValidator(_typed)]
"""``true`` or ``false``, as YAML 1.2 writes them; in quotes too, which ``{…}`` demands around references."""

Count = Annotated[StrictInt, BeforeValidator(_typed)]
"""A whole number; in quotes too, which ``{…}`` demands around references."""

Secret = Annotated[SecretStr, WithJsonSchema({"type": ["string", "number", "boolean"]})]
"""Text that is never shown; the loader hands over ``PIN: 0042`` as the text it was written as."""

LowerCased = Annotated[str, BeforeValidator(_lowered)]
"""A name that HTTP compares without case."""

OneOrMany = Also(_one_is_a_list, "string")
"""``methods: GET`` means ``methods: [GET]``."""

NoDoubles = AfterValidator(_no_doubles)
"""A list in which nothing may stand twice."""

OrEmpty = Also(lambda value: {} if value is None else value, "null")
"""``services:`` with nothing below it (all commented out, say) means no services."""

OrNone = Also(lambda value: () if value is None else value, "null")
"""``routes:`` with nothing below it means no routes."""

OnOff = Also(_enabled, "boolean")
"""``recorder: false`` is short for ``recorder: {enabled: false}``."""

Present = Also(_there, "boolean")
"""``cache: true`` means the section with nothing in it, ``false`` none at all."""

FROZEN = (AfterValidator(_frozen), WrapSerializer(_dumped))
"""The annotations of a mapping nobody can change afterwards."""
