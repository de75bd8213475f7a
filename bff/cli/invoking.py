"""``bff invoke``: one call of one function without a server, through the same door as every other."""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

import httpx
import typer

from bff.app import Options, compose
from bff.cli import report
from bff.cli.asking import ABSENT, CannotAsk, on_a_route, without_route
from bff.cli.exchange import Answered, exchange
from bff.cli.functionlines import FunctionLines
from bff.cli.output import config_at, fail, say, show
from bff.config import Config
from bff.config.names import suggest
from bff.errors import FunctionNotLoaded
from bff.runtime.instance import Instance

OnPiece = Callable[[bytes], Any]


def invoke(
    name: str, *, data: str | None, path: str | None, method: str | None, config_path: Path, as_json: bool
) -> None:
    """Call it and print the answer; exit 1 if the status is 400 or more."""
    config = config_at(config_path, as_json=as_json)
    try:
        if name not in config.functions_found:
            raise CannotAsk(f"there is no function {name}{suggest(name, config.functions_found)}")
        given = ABSENT if data is None else _read_data(data)
        pieces: list[bytes] = []
        on_piece = pieces.append if as_json else partial(_write, sys.stdout.buffer)
        # What the function prints is about the answer, not the answer.
        with contextlib.redirect_stdout(sys.stderr):
            answered, told = asyncio.run(_call(config, name, given, path, method, on_piece))
    except CannotAsk as error:
        fail(str(error), as_json=as_json)
    except FunctionNotLoaded as failure:
        if as_json:
            show(report.not_loaded(failure))
        else:
            say(failure.report())
        raise typer.Exit(1) from None
    _tell(answered, told, pieces, as_json=as_json)
    raise typer.Exit(0 if answered.status < 400 else 1)


def _read_data(text: str) -> Any:
    """The JSON of ``--data``: the text itself, ``@FILE``, or ``@-`` for standard input."""
    try:
        if text.startswith("@"):
            text = sys.stdin.read() if text == "@-" else Path(text[1:]).read_text("utf-8")
        return json.loads(text)
    except OSError as error:
        raise CannotAsk(f"--data {text}: the file cannot be read: {error.strerror}") from None
    except (ValueError, RecursionError) as error:
        raise CannotAsk(f"--data is not JSON: {error}") from None


async def _call(
    config: Config, name: str, given: Any, path: str | None, method: str | None, on_piece: OnPiece
) -> tuple[Answered, dict[str, Any]]:
    """Make the call; its answer, and the report on it."""
    quiet = config.telemetry.model_copy(update={"access_log": False, "metrics": False})
    lines = FunctionLines(sys.stderr, pretty=sys.stderr.isatty(), level=quiet.log_level)
    options = Options(dev=True, lines=lines)
    if path is None:  # its arguments are asked for here, which only a handler in this process can tell
        own = config.function(name).model_copy(update={"isolation": "inline"})
        config = config.model_copy(update={"functions": {**config.functions, name: own}})
    async with compose(config.model_copy(update={"telemetry": quiet}), options) as house:
        # Who asks for what no route has need not wait for the warm-up to hear of it.
        asked = on_a_route(config, name, given, path, method) if path is not None else None
        live = await house.invoker.functions[name].activate()
        instance = await live.warm()
        if asked is None:
            assert isinstance(instance, Instance)
            asked = without_route(name, instance, given, method)
        answered = await exchange(house, asked, on_piece)
        told = report.as_dict(answered.record, live.last_phases, answered.error)
        if answered.response is None:
            told["error"] = f"the answer broke off: {told['error']}"
        return answered, {"status": answered.status} | told


def _tell(answered: Answered, told: dict[str, Any], pieces: list[bytes], *, as_json: bool) -> None:
    response = answered.response
    if as_json:
        headers = dict(response.headers) if response is not None else {}
        status = {"status": answered.status, "headers": headers, "body": _body(response, pieces)}
        show(status | told)
        return
    if response is not None:
        _print(response)
    report.tell(told)


def _body(response: httpx.Response | None, pieces: list[bytes]) -> Any:
    """The body for ``--json``: its value if it is JSON, else its text."""
    content = b"".join(pieces) or (response.content if response is not None else b"")
    if response is not None and _is_json(response):
        try:
            return json.loads(content)
        except ValueError:
            pass  # an application may call anything JSON
    return content.decode("utf-8", "replace") if content else None


def _print(response: httpx.Response) -> None:
    """The body on standard output: JSON indented, other text as it is, other bytes not onto a terminal."""
    kind = response.headers.get("content-type", "")
    if not response.content:
        return
    if _is_json(response) or kind.startswith("text/"):
        value = _body(response, [])
        typer.echo(value if isinstance(value, str) else json.dumps(value, indent=2, ensure_ascii=False))
    elif sys.stdout.isatty():
        say(f"<{len(response.content)} bytes of {kind or 'no stated type'}>")
    else:
        _write(sys.stdout.buffer, response.content)


def _is_json(response: httpx.Response) -> bool:
    essence: str = response.headers.get("content-type", "").partition(";")[0].strip()
    return essence == "application/json" or essence.endswith("+json")


def _write(stream: BinaryIO, piece: bytes) -> None:
    stream.write(piece)
    stream.flush()
