"""Going back, on a store, over HTTP: at once, to what served well, and never to what a release took back."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from pathlib import Path
from types import ModuleType

import pytest

from bff.errors import FunctionNotLoaded
from bff.revisions.store.failures import NoSuchRevision
from bff.revisions.store.records import Change
from bff.revisions.traffic import TrafficInvalid
from tests.conftest import write
from tests.house.inside import Inside, inside

pytestmark = pytest.mark.anyio

ROUTES = "routes:\n- {path: /home, function: home}\n"
CANARY = f"functions: {{home: {{release: {{strategy: canary, steps: [50, 100], interval: 1h}}}}}}\n{ROUTES}"
TOKEN = "a-secret-of-16-letters"


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, bool]]:
    return "asyncio", {"use_uvloop": True}


def says(word: str) -> str:
    return f"async def handle() -> str:\n    return '{word}'\n"


FILES = {"routes.yaml": CANARY, "functions/home.py": says("one")}
BY_HAND = Change(function="home", what="by hand", who="ann")
FAILS = "async def handle() -> str:\n    raise ValueError('a bug')\n"


async def judged(served: Inside) -> None:
    """Calls come until the release has an end: chance may give the canary few of the first, and whoever looks while the
    gateway itself does so hears nothing new.
    """
    for _ in range(30):
        for _ in range(60):
            await served.client.get("/home")
        await served.house.releases.look()
        if not (await served.house.store.release("home")).goes_on:
            return


async def condemned(served: Inside, source: str = FAILS) -> str:
    """A canary that its release has taken back by itself."""
    made = await served.deploy("home", source)
    await judged(served)
    release = (await served.house.store.release("home")).state
    assert release is not None
    assert (release["canary"], release["state"]) == (made.name, "rolled-back")
    return made.name


async def promote(served: Inside) -> None:
    await served.house.mover.promote(served.house.invoker.functions["home"], BY_HAND)


async def shares(served: Inside) -> dict[str, int]:
    return (await served.house.store.traffic("home")).shares()


@pytest.fixture
async def served(anyio_backend: str, tmp_path: Path) -> AsyncIterator[Inside]:
    """home-00001 serves, home-00002 was condemned."""
    async with inside(tmp_path, FILES, keeps_state=True) as served:
        await served.revision()
        assert await condemned(served) == "home-00002"
        yield served


async def test_rollback_passes_over_what_a_release_took_back(served: Inside) -> None:
    """It had traffic, and a higher number than what served well."""
    await served.deploy("home", says("three"))
    await promote(served)
    assert await served.revision() == "home-00003"
    await served.rollback("home")
    assert await shares(served) == {"home-00001": 100}
    assert await served.revision() == "home-00001"
    with pytest.raises(NoSuchRevision, match="served before home-00001"):
        await served.rollback("home")


async def test_rollback_goes_to_a_split_that_served(served: Inside) -> None:
    """Two at once, as they were; promoting what a release took back is somebody's own decision, and forgives it."""
    await served.deploy("home", says("three"))
    await promote(served)
    await served.move("home", ("home-00001", 50), ("home-00003", 50))
    await served.move("home", ("home-00002", 100))
    await served.move("home", ("home-00003", 100))
    await served.rollback("home")
    assert await shares(served) == {"home-00002": 100}
    await served.rollback("home")
    assert await shares(served) == {"home-00001": 50, "home-00003": 50}


async def test_what_was_taken_back_is_released_again_only_if_somebody_says_so(served: Inside) -> None:
    """Neither its text deployed again nor changed settings begin its release anew."""
    again = await served.deploy("home", FAILS)
    assert (again.name, again.is_new, again.condemned > 0) == ("home-00002", False, True)
    assert await shares(served) == {"home-00001": 100}
    assert not (await served.house.store.release("home")).goes_on
    await served.deploy("home", FAILS, again=True)
    assert await shares(served) == {"home-00002": 50, "home-00001": 50}
    assert (await served.house.store.release("home")).goes_on
    await served.rollback("home")
    assert await served.revision() == "home-00001"


async def test_an_older_text_deployed_again_is_judged_like_any_other(served: Inside) -> None:
    """`git revert` and a deploy: the older revision is the canary of the newer one, and is taken back if it fails."""
    await served.deploy("home", says("three"))
    await promote(served)
    await served.deploy("home", FAILS, again=True)
    assert await shares(served) == {"home-00002": 50, "home-00003": 50}
    await judged(served)
    assert await shares(served) == {"home-00003": 100}


async def test_a_revert_in_the_middle_of_a_release_ends_it(served: Inside) -> None:
    """What the canary is compared with is deployed again: that is what is wanted, and nothing is condemned."""
    await served.deploy("home", says("three"))
    assert await shares(served) == {"home-00003": 50, "home-00001": 50}
    await served.deploy("home", says("one"))
    assert await shares(served) == {"home-00001": 100}
    assert not (await served.house.store.release("home")).goes_on
    again = await served.deploy("home", says("three"))
    assert (again.name, again.condemned) == ("home-00003", 0)
    assert await shares(served) == {"home-00003": 50, "home-00001": 50}


async def test_who_promotes_says_what(served: Inside) -> None:
    """A pipeline whose release has ended must not give all calls to what somebody deployed in the dark meanwhile, and
    nobody in a hurry to what a release took back.
    """
    mover, home = served.house.mover, served.house.invoker.functions["home"]
    with pytest.raises(TrafficInvalid, match="bff promote home home-00002"):
        await promote(served)
    assert await shares(served) == {"home-00001": 100}
    await served.deploy("home", says("three"))
    await promote(served)
    await served.deploy("home", says("four"), no_traffic=True)
    await mover.promote(home, BY_HAND, "home-00003")
    assert await shares(served) == {"home-00003": 100}
    with pytest.raises(NoSuchRevision):
        await mover.promote(home, BY_HAND, "home-00009")
    state = await mover.promote(home, BY_HAND, "home-00004")
    assert str(state.traffic) == "latest=100"


async def test_changed_settings_are_for_what_serves(served: Inside) -> None:
    """And not for the latest one, which was taken back: its code shall not come again under another name."""
    slower = CANARY.replace("home: {", "home: {timeout: 7s, ", 1)
    write(served.folder, {"routes.yaml": slower})
    assert await served.house.reload()
    store = served.house.store

    async with asyncio.timeout(60):
        while (state := await store.traffic("home")).latest != "home-00003":
            await asyncio.sleep(0.02)
    assert state.shares() == {"home-00003": 50, "home-00001": 50}
    await promote(served)
    answer = await served.client.get("/home")
    assert (answer.text, answer.headers["bff-revision"]) == ("one", "home-00003")


class Gate(ModuleType):
    """What a module waits for while it is imported."""

    def __init__(self) -> None:
        super().__init__("slow_gate")
        self.began, self.open = threading.Event(), threading.Event()

    def wait(self) -> None:
        self.began.set()
        assert self.open.wait(30)


async def test_going_back_waits_for_no_deploy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One of the same function that takes its time to be imported; the revision gone back to is cold, too."""
    gate = Gate()
    monkeypatch.setitem(__import__("sys").modules, "slow_gate", gate)
    async with inside(tmp_path, {**FILES, "routes.yaml": ROUTES}, keeps_state=True) as served:
        await served.revision()
        await served.deploy("home", says("two"))
        slow = asyncio.create_task(
            served.deploy("home", f"import slow_gate\nslow_gate.wait()\n{says('three')}")
        )
        try:
            await asyncio.to_thread(gate.began.wait, 20)
            assert served.house.invoker.functions["home"].lives.get("home-00001") is None
            async with asyncio.timeout(60):
                await served.rollback("home")
                assert (await served.client.get("/home")).text == "one"
            assert not slow.done()
        finally:
            gate.open.set()
        assert (await slow).name == "home-00003"
        assert await served.revision() == "home-00001", "who went back during a deploy stays back"


async def test_the_first_revision_is_asked_like_any_other(tmp_path: Path) -> None:
    """`check()` keeps it from its first call as long as it says no; once it agreed it is not asked again."""
    source = says("one") + (
        "def check():\n    from pathlib import Path\n"
        f"    return Path({str(tmp_path / 'ready')!r}).exists(), 'not ready'\n"
    )
    files = {"routes.yaml": ROUTES, "functions/home.py": source}
    async with inside(tmp_path, files, keeps_state=True) as served:
        refused = await served.client.get("/home")
        assert refused.status_code >= 500
        failure = served.house.invoker.functions["home"].failure
        assert isinstance(failure, FunctionNotLoaded)
        assert "check() said no: not ready" in failure.why
        (tmp_path / "ready").touch()
        async with asyncio.timeout(60):
            while (await served.client.get("/home")).status_code != 200:  # it backs off for a moment
                await asyncio.sleep(0.1)
            while not (await served.house.store.traffic("home")).is_approved:
                await asyncio.sleep(0.02)
    (tmp_path / "ready").unlink()
    async with inside(tmp_path, files, keeps_state=True) as served:
        assert await served.revision() == "home-00001"


async def test_an_override_wakes_a_revision_that_has_no_traffic(tmp_path: Path) -> None:
    """Deployed without any, and one that served long ago; for those who may, out of the store, and no further."""
    routes = f"functions: {{home: {{traffic: {{override: {{token: {TOKEN}}}}}}}}}\n{ROUTES}"
    async with inside(tmp_path, {**FILES, "routes.yaml": routes}, keeps_state=True) as served:
        await served.revision()
        await served.deploy("home", says("two"))
        await served.deploy("home", says("three"), no_traffic=True)

        async def asked(name: str, token: str = TOKEN) -> tuple[int, str, str]:
            fields = {"bff-override": f"home={name}", "bff-override-token": token}
            answer = await served.client.get("/home", headers=fields)
            return answer.status_code, answer.text, answer.headers.get("bff-revision", "")

        assert await asked("home-00003") == (200, "three", "home-00003")
        assert await asked("home-00001") == (200, "one", "home-00001")
        assert await asked("home-00003", "a-stranger-of-letters") == (200, "two", "home-00002")
        status, problem, _ = await asked("home-00009")
        assert status == 400
        assert "override-unknown" in problem
        assert "home-00002" in problem
        await served.deploy("home", FAILS, no_traffic=True)
        assert (await asked("home-00004"))[0] == 500
        assert await shares(served) == {"home-00002": 100}
        assert await served.revision() == "home-00002"
        together = await asyncio.gather(*(asked(f"home-0000{n % 3 + 1}") for n in range(30)))
        assert {each[0] for each in together} == {200}
        assert all(each[2] == f"home-0000{n % 3 + 1}" for n, each in enumerate(together))


async def test_kept_pages_do_not_outlive_their_revisions_traffic(tmp_path: Path) -> None:
    """After going back a page is made anew; scaling to zero and a growing share leave it kept."""
    tells = "from uuid import uuid4\nasync def handle() -> str:\n    return '{} ' + uuid4().hex\n"
    routes = "routes:\n- {path: /home, function: home, cache: {ttl: 1h}}\n"
    files = {"routes.yaml": routes, "functions/home.py": tells.format("one")}
    async with inside(tmp_path, files, keeps_state=True) as served:

        async def page() -> str:
            answer = await served.client.get("/home")
            assert answer.status_code == 200
            return answer.text

        first = await page()
        assert await page() == first
        served.house.invoker.functions["home"].rest()
        assert await page() == first
        await served.deploy("home", tells.format("two"))
        second = await page()
        assert second.startswith("two ")
        await served.rollback("home")
        again = await page()
        assert again.startswith("one ")
        assert again != first
        await served.move("home", ("home-00001", 99), ("home-00002", 1))
        kept = {await page() for _ in range(60)} - {again}
        assert all(each.startswith("two ") and each != second for each in kept)
        assert len(kept) <= 1
