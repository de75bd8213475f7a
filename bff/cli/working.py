"""``bff worker``: a process that delivers events and answers no browser."""

from __future__ import annotations

from pathlib import Path

from bff.app import House
from bff.cli.output import config_at, fail
from bff.cli.serving import give_up, parse_address, run_to_the_end, tell_people, tell_programs
from bff.cli.sharing import share_of
from bff.listeners import work


def worker(path: Path, *, admin: str, queues: str | None, name: str, as_json: bool) -> None:
    """Work until told to stop."""
    config = config_at(path, as_json=as_json)
    share = share_of(config, queues=queues, name=name, as_json=as_json)
    if not config.has_events:
        fail("routes.yaml has no triggers, schedules, pipelines or calls: there is no work", as_json=as_json)
    if config.state_place.file is None and not config.state_place.postgres:
        fail("`state` is in memory, where nobody else can put work", as_json=as_json)

    async def announce(house: House, _public: str, private: str) -> None:
        taken = ", ".join(share.queues) if share.queues else "all queues"
        if as_json:
            tell_programs(house, {"admin": private, "queues": share.queues, "name": name})
        else:
            tell_people(f"bff worker: {taken}   admin: {private}")

    async def main() -> None:
        address = parse_address(admin, as_json=as_json)
        await work(config, admin=address, announce=announce, end=give_up, share=share)

    run_to_the_end(main, as_json=as_json)
