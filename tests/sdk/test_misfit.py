"""Validators of builtin types are shared; those that hold something of a function's are its own."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, Field

from bff.sdk.misfit import adapter_of


class Model(BaseModel):
    name: str


@pytest.mark.parametrize("kind", [int, dict[str, str], list[dict[str, int | None]], str | None, None, list])
def test_builtin_types_have_one_validator_for_everybody(kind: Any) -> None:
    """However often a handler that names them is warmed."""
    assert adapter_of(kind) is adapter_of(kind)


@pytest.mark.parametrize(
    "kind",
    [
        Model,
        list[Model],
        Model | None,
        int | str,  # equal to str | int, which tries them in another order
        Annotated[int, Field(gt=1)],
        Literal[1],
        Sequence[int],
        OrderedDict[str, int],
    ],
)
def test_other_types_have_one_each(kind: Any) -> None:
    """An evicted function's class must not be kept, nor one meaning be taken for another."""
    assert adapter_of(kind) is not adapter_of(kind)


def test_equal_is_not_enough() -> None:
    """A validator does what its own type says."""
    assert adapter_of(list[int]).validate_python(["1"]) == [1]
    assert adapter_of(list[bool]).validate_python(["1"]) == [True]
    assert type(adapter_of(list[bool]).validate_python([1])[0]) is bool
