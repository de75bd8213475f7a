"""A store that an earlier version wrote is brought up to date where it lies, with all that is in it."""

from __future__ import annotations

from pathlib import Path

import pytest

from bff.revisions.store import database, schema
from tests.revisions.store.conftest import Open, database_at

pytestmark = pytest.mark.anyio

FIRST = """\
INSERT INTO functions (name, numbered, latest, folder, version, block, changed) VALUES
 ('home', 3, 'home-00003', 'f', 4, '[{"percent":100,"revisionName":"home-00002"}]', 9),
 ('shop', 2, 'shop-00002', 'f', 0, '[{"latestRevision":true,"percent":100}]', 9);
INSERT INTO revisions (function, number, name, digest, created, author, origin, note, settings, size, last_active)
 VALUES ('home', 1, 'home-00001', 'a', 10, 'ann', 'folder', '', '', 1, 20),
 ('home', 2, 'home-00002', 'b', 11, 'ann', 'folder', '', '', 1, 21),
 ('home', 3, 'home-00003', 'c', 12, 'ann', 'folder', '', '', 1, 22),
 ('shop', 1, 'shop-00001', 'd', 13, 'ann', 'folder', '', '', 1, 23),
 ('shop', 2, 'shop-00002', 'e', 14, 'ann', 'folder', '', '', 1, 0);
INSERT INTO releases (function, version, goes_on, state) VALUES
 ('home', 1, 0, '{"baseline":"home-00002","canary":"home-00003","state":"rolled-back"}')"""


async def test_the_first_schema_becomes_the_present_one(
    where: Path | str, open_store: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What served, what can be gone back to, and what its release took back are worked out from what there was."""
    with monkeypatch.context() as patched:
        patched.setattr(database, "MIGRATIONS", schema.MIGRATIONS[:1])
        old = database_at(where)
        with old.writing() as session:
            for sentence in FIRST.split(";\n"):
                session.rows(sentence)
        old.close()
    store = open_store()
    home = await store.back("home")
    assert home.now.traffic.names() == {"home-00002"}
    assert home.past == ({"home-00001": 100},)
    assert [each.name for each in home.versions if each.condemned] == ["home-00003"]
    assert home.last_good() == {"home-00001": 100}
    assert home.now.is_approved
    assert (await store.back("shop")).last_good() == {"shop-00001": 100}
    assert await store.holding("home", "b", "") is not None
    assert await store.holding("home", "unknown", "") is None
