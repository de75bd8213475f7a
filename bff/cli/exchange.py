"""One request through the gateway's own door, in this process, and the record of how it went."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import httpx

from bff.app import House
from bff.cli.asking import ORIGIN, Asked
from bff.cli.report import explained
from bff.cli.tap import BrokenOff, Tap
from bff.gateway.target import compile_table
from bff.sdk.invocation import Invocation


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """What came back. ``response`` is None when the answer broke off; streamed bodies are not in it. ``error`` is told
    with the lines of the function's own that were running: of a call that has ended nobody knows them any more.
    """

    record: Invocation
    error: str | None
    response: httpx.Response | None

    @property
    def status(self) -> int:
        """The answer's status; 500 for one that broke off, whatever its head had said."""
        return self.response.status_code if self.response is not None else 500


async def exchange(house: House, asked: Asked, on_piece: Callable[[bytes], None]) -> Answered:
    """Ask, and wait for the end of the answer; ``on_piece`` gets what is streamed, when it comes."""
    config, folder = house.config, house.config.folder.resolve()
    records: list[tuple[Invocation, str | None]] = []

    def hear(record: Invocation) -> None:
        records.append((record, explained(record.error, folder) if record.error is not None else None))

    house.signals.listen(Invocation, hear)
    if asked.route is not None:
        config = config.model_copy(update={"routes": (asked.route,)})
    house.gateway.table = compile_table(
        config, {}, is_dev=True
    )  # who has the files need not show who they are
    response = None
    options: dict[str, Any] = dict(asked.options)
    client = httpx.AsyncClient(
        transport=httpx.ASGITransport(app=Tap(house.gateway, on_piece)),
        base_url=ORIGIN,
        cookies=options.pop("cookies", None),
        timeout=httpx.Timeout(None),  # the gateway keeps the deadline
        trust_env=False,
    )
    async with client:
        with contextlib.suppress(BrokenOff):
            response = await client.request(asked.method, asked.path, **options)
    record, error = records[0]
    return Answered(record=record, error=error, response=response)
