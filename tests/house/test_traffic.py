"""Several revisions behind one path, over real HTTP: who gets which, and how the choice travels on."""

from __future__ import annotations

import asyncio
from collections import Counter
from pathlib import Path

import pytest

from bff.revisions.store.records import Entry
from bff.signals import ConfigRejected
from tests.conftest import write
from tests.house.inside import Inside, inside

pytestmark = pytest.mark.anyio

TOKEN = "a-secret-of-16-letters"
ROUTES = f"""\
functions:
  home:
    traffic:
      override: {{token: {TOKEN}}}
      tag: {{token: {TOKEN}}}
      match:
      - {{headers: {{app-version: "<5.2"}}, revision: home-00001}}
      sticky: {{cookie: sid}}
routes:
- {{path: /home, function: home}}
"""


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, bool]]:
    return "asyncio", {"use_uvloop": True}


def says(word: object) -> str:
    return f"async def handle() -> dict:\n    return {{'says': '{word}'}}\n"


async def split(served: Inside) -> None:
    """home-00001 has half, home-00002 the other, home-00003 only its tag."""
    revisions = [await served.publish("home", says(number)) for number in (1, 2, 3)]
    served.route(*revisions, percent=(50, 50, 0), tags={"home-00003": "candidate"})


async def test_every_way_to_choose(tmp_path: Path) -> None:
    """Overrides and tags of those who may, versions, cookies, chance; the answer says which it was."""
    async with inside(tmp_path, {"routes.yaml": ROUTES, "functions/home.py": says(0)}) as served:
        await split(served)

        async def revision(**headers: str) -> str:
            fields = {name.replace("_", "-"): value for name, value in headers.items()}
            answer = await served.client.get("/home", headers=fields)
            assert answer.status_code == 200
            assert answer.json()["says"] == answer.headers["bff-revision"][-1]
            return str(answer.headers["bff-revision"])

        mine = {"bff_override_token": TOKEN}
        assert await revision(bff_override="home=home-00003", **mine) == "home-00003"
        assert await revision(bff_override="other=other-1, home=home-00001", **mine) == "home-00001"
        assert await revision(bff_tag="candidate", **mine) == "home-00003"
        assert await revision(host="candidate.example.com", **mine) == "home-00003"
        assert await revision(app_version="5.1.7") == "home-00001"
        strangers = {await revision(bff_override="home=home-00003", bff_tag="candidate") for _ in range(40)}
        assert strangers == {"home-00001", "home-00002"}
        for sid in ("ann", "bob", "eve"):
            assert len({await revision(cookie=f"sid={sid}") for _ in range(5)}) == 1
        chosen = Counter([await revision(cookie=f"sid={number}") for number in range(200)])
        assert min(chosen["home-00001"], chosen["home-00002"]) > 60
        assert sum(chosen.values()) == 200


async def test_an_override_that_leads_nowhere_is_a_problem(tmp_path: Path) -> None:
    """For who may override; the answer lists what there is."""
    async with inside(tmp_path, {"routes.yaml": ROUTES, "functions/home.py": says(0)}) as served:
        await split(served)
        fields = {"bff-override": "home=home-00009", "bff-override-token": TOKEN}
        answer = await served.client.get("/home", headers=fields)
        problem = answer.json()
        assert (answer.status_code, problem["code"], problem["fault"]) == (400, "override-unknown", "caller")
        assert "home-00001, home-00002, home-00003" in problem["detail"]


async def test_rules_are_live_configuration(tmp_path: Path) -> None:
    """A saved routes.yaml changes who gets what, without touching the revisions."""
    async with inside(tmp_path, {"routes.yaml": ROUTES, "functions/home.py": says(0)}) as served:
        await split(served)
        old = await served.client.get("/home", headers={"app-version": "5.1"})
        assert old.headers["bff-revision"] == "home-00001"
        write(tmp_path, {"routes.yaml": ROUTES.replace("<5.2", "<5.1").replace("home-00001}", "home-00002}")})
        assert await served.house.reload()
        answers = [await served.client.get("/home", headers={"app-version": "5.0"}) for _ in range(20)]
        assert {answer.headers["bff-revision"] for answer in answers} == {"home-00002"}


async def test_a_route_that_an_older_revision_does_not_fit_is_refused(tmp_path: Path) -> None:
    """Even if that revision is cold; with the remedy. Nothing changes."""
    routes = "routes:\n- {path: '/home/{user}', function: home}\n"
    older = "async def handle(user: str) -> str:\n    return f'old {user}'\n"
    newer = "async def handle(user: str = '', member: str = '') -> str:\n    return f'new {user}{member}'\n"
    async with inside(tmp_path, {"routes.yaml": routes, "functions/home.py": older}) as served:
        heard: list[ConfigRejected] = []
        served.house.signals.listen(ConfigRejected, heard.append)
        first, second = await served.publish("home", older), await served.publish("home", newer)
        served.route(first, second, percent=(1, 99))
        write(tmp_path, {"routes.yaml": routes.replace("user", "member")})
        assert not await served.house.reload()
        (mistake,) = heard[0].mistakes
        assert "home-00001, which has traffic of home" in mistake
        assert "keep the old route beside the new one" in mistake
        assert (await served.client.get("/home/ann")).text in ('"old ann"', '"new ann"', "old ann", "new ann")
        served.route(second, percent=(100,))
        assert await served.house.reload()
        assert (await served.client.get("/home/ann")).status_code == 200


@pytest.mark.parametrize("state", ["rests", "was never called"])
async def test_a_route_that_a_cold_revision_does_not_fit_is_refused(tmp_path: Path, state: str) -> None:
    """Also where it is the only one, and nobody has called it since the start: it is warmed to find out."""
    routes = "routes:\n- {path: '/home/{user}', function: home}\n"
    files = {
        "routes.yaml": routes,
        "functions/home.py": "async def handle(user: str) -> str:\n    return user\n",
    }
    async with inside(tmp_path, files, keeps_state=True) as served:
        home = served.house.invoker.functions["home"]
        if state == "rests":
            assert (await served.client.get("/home/ann")).status_code == 200
            home.rest()
        assert not home.lives.are_warm
        heard: list[ConfigRejected] = []
        served.house.signals.listen(ConfigRejected, heard.append)
        write(tmp_path, {"routes.yaml": routes.replace("user", "member")})
        assert not await served.house.reload()
        assert "home-00001, which has traffic of home" in heard[0].mistakes[0]
        assert (await served.client.get("/home/ann")).text == "ann"
        write(tmp_path, {"routes.yaml": "routes: []\n"})
        assert await served.house.reload()


LANES = "lanes: {accept: {addresses: 127.0.0.0/8}}\n"
CALLS = """\
from bff import Context

async def handle(ctx: Context) -> dict:
    below = (await ctx.services.{service}.get("/{path}")).json()
    return {{"by": "{name}", "below": below}}
"""


async def test_a_canary_page_reaches_the_canary_service_two_hops_away(tmp_path: Path) -> None:
    """The page's revision decides the lane; the service in between knows nothing of canaries and hands it on."""
    stock = {"routes.yaml": "routes:\n- {path: /stock, function: stock}\n"}
    stable = inside(tmp_path / "stable", {**stock, "functions/stock.py": says("stable stock")})
    canary = inside(tmp_path / "canary", {**stock, "functions/stock.py": says("canary stock")})
    async with stable as stable_stock, canary as canary_stock:
        shop_routes = f"""\
{LANES}
services:
  stock: {{url: "{stable_stock.address}", timeout: 60s, subsets: {{canary: {{url: "{canary_stock.address}"}}}}}}
routes:
- {{path: /shop, function: shop}}
"""
        shop = CALLS.format(service="stock", path="stock", name="shop")
        async with inside(
            tmp_path / "shop", {"routes.yaml": shop_routes, "functions/shop.py": shop}
        ) as served_shop:
            page_routes = f"""\
services:
  shop: {{url: "{served_shop.address}", timeout: 60s}}
functions:
  page: {{lane: canary, traffic: {{sticky: {{header: x-user}}}}}}
routes:
- {{path: /page, function: page}}
"""
            pages = [CALLS.format(service="shop", path="shop", name=f"page {number}") for number in (1, 2)]
            async with inside(
                tmp_path / "page", {"routes.yaml": page_routes, "functions/page.py": pages[0]}
            ) as served:
                both = [await served.publish("page", page) for page in pages]
                served.route(*both, percent=(50, 50))
                seen = Counter()
                for user in range(40):
                    answer = (await served.client.get("/page", headers={"x-user": str(user)})).json()
                    seen[answer["by"], answer["below"]["by"], answer["below"]["below"]["says"]] += 1
                assert set(seen) == {("page 1", "shop", "stable stock"), ("page 2", "shop", "canary stock")}
                assert min(seen.values()) >= 8


async def test_a_strangers_lane_is_not_read(tmp_path: Path) -> None:
    """Lanes lead to what is not released yet; whose are believed is said in routes.yaml, and to nobody else."""
    stock = {"routes.yaml": "routes:\n- {path: /stock, function: stock}\n"}
    stable = inside(tmp_path / "stable", {**stock, "functions/stock.py": says("stable")})
    canary = inside(tmp_path / "canary", {**stock, "functions/stock.py": says("canary")})
    async with stable as stable_stock, canary as canary_stock:
        services = f"""\
services:
  stock:
    url: "{stable_stock.address}"
    timeout: 60s
    subsets: {{canary: {{url: "{canary_stock.address}", lanes: [beta]}}}}
routes:
- {{path: /shop, function: shop}}
"""
        shop = CALLS.format(service="stock", path="stock", name="shop")
        files = {"routes.yaml": services, "functions/shop.py": shop}
        async with inside(tmp_path / "shop", files) as served:

            async def reached(**headers: str) -> str:
                fields = {name.replace("_", "-"): value for name, value in headers.items()}
                answer = await served.client.get("/shop", headers=fields)
                return str(answer.json()["below"]["says"])

            assert await reached(baggage="lane=canary") == "stable"
            for lanes, header in (
                (LANES, {"baggage": "a=b, lane=canary;p=1"}),
                (LANES, {"baggage": "lane=beta"}),
                (LANES.replace("accept", "header: x-lane, accept"), {"x_lane": "canary"}),
            ):
                write(tmp_path / "shop", {"routes.yaml": lanes + services})
                assert await served.house.reload()
                assert await reached(**header) == "canary"
            for hostile in ("canary\t!", "a" * 64, "Canary", "", "../x"):
                assert await reached(x_lane=hostile) == "stable"


RELEASE = """\
functions:
  home:
    release: {strategy: canary, steps: [20, 50, 100], interval: 50ms, min_requests: 20}
    traffic: {sticky: {header: x-user}}
routes:
- {path: /home, function: home}
"""
FAILS = "async def handle() -> dict:\n    raise ValueError('a bug')\n"


async def calls(served: Inside, users: range) -> Counter[tuple[int, str]]:
    """One call of each user: statuses by revision."""
    seen: Counter[tuple[int, str]] = Counter()
    for user in users:
        answer = await served.client.get("/home", headers={"x-user": str(user)})
        seen[answer.status_code, answer.headers.get("bff-revision", "")] += 1
    return seen


async def test_a_bad_deploy_is_rolled_back_by_itself(tmp_path: Path) -> None:
    """A fifth of the users meets it for a moment; then it is gone, and the history says why."""
    async with inside(tmp_path, {"routes.yaml": RELEASE, "functions/home.py": says(1)}) as served:
        assert await calls(served, range(5)) == {(200, "home-00001"): 5}
        assert (await served.deploy("home", FAILS)).name == "home-00002"
        failed = await calls(served, range(200))
        assert 20 <= sum(count for (status, _), count in failed.items() if status == 500) <= 60
        await served.house.releases.look()
        assert await calls(served, range(50)) == {(200, "home-00001"): 50}
        line = await verdict(served)
        assert line.why.startswith("The canary is worse: errors 1 against 0, over ")
        assert line.numbers["errors"]["evidence"] > line.numbers["errors"]["needed"]


async def verdict(served: Inside) -> Entry:
    """The one line that tells of a release taken back by itself."""
    history = await served.house.publisher.store.history("home")
    (line,) = [each for each in history if each.what == "release rolled-back"]
    return line


BREAKS = "async def handle() -> dict:\n    return object()\n"
SLOW = (
    "import asyncio\nasync def handle() -> dict:\n    await asyncio.sleep(0.02)\n    return {'says': '2'}\n"
)


@pytest.mark.parametrize(("source", "told"), [(BREAKS, "errors"), (SLOW, "latency")])
async def test_contract_breaks_and_slowness_condemn_a_deploy_too(
    tmp_path: Path, source: str, told: str
) -> None:
    """What the function gives back is no answer, or comes a thousand times as late as the baseline's."""
    async with inside(tmp_path, {"routes.yaml": RELEASE, "functions/home.py": says(1)}) as served:
        await calls(served, range(1))
        await served.deploy("home", source)
        await calls(served, range(200))
        await served.house.releases.look()
        line = await verdict(served)
        assert f"{told} " in line.why
        assert line.numbers[told]["evidence"] > line.numbers[told]["needed"]
        assert await calls(served, range(50)) == {(200, "home-00001"): 50}


async def test_a_service_that_fails_for_both_condemns_no_deploy(tmp_path: Path) -> None:
    """Nobody listens there: every call of both revisions fails, by the service's fault; the release goes on."""
    services = 'services: {stock: {url: "http://127.0.0.1:9"}}\n'
    pages = [CALLS.format(service="stock", path="stock", name=f"page {number}") for number in (1, 2)]
    files = {"routes.yaml": services + RELEASE, "functions/home.py": pages[0]}
    async with inside(tmp_path, files) as served:
        await calls(served, range(1))
        await served.deploy("home", pages[1])
        seen = await calls(served, range(200))
        assert {revision for _, revision in seen} == {"home-00001", "home-00002"}
        assert {status for status, _ in seen} <= {502, 503}
        await asyncio.sleep(0.05)  # the step's interval
        await served.house.releases.look()
        (line, *_) = await served.house.publisher.store.history("home")
        assert (line.what, line.why[:27]) == ("release running", "The canary is not worse ove")
        assert line.numbers["services"]["canary"] == line.numbers["services"]["baseline"] == 1
        assert served.house.publisher.shares(served.house.invoker.functions["home"])["home-00002"] == 50


async def test_a_good_deploy_has_everything_after_its_steps(tmp_path: Path) -> None:
    """And no user who has seen it sees the older one again."""
    async with inside(tmp_path, {"routes.yaml": RELEASE, "functions/home.py": says(1)}) as served:
        await calls(served, range(1))
        assert (await served.deploy("home", says(2))).name == "home-00002"
        newest: set[int] = set()
        shares = []
        for _ in range(3):
            now = set()
            for user in range(200):
                answer = await served.client.get("/home", headers={"x-user": str(user)})
                now |= {user} if answer.json() == {"says": "2"} else set()
            assert newest <= now
            newest = now
            shares.append(len(now))
            await asyncio.sleep(0.05)  # the step's interval
            await served.house.releases.look()
        assert 20 <= shares[0] <= 60
        assert 70 <= shares[1] <= 130
        assert shares[2] == 200
        assert served.house.invoker.functions["home"].lives.only is not None
