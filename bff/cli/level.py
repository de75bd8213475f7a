"""``bff level``: how much a running gateway logs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from bff.cli.gateway import asking
from bff.cli.output import fail, print_table, show
from bff.config.units import parse_share
from bff.telemetry.verbosity import LEVELS

PATH = "/v1/logging"


def level(
    wanted: str | None,
    *,
    function: str | None,
    sample: str | None,
    resets: bool,
    admin: str,
    config: Path,
    as_json: bool,
) -> None:
    """Show how much is logged, or change it."""
    body = _body(wanted, function, sample, as_json=as_json)
    if resets and body:
        fail("--reset goes back to what routes.yaml says; it changes nothing else", code=2, as_json=as_json)
    with asking(admin, config, as_json=as_json) as gateway:
        if resets:
            told = gateway.write("DELETE", PATH).value
        elif body:
            told = gateway.write("PATCH", PATH, json=body).value
        else:
            told = gateway.get(PATH).value
    if as_json:
        show(told)
    else:
        print_table(("what", "is logged from"), _rows(told))


def _body(wanted: str | None, function: str | None, sample: str | None, *, as_json: bool) -> dict[str, Any]:
    if wanted is not None and wanted not in LEVELS and not (function and wanted == "none"):
        fail(f"{wanted} is no level; write {', '.join(LEVELS)}", code=2, as_json=as_json)
    if function and wanted is None:
        fail("say which level; none forgets the function's own", code=2, as_json=as_json)
    body: dict[str, Any] = {}
    if function:
        body["functions"] = {function: None if wanted == "none" else wanted}
    elif wanted is not None:
        body["level"] = wanted
    if sample is not None:
        body["sample"] = _share(sample, as_json=as_json)
    return body


def _share(text: str, *, as_json: bool) -> float:
    """``10%`` as a fraction."""
    try:
        return parse_share(text)
    except ValueError as wrong:
        fail(f"--sample {text} {wrong}", code=2, as_json=as_json)


def _rows(told: dict[str, Any]) -> list[list[str]]:
    functions = [[f"function {name}", level] for name, level in sorted(told["functions"].items())]
    return [
        ["everything", told["level"]],
        *functions,
        ["requests that went well", f"{100 * told['sample']:g} % of them"],
    ]
