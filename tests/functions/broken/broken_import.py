"""Needs something that is not installed."""

import a_package_nobody_has


async def handle() -> str:
    return a_package_nobody_has.name
