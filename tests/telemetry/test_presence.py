"""Series of what is gone go: after a scrape has seen their last values, or, where nobody scrapes, all the same."""

from __future__ import annotations

from bff.clock import SystemClock
from bff.sdk.attempt import Attempt
from bff.sdk.invocation import Invocation
from bff.signals import ConfigApplied, EndpointEjected, EndpointsChanged, Evicted, Signals, TrafficMoved
from bff.telemetry.metrics import Metrics
from bff.telemetry.readings import Sources


class House:
    """Who has which revisions, as a gateway would tell, and what it counts."""

    def __init__(self) -> None:
        self.revisions: dict[str, set[str]] = {}
        self.signals = Signals()
        self.metrics = Metrics(Sources(known=lambda name: self.revisions.get(name, set())))
        self.metrics.listen(self.signals)

    def call(self, function: str, revision: str, *, service: str = "", endpoint: str = "") -> None:
        made = Invocation(request_id="r", method="GET", clock=SystemClock(), started=0.0)
        made.function, made.revision, made.route, made.status = function, revision, "/home", 200
        if service:
            call = made.open_call(service, "GET", "/", 0.0)
            call.ended, call.status, call.attempts, call.endpoint = 0.1, 200, 1, endpoint
        self.signals.emit(made)

    def move(self, function: str, *revisions: str) -> None:
        self.revisions[function] = set(revisions)
        shares = dict.fromkeys(revisions, 100 // len(revisions))
        self.signals.emit(TrafficMoved(function=function, before="a", after="b", latest="l", shares=shares))

    def scraped(self) -> str:
        return self.metrics.scrape.now()[0].decode()


def test_a_revision_that_is_gone_is_scraped_once_more() -> None:
    """So that its last calls are in the sums; then every series of it goes, and no other's."""
    house = House()
    house.move("home", "home-1", "home-2")
    house.call("home", "home-1", service="users", endpoint="http://u:1")
    house.call("home", "home-2")
    house.signals.emit(Evicted(function="home", revision="home-1"))
    house.call("other", "home-1")
    house.revisions = {"home": {"home-2"}, "other": {"home-1"}}
    assert 'function="home",method="GET",revision="home-1"' in house.scraped()
    text = house.scraped()
    of_home = [line for line in text.splitlines() if 'function="home"' in line]
    assert of_home
    assert not [line for line in of_home if 'revision="home-1"' in line]
    assert 'function="other",method="GET",revision="home-1"' in text


def test_what_comes_back_stays() -> None:
    """A revision that traffic left and found again between two scrapes."""
    house = House()
    house.move("home", "home-1")
    house.call("home", "home-1")
    house.revisions["home"] = {"home-2"}
    house.scraped()
    house.revisions["home"] = {"home-1"}
    house.scraped()
    house.revisions["home"] = {"home-2"}
    assert 'revision="home-1"' in house.scraped()


def test_a_thousand_saves_leave_two_revisions_behind_where_nobody_scrapes() -> None:
    """Each move of the traffic is a look, too."""
    house = House()
    for number in range(1000):
        house.move("home", f"home-dev-{number}")
        house.call("home", f"home-dev-{number}")
    counted = [labels for labels, _ in house.metrics._requests.items()]
    assert len(counted) <= 3
    assert len(house.metrics._presence._revisions["home"]) <= 3


def test_a_function_that_is_gone_leaves_nothing() -> None:
    """Its file was deleted; what could be remembered of it is forgotten, too."""
    house = House()
    house.move("home", "home-1")
    house.call("home", "home-1")
    del house.revisions["home"]
    house.scraped()
    assert 'function="home"' not in "".join(
        line for line in house.scraped().splitlines() if not line.startswith("bff_traffic_ratio")
    )
    assert house.metrics._presence._revisions == {}
    assert house.metrics._requests._known == {}


def test_endpoints_that_leave_take_their_series_along() -> None:
    """Of their own service only, by whatever they were called."""
    house = House()
    house.signals.emit(EndpointsChanged(service="users", endpoints=("u:1", "u:2")))
    house.signals.emit(EndpointsChanged(service="notices", endpoints=("u:1",)))
    for service in ("users", "notices"):
        house.call("home", "", service=service, endpoint="http://u:1")
        house.signals.emit(EndpointEjected(service=service, endpoint="u:1", seconds=30.0))
    house.signals.emit(EndpointsChanged(service="users", endpoints=("u:2", "u:3")))
    text = house.scraped()
    assert 'bff_service_ejections_total{endpoint="u:1",service="notices"} 1.0' in text
    assert 'endpoint="u:1",function="home",outcome="ok",revision="",service="notices"' in text
    assert not [line for line in text.splitlines() if 'endpoint="u:1"' in line and 'service="users"' in line]


def test_services_that_routes_yaml_drops_or_replaces_are_forgotten() -> None:
    """Where an endpoint is nobody knows any more."""
    house = House()
    for service in ("kept", "moved", "gone"):
        house.call("home", "", service=service, endpoint="http://u")
    house.signals.emit(
        ConfigApplied(routes=1, services=frozenset({"kept", "moved"}), replaced=frozenset({"moved"}))
    )
    text = house.scraped()
    assert 'endpoint="u:80",function="home",outcome="ok",revision="",service="kept"' in text
    assert not [line for line in text.splitlines() if 'endpoint="u:80"' in line and '"kept"' not in line]


def test_ten_thousand_random_urls_and_methods_add_no_series() -> None:
    """What no route has carries no path; made-up methods are ``other``."""
    house = House()

    def lost(number: int) -> None:
        made = Invocation(request_id="r", method=f"M{number}", clock=SystemClock(), started=0.0)
        made.status = 404
        house.signals.emit(made)

    lost(0)
    before = len(house.scraped().splitlines())
    for number in range(10_000):
        lost(number)
    assert len(house.scraped().splitlines()) == before
    assert len(house.metrics._requests._known) == 0


def test_each_sending_is_counted_by_its_own_outcome() -> None:
    """A retry after a failure, and a hedge beside a slow one; the call by how it ended."""
    house = House()
    made = Invocation(request_id="r", method="GET", clock=SystemClock(), started=0.0)
    made.function = "home"
    retried = made.open_call("users", "GET", "/", 0.0)
    retried.ended, retried.status, retried.attempts, retried.endpoint = 0.4, 200, 2, "http://u:2"
    retried.tried(Attempt(started=0.0, ended=0.1, endpoint="u:1", error="service-unreachable"))
    retried.tried(Attempt(started=0.2, ended=0.4, endpoint="u:2", status=200))
    hedged = made.open_call("users", "GET", "/", 0.0)
    hedged.ended, hedged.status, hedged.attempts, hedged.endpoint = 0.4, 200, 2, "http://u:2"
    hedged.tried(Attempt(started=0.1, ended=0.3, endpoint="u:2", status=200))
    hedged.tried(Attempt(started=0.0, ended=0.3, endpoint="u:1", error="cancelled"))
    for how in ("hit", "stale", "revalidated"):
        kept = made.open_call("users", "GET", "/", 0.0)
        kept.ended, kept.status, kept.cached = 0.1, 200, how
    shared = made.open_call("users", "GET", "/", 0.0)
    shared.ended, shared.status, shared.coalesced = 0.1, 200, True
    house.signals.emit(made)
    text = house.scraped()
    of = 'function="home",outcome="{}",revision="",service="users"'
    for line in (
        f'bff_service_calls_total{{endpoint="u:2",{of.format("ok")}}} 2.0',
        f'bff_service_calls_total{{endpoint="",{of.format("ok")}}} 4.0',
        f'bff_service_attempts_total{{endpoint="u:1",{of.format("service-unreachable")}}} 1.0',
        f'bff_service_attempts_total{{endpoint="u:1",{of.format("cancelled")}}} 1.0',
        f'bff_service_attempts_total{{endpoint="u:2",{of.format("ok")}}} 2.0',
        'bff_service_retries_total{function="home",revision="",service="users"} 1.0',
        'bff_service_hedges_total{function="home",revision="",service="users"} 1.0',
        'bff_service_calls_saved_total{function="home",result="coalesced",revision="",service="users"} 1.0',
        'bff_service_calls_saved_total{function="home",result="hit",revision="",service="users"} 1.0',
        f"bff_service_call_duration_seconds_count{{{of.format('ok')}}} 6.0",
    ):
        assert line in text, line
