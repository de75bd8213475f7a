"""Which of the remembered invocations a command is about: options that several commands have, written once."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import wraps
from inspect import Parameter, Signature, signature
from typing import Annotated, Any

import typer

Which = Mapping[str, str]
"""What was said, as the query of ``GET /v1/invocations`` has it: everything has to be so."""

_SAYS = (
    ("function", str | None, "Only those of this function."),
    ("route", str | None, "Only those of this route's template."),
    ("revision", str | None, "Only those of this revision."),
    ("status", str | None, "Only with this status: 404, 5xx."),
    ("slow", bool, "Only slow ones; with --errors, either."),
    ("errors", bool, "Only failures that no caller is to blame for."),
    ("since", str | None, "Only since then: 15m ago, or an instant."),
)
_OPTIONS = tuple(
    Parameter(
        name,
        Parameter.KEYWORD_ONLY,
        default=False if kind is bool else None,
        annotation=Annotated[kind, typer.Option(f"--{name}", help=says)],
    )
    for name, kind, says in _SAYS
)


def about_some(command: Callable[..., None]) -> Callable[..., None]:
    """The command with these options where it has its parameter ``which``, all of whose parameters are by keyword."""
    parameters: list[Parameter] = []
    for each in signature(command, eval_str=True).parameters.values():
        parameters += _OPTIONS if each.name == "which" else [each]

    @wraps(command)
    def run(**given: Any) -> None:
        said = {each.name: given.pop(each.name) for each in _OPTIONS}
        which = {
            name: "true" if value is True else value
            for name, value in said.items()
            if value not in (None, False)
        }
        command(which=which, **given)

    run.__signature__ = Signature(parameters)  # type: ignore[attr-defined]  # what typer reads
    run.__annotations__ = {each.name: each.annotation for each in parameters}
    return run
