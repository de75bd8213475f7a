"""Tokens are known by their hash only, and what was written with them is remembered."""

from __future__ import annotations

from pathlib import Path

import pytest

from bff.revisions.store import access
from bff.revisions.store.records import Token
from bff.revisions.store.store import Store

pytestmark = pytest.mark.anyio

CI = Token(id="t1", name="ci", scopes=frozenset({"read", "write"}), created=1.0)


async def test_a_token_is_found_by_its_secret_only(store: Store) -> None:
    await store.add_token(CI, "bff_secret")
    assert await store.find_token("bff_secret") == CI
    assert await store.find_token("bff_secre") is None
    assert await store.find_token(access.hashed("bff_secret")) is None
    assert await store.tokens() == (CI,)
    await store.touch_token("t1")
    assert (await store.tokens())[0].used > 1_600_000_000


async def test_a_revoked_token_is_unknown(store: Store) -> None:
    await store.add_token(CI, "bff_secret")
    assert await store.revoke_token("t1")
    assert await store.find_token("bff_secret") is None
    assert not await store.revoke_token("t1")


@pytest.mark.parametrize("where", ["file"], indirect=True)
async def test_no_secret_is_on_the_disk(store: Store, where: Path) -> None:
    await store.add_token(CI, "bff_7c7fd0c1e0")
    written = b"".join(file.read_bytes() for file in where.parent.iterdir())
    assert access.hashed("bff_7c7fd0c1e0").encode() in written
    assert b"7c7fd0c1e0" not in written.replace(access.hashed("bff_7c7fd0c1e0").encode(), b"")


async def test_writes_are_remembered_newest_first_and_bounded(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(access, "AUDIT_KEPT", 3)
    for n in range(5):
        await store.audit(who="ci", what="PUT traffic", target="home", status=200 + n, detail={"n": n})
    lines = await store.audited(limit=10)
    assert [line.status for line in lines] == [204, 203, 202]
    assert (lines[0].who, lines[0].target, lines[0].detail) == ("ci", "home", {"n": 4})
    assert [line.status for line in await store.audited(limit=1, before=lines[0].id)] == [203]
