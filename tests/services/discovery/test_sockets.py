"""No socket of a cancelled question stays open."""

from __future__ import annotations

import asyncio
import os
import socket

import pytest

from bff.services.discovery import sockets

pytestmark = pytest.mark.anyio


def opened() -> set[str]:
    """The sockets of this process, by the names the kernel gives them."""
    found = set()
    for each in os.scandir("/proc/self/fd"):
        try:
            found.add(os.readlink(each.path))
        except FileNotFoundError:
            continue  # the one that the folder was read by
    return {name for name in found if name.startswith("socket:")}


@pytest.mark.parametrize("turns", range(4))
async def test_who_is_cancelled_while_a_socket_is_made_leaves_none(turns: int) -> None:
    """Whatever turn of the loop it is; the error is kept, so that no collector closes what it would find."""
    before = opened()
    asking = asyncio.create_task(sockets.backend().make_socket(socket.AF_INET, socket.SOCK_DGRAM))
    for _ in range(turns):
        await asyncio.sleep(0)
    asking.cancel()
    (kept,) = await asyncio.gather(asking, return_exceptions=True)
    if not isinstance(kept, BaseException):
        await kept.close()  # it was there already
    for _ in range(5):
        await asyncio.sleep(0)
    assert opened() == before


async def test_a_socket_that_is_made_is_given() -> None:
    made = await sockets.backend().make_socket(socket.AF_INET, socket.SOCK_DGRAM, 0, None, ("127.0.0.1", 9))
    try:
        assert (await made.getpeername()) == ("127.0.0.1", 9)
    finally:
        await made.close()
