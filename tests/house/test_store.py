"""The whole house on a store: what was deployed and moved outlives the process, and gateways on one store agree."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bff.errors import FunctionNotLoaded
from bff.revisions.store.failures import Conflict, NoSuchRevision, StoreUnavailable
from bff.runtime.follower import POLL
from bff.signals import FolderPassedOver, StoreLost, StoreReturned, TrafficMoved
from tests import postgres
from tests.conftest import GatewayFactory, eventually, save, write
from tests.house.inside import Inside, inside

pytestmark = pytest.mark.anyio

ROUTES = "routes:\n- {path: /home, function: home}\n"


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, bool]]:
    return "asyncio", {"use_uvloop": True}


@pytest.fixture(params=["file", "postgres"])
def files(request: pytest.FixtureRequest) -> dict[str, str]:
    """A project whose state is in a file, or on PostgreSQL."""
    url = (
        request.getfixturevalue("postgres_url") if request.param == "postgres" else "sqlite:///.bff/state.db"
    )
    return {"routes.yaml": f'state: "{url}"\n{ROUTES}', "functions/home.py": says("one")}


FILE = {"routes.yaml": ROUTES, "functions/home.py": ""}


def says(word: str) -> str:
    return f"async def handle() -> str:\n    return '{word}'\n"


async def so(condition: Callable[[], Awaitable[Any]], within: float = 10.0) -> None:
    """Returns once it is so."""
    async with asyncio.timeout(within):
        while not await condition():
            await asyncio.sleep(0.02)


async def test_a_restart_restores_traffic_and_revisions_that_are_no_longer_on_disk(
    tmp_path: Path, files: dict[str, str]
) -> None:
    """Two of three revisions were never in the folder; the split, too, is what it was."""
    async with inside(tmp_path, files, keeps_state=True) as served:
        assert await served.revision() == "home-00001"
        for word in ("two", "three"):
            await served.deploy("home", says(word))
        assert await served.revision() == "home-00003"
        await served.move("home", ("home-00002", 100))
        assert (await served.client.get("/home")).text == "two"
    async with inside(tmp_path, files, keeps_state=True) as served:
        answer = await served.client.get("/home")
        assert (answer.text, answer.headers["bff-revision"]) == ("two", "home-00002")
        await served.move("home", ("home-00002", 50), ("home-00003", 50))
    async with inside(tmp_path, files, keeps_state=True) as served:
        seen = {await served.revision() for _ in range(60)}
        assert seen == {"home-00002", "home-00003"}


async def test_a_restart_publishes_what_is_new_in_the_folder(tmp_path: Path, files: dict[str, str]) -> None:
    """And only that: a folder nobody touched leaves what was deployed meanwhile."""
    async with inside(tmp_path, files, keeps_state=True) as served:
        await served.revision()
        await served.deploy("home", says("deployed"))
    async with inside(tmp_path, files, keeps_state=True) as served:
        assert (await served.client.get("/home")).text == "deployed"
    changed = {**files, "functions/home.py": says("saved")}
    async with inside(tmp_path, changed, keeps_state=True) as served:
        answer = await served.client.get("/home")
        assert (answer.text, answer.headers["bff-revision"]) == ("saved", "home-00003")


async def test_a_gateway_that_comes_back_with_an_older_folder_moves_nothing(
    tmp_path: Path, files: dict[str, str]
) -> None:
    """One that crashed in the middle of a rolling update, say: what the store knows already takes no traffic from
    what is newer. It is told, and whoever wants it back says so.
    """
    async with inside(tmp_path, files, keeps_state=True) as served:
        await served.revision()
    changed = {**files, "functions/home.py": says("saved")}
    async with inside(tmp_path, changed, keeps_state=True) as served:
        assert await served.revision() == "home-00002"
    async with inside(tmp_path, files, keeps_state=True) as served:
        heard: list[FolderPassedOver] = []
        served.house.signals.listen(FolderPassedOver, heard.append)
        answer = await served.client.get("/home")
        assert (answer.text, answer.headers["bff-revision"]) == ("saved", "home-00002")
        await so(lambda: _true(heard))
        assert [(each.revision, each.serving) for each in heard] == [("home-00001", "home-00002")]
        slower = {"routes.yaml": files["routes.yaml"] + "functions: {home: {timeout: 7s}}\n"}
    async with inside(tmp_path, {**files, **slower}, keeps_state=True) as served:
        answer = await served.client.get("/home")
        assert (answer.text, answer.headers["bff-revision"]) == ("saved", "home-00003"), (
            "new settings are new"
        )
    async with inside(tmp_path, files, keeps_state=True) as served:
        assert await served.revision() == "home-00003", "settings that were put back are not"
        await served.rollback("home", "home-00001")
        assert (await served.client.get("/home")).text == "one"


async def test_functions_nobody_calls_are_published_too(tmp_path: Path) -> None:
    """After the start, many in one transaction, without being loaded; a broken one is left to its first caller."""
    files = {f"functions/f{n}.py": "import nothing_of_this_name\n" for n in range(30)}
    files |= {"functions/broken.py": "def ("}
    async with inside(tmp_path, {"routes.yaml": "routes: []\n", **files}, keeps_state=True) as served:
        store = served.house.store

        async def are_published() -> bool:
            return len((await store.everything())[1]) == 30

        await so(are_published)
        assert all(function.live is None for function in served.house.invoker.functions.values())
        assert (await store.history("f7"))[0].what == "published f7-00001"
        assert await store.versions("broken") == ()


async def test_what_is_saved_after_the_start_waits_for_the_next_one(tmp_path: Path) -> None:
    """Nobody watches the folder: a first call gets what was published, as every other call does."""
    async with inside(tmp_path, {**FILE, "functions/home.py": says("one")}, keeps_state=True) as served:

        async def is_settled() -> bool:
            return "home" in served.house.publisher.first_look.settled

        await so(is_settled, within=30)
        write(tmp_path, {"functions/home.py": says("two")})
        assert (await served.client.get("/home")).text == "one"
        assert [each.name for each in await served.house.store.versions("home")] == ["home-00001"]
    async with inside(tmp_path, {**FILE, "functions/home.py": says("two")}, keeps_state=True) as served:
        assert (await served.client.get("/home")).text == "two"


async def test_new_code_in_the_folder_that_cannot_serve_leaves_what_did(tmp_path: Path) -> None:
    """Broken before a restart: the last good revision goes on, out of the store."""
    files = {**FILE, "functions/home.py": says("good")}
    async with inside(tmp_path, files, keeps_state=True) as served:
        await served.revision()
    for broken in ("def (", "1/0", says("no") + "def check():\n    return False, 'not today'\n"):
        async with inside(tmp_path, {**files, "functions/home.py": broken}, keeps_state=True) as served:
            assert await served.revision() == "home-00001"
            failure = served.house.invoker.functions["home"].failure
            assert failure is not None
            assert "functions/home.py" in failure.where


async def test_a_deploy_that_cannot_serve_changes_nothing(tmp_path: Path) -> None:
    """Loading, the contract and `check()` come before a byte of traffic; it says where and why."""
    async with inside(tmp_path, {**FILE, "functions/home.py": says("good")}, keeps_state=True) as served:
        await served.revision()
        before = await served.house.store.everything()
        for source, why in [
            ("1/0", "ZeroDivisionError"),
            ("async def handle(needed: int) -> str: return ''\ndef check(): raise OSError('away')\n", "away"),
            ("x = 1\n", "handle"),
        ]:
            with pytest.raises(FunctionNotLoaded) as refused:
                await served.deploy("home", source)
            assert why in refused.value.report()
            assert await served.revision() == "home-00001"
        (_, states), (_, states_before) = await served.house.store.everything(), before
        assert states["home"] == replace(states_before["home"], is_approved=states["home"].is_approved)
        assert [each.name for each in await served.house.store.versions("home")] == ["home-00001"]


async def test_the_same_deploy_twice_is_one_revision(tmp_path: Path) -> None:
    """Also at the same time; different ones at the same time are two."""
    async with inside(tmp_path, {**FILE, "functions/home.py": says("one")}, keeps_state=True) as served:
        first = await served.deploy("home", says("two"))
        again = await served.deploy("home", says("two"))
        assert (first.name, first.is_new, again.name, again.is_new) == (
            "home-00002",
            True,
            "home-00002",
            False,
        )
        words = ("three", "four", "three", "four")
        made = await asyncio.gather(*(served.deploy("home", says(word)) for word in words))
        assert len({each.name for each in made}) == 2
        latest = (await served.house.store.traffic("home")).latest
        assert await served.revision() == latest
        assert latest in {each.name for each in made}


async def test_rollback_is_one_step_and_outlives_a_restart(tmp_path: Path) -> None:
    """To the one before, to the one before that, to a named one; a later deploy waits until it is promoted."""
    files = {**FILE, "functions/home.py": says("one")}
    async with inside(tmp_path, files, keeps_state=True) as served:
        await served.revision()
        for word in ("two", "three"):
            await served.deploy("home", says(word))
        await served.rollback("home")
        assert await served.revision() == "home-00002"
        await served.rollback("home")
        assert await served.revision() == "home-00001"
        with pytest.raises(NoSuchRevision, match="before home-00001"):
            await served.rollback("home")
        with pytest.raises(NoSuchRevision):
            await served.rollback("home", "home-00009")
        await served.deploy("home", says("four"))
        await served.rollback("home", "home-00003")
    async with inside(tmp_path, files, keeps_state=True) as served:
        assert await served.revision() == "home-00003"
        whats = [entry.what for entry in await served.house.store.history("home")]
        assert whats[:2] == ["rollback", "published home-00004"]


async def test_two_gateways_on_one_store_agree(tmp_path: Path, files: dict[str, str]) -> None:
    """What one of them does the other one obeys; of two moves based on the same version one is refused."""
    assert POLL <= 0.5, "a change is seen within a second"
    async with (
        inside(tmp_path, files, keeps_state=True) as one,
        inside(tmp_path, files, keeps_state=True) as two,
    ):
        assert {await one.revision(), await two.revision()} == {"home-00001"}
        await one.deploy("home", says("two"))

        async def two_follows() -> bool:
            return await two.revision() == "home-00002"

        await so(two_follows)
        await two.rollback("home")

        async def one_follows() -> bool:
            return await one.revision() == "home-00001"

        await so(one_follows)
        version = (await one.house.store.traffic("home")).version
        moves = [each.move("home", ("home-00002", 100), expected=version) for each in (one, two)]
        results = await asyncio.gather(*moves, return_exceptions=True)
        assert [isinstance(each, Conflict) for each in results].count(True) == 1


async def test_a_database_that_goes_away_stops_no_traffic(tmp_path: Path) -> None:
    """Calls go on by what was last in force, cold revisions of the folder included; changes are refused with
    the reason, and told once; when it is back, they go through.
    """
    with postgres.server() as server:
        url = f'state: "{server.url}"\n'
        files = {
            "routes.yaml": f"{url}{ROUTES}- {{path: /cold, function: cold}}\n",
            "functions/home.py": says("one"),
            "functions/cold.py": says("cold"),
        }
        async with inside(tmp_path, files, keeps_state=True) as served:
            lost: list[StoreLost] = []
            back: list[StoreReturned] = []
            served.house.signals.listen(StoreLost, lost.append)
            served.house.signals.listen(StoreReturned, back.append)
            assert await served.revision() == "home-00001"
            await served.deploy("home", says("two"))

            async def is_settled() -> bool:
                return "cold" in served.house.publisher.in_force.states

            await so(is_settled)
            await asyncio.to_thread(server.stop)
            assert await served.revision() == "home-00002"
            assert await served.revision("/cold") == "cold-00001"
            for change in (served.rollback("home"), served.deploy("home", says("three"))):
                with pytest.raises(StoreUnavailable, match="PostgreSQL cannot be reached") as refused:
                    await change
                assert refused.value.status == 503
                assert server.url not in str(refused.value)
            assert await served.revision() == "home-00002"
            await so(lambda: _true(lost))
            await asyncio.to_thread(server.start)
            await so(lambda: _true(back))
            assert (len(lost), len(back)) == (1, 1)
            await served.rollback("home")
            assert await served.revision() == "home-00001"


async def _true(value: object) -> bool:
    return bool(value)


async def test_a_gateway_does_not_start_where_nobody_can_tell_the_traffic(
    gateway: GatewayFactory, write_project: Callable[..., Path]
) -> None:
    """A guess could bring back the revision that was rolled back last night. The address is not shown."""
    from tests.conftest import Running

    folder = write_project({**FILE, "functions/home.py": says("one")})
    write(folder, {"routes.yaml": f'state: "postgresql://u:sesame@127.0.0.1:9/x"\n{ROUTES}'})
    running = Running(folder, "serve")
    assert await asyncio.to_thread(running.wait) == 1
    assert "The state store on PostgreSQL cannot be reached." in running.output
    assert "sesame" not in running.output
    (folder / ".bff").mkdir(exist_ok=True)
    (folder / ".bff/state.db").write_text("this is no database, and somebody may want to look at it " * 20)
    write(folder, {"routes.yaml": ROUTES})
    running = Running(folder, "serve")
    assert await asyncio.to_thread(running.wait) == 1
    assert "state.db is damaged" in running.output


async def test_kill_9_loses_nothing_that_was_live(
    gateway: GatewayFactory, write_project: Callable[..., Path]
) -> None:
    """A real process that publishes what is saved, and follows what another gateway does; killed, it comes back
    as it was.
    """
    folder = write_project({**FILE, "functions/home.py": says("one")})
    running = gateway(folder, "serve", "--watch")
    assert running.get("/home").headers["bff-revision"] == "home-00001"
    for number, word in enumerate(("two", "three"), 2):
        save(folder / "functions/home.py", says(word))
        running.log("revision live", revision=f"home-0000{number}")
    assert running.get("/home").text == "three"
    async with inside(folder, {}, keeps_state=True) as other:
        await other.rollback("home", "home-00002")
    await asyncio.to_thread(eventually, lambda: running.get("/home").headers["bff-revision"] == "home-00002")
    running.signal(signal.SIGKILL)
    running.wait()
    again = gateway(folder, "serve")
    answer = again.get("/home")
    assert (answer.text, answer.headers["bff-revision"]) == ("two", "home-00002")


async def test_a_canary_is_released_by_the_store(tmp_path: Path) -> None:
    """A deploy begins it, its calls are counted and judged, and it has everything in the end."""
    routes = "functions:\n  home: {release: {strategy: canary, steps: [50, 100], interval: 1ms, min_requests: 20}}\n"
    files = {"routes.yaml": routes + ROUTES, "functions/home.py": says("one")}
    async with inside(tmp_path, files, keeps_state=True) as served:
        moved: list[TrafficMoved] = []
        served.house.signals.listen(TrafficMoved, moved.append)
        await served.revision()
        made = await served.deploy("home", says("two"))
        assert (await served.house.store.traffic("home")).traffic.block()[0]["percent"] == 50

        async def is_promoted() -> bool:
            for _ in range(20):
                await served.revision()
            return not (await served.house.store.release("home")).goes_on

        await so(is_promoted, within=30.0)
        state = await served.house.store.traffic("home")
        assert (str(state.traffic), state.latest) == ("latest=100", made.name)
        assert await served.revision() == made.name
        assert (await served.house.store.history("home"))[0].what == "release promoted"


async def test_one_gateway_judges_the_calls_of_another(tmp_path: Path, files: dict[str, str]) -> None:
    """The one that leads hears of no call itself; what the other counted condemns the canary, once, for both."""
    release = "functions: {home: {release: {strategy: canary, steps: [50, 100], interval: 1h}}}\n"
    files = {**files, "routes.yaml": files["routes.yaml"] + release}
    async with (
        inside(tmp_path, files, keeps_state=True) as one,
        inside(tmp_path, files, keeps_state=True) as two,
    ):
        assert {await one.revision(), await two.revision()} == {"home-00001"}
        made = await one.deploy("home", "async def handle() -> str:\n    raise ValueError('a bug')\n")
        await one.house.releases.look()
        assert set(one.house.releases.verdicts) == {"home"}

        async def is_condemned() -> bool:
            for _ in range(20):
                await two.client.get("/home")
            found = (await two.house.store.release("home")).state
            assert found is not None
            return str(found["state"]) == "rolled-back"

        await so(is_condemned, within=90)
        for each in (one, two):

            async def follows(each: Inside = each) -> bool:
                return each.house.publisher.shares(each.house.invoker.functions["home"]) == {
                    "home-00001": 100
                }

            await so(follows, within=60)
            assert {await each.revision() for _ in range(20)} == {"home-00001"}
        history = await one.house.store.history("home")
        (line,) = [each for each in history if each.what == "release rolled-back"]
        assert line.numbers["calls"]["canary"] > 0
        assert made.name in str(line.before)
