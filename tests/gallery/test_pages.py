"""Every function of the gallery with stub services, as its author would test it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from bff.testing import Client, StubServices

GALLERY = Path(__file__).parents[2] / "routes.yaml"
AMS = {
    "iata": "AMS",
    "name": "Amsterdam Airport Schiphol",
    "city": "Amsterdam",
    "country": "NL",
    "lat": 52.3086,
    "lon": 4.76389,
    "tz": "Europe/Amsterdam",
}
CLOCK = {
    "zone": "Europe/Amsterdam",
    "local_time": "2026-12-25T13:00:00+01:00",
    "utc_offset": "+01:00",
    "dst": False,
    "next_transition": None,
}
CHRISTMAS = {"date": "2026-12-25", "name": "Christmas Day", "local_name": "Eerste kerstdag"}


@pytest.fixture
def bff_config() -> Path:
    """The project's own gallery."""
    return GALLERY


def stub_arrival(stubs: StubServices) -> None:
    stubs.airports.get("/airports/AMS").answers(AMS)
    stubs.clocks.get("/clocks").answers([CLOCK])
    stubs.holidays.get("/holidays/NL/next").answers([CHRISTMAS])


def test_the_smallest_function_answers(bff_client: Client) -> None:
    """hello needs no service and takes its name from the query."""
    assert bff_client.get("/api/hello").json() == {"hello": "world"}
    assert bff_client.get("/api/hello", params={"name": "Ann"}).json() == {"hello": "Ann"}


@pytest.mark.parametrize(
    ("asked", "spoken"), [("nl-BE,nl;q=0.9", "nl"), ("xx", "en"), ("", "en"), ("pt,fr;q=0.5", "fr")]
)
def test_the_greeting_speaks_the_visitors_language(bff_client: Client, asked: str, spoken: str) -> None:
    """The first language of Accept-Language that the page knows wins; English is for everybody else."""
    answer = bff_client.get("/api/greeting/Ann", headers={"accept-language": asked}).json()
    assert answer["language"] == spoken
    assert answer["text"].endswith(", Ann!")
    assert answer["signed_by"] == "the gallery"


def test_a_greeting_in_a_language_nobody_has_is_the_callers_mistake(bff_client: Client) -> None:
    """422 names the query parameter by the name callers use for it."""
    answer = bff_client.get("/api/greeting/Ann", params={"lang": "tlh"})
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == "lang"


def test_the_arrivals_page_is_made_of_three_services(bff_client: Client, bff_stubs: StubServices) -> None:
    """All three are asked once and their answers stand in one page, which is complete."""
    stub_arrival(bff_stubs)
    answer = bff_client.get("/api/arrival/nl/ams")
    page = answer.json()
    assert (page["airport"]["iata"], page["clock"]["zone"]) == ("AMS", "Europe/Amsterdam")
    assert page["holidays"] == [CHRISTMAS]
    assert answer.headers["bff-complete"] == "true"
    for service in (bff_stubs.airports, bff_stubs.clocks, bff_stubs.holidays):
        service.assert_called_once()


@pytest.mark.parametrize("status", [500, 503, 404, 302])
def test_arrivals_go_on_without_holidays(bff_client: Client, bff_stubs: StubServices, status: int) -> None:
    """A failing optional part is null, named, and keeps the answer out of every cache."""
    stub_arrival(bff_stubs)
    bff_stubs.holidays.get("/holidays/NL/next").answers(status=status)
    answer = bff_client.get("/api/arrival/NL/AMS")
    assert answer.status_code == 200
    assert answer.json()["holidays"] is None
    assert answer.headers["bff-complete"] == "false"
    assert answer.headers["bff-missing"] == "holidays"
    assert answer.headers["cache-control"] == "no-store"


def test_holidays_that_hang_are_given_up(bff_client: Client, bff_stubs: StubServices) -> None:
    """The optional part costs its service's timeout and not a moment more."""
    stub_arrival(bff_stubs)
    bff_stubs.holidays.get("/holidays/NL/next").hangs()
    answer = bff_client.get("/api/arrival/NL/AMS")
    assert (answer.status_code, answer.headers["bff-missing"]) == (200, "holidays")


def test_an_unknown_airport_is_the_callers_404(bff_client: Client, bff_stubs: StubServices) -> None:
    """A required part's 404 is the page's, and names the service."""
    stub_arrival(bff_stubs)
    bff_stubs.airports.get("/airports/QQQ").answers(status=404)
    answer = bff_client.get("/api/arrival/NL/QQQ")
    assert answer.status_code == 404
    assert (answer.json()["service"], answer.json()["fault"]) == ("airports", "caller")


def test_a_layover_asks_in_two_stages(bff_client: Client, bff_stubs: StubServices) -> None:
    """Country and zone of the second stage come from the first stage's answer."""
    bff_stubs.airports.get("/airports/AMS").answers(AMS)
    bff_stubs.airports.get("/airports/AMS/near").answers([{**AMS, "iata": "RTM", "distance_km": 46.0}])
    bff_stubs.clocks.get("/clocks/Europe/Amsterdam").answers(CLOCK)
    bff_stubs.holidays.get("/holidays/NL").answers([CHRISTMAS])
    page = bff_client.get("/api/layover/AMS", params={"day": "2026-12-25"}).json()
    assert page["holiday"]["name"] == "Christmas Day"
    assert [each["iata"] for each in page["alternatives"]] == ["RTM"]
    assert bff_stubs.clocks.assert_called_once().params["at"] == "2026-12-25T12:00:00Z"


def test_the_board_is_streamed_page_by_page(bff_client: Client, bff_stubs: StubServices) -> None:
    """Each airport is a line of its own; the next page is asked for with the last code of this one."""
    first = [{**AMS, "iata": f"A{letter}A"} for letter in "ABC"]
    bff_stubs.airports.get("/airports/AMS").answers(AMS)
    bff_stubs.airports.get("/airports").answers(first).answers([])
    answer = bff_client.get("/api/board/NL")
    lines: list[dict[str, Any]] = [json.loads(line) for line in answer.text.splitlines()]
    assert answer.headers["content-type"] == "application/x-ndjson"
    assert [line["iata"] for line in lines] == ["AAA", "ABA", "ACA"]
    assert bff_stubs.airports.calls[-1].params["after"] == "ACA"


def test_a_board_without_airports_is_an_ordinary_404(bff_client: Client, bff_stubs: StubServices) -> None:
    """What fails before the first line still has a status and a problem document."""
    bff_stubs.airports.get("/airports/AMS").answers(AMS)
    bff_stubs.airports.get("/airports").answers([])
    answer = bff_client.get("/api/board/ZZ")
    assert (answer.status_code, answer.headers["content-type"]) == (404, "application/problem+json")


def test_the_nearest_airports_come_from_the_index(bff_client: Client) -> None:
    """``start`` read the data file from the snapshot; the answers are in order of distance."""
    near = bff_client.get("/api/distance", params={"lat": "52.37", "lon": "4.9", "limit": "3"}).json()
    assert near[0]["iata"] == "AMS"
    assert [each["distance_km"] for each in near] == sorted(each["distance_km"] for each in near)
    assert bff_client.get("/api/distance", params={"lat": "91", "lon": "0"}).status_code == 422


def test_a_whole_application_is_mounted(bff_client: Client) -> None:
    """The almanac is a Starlette application below its prefix, with its own 404."""
    day = bff_client.get("/almanac/days/2026-12-25")
    assert (day.status_code, day.json()["day"]) == (200, "2026-12-25")
    assert day.headers["bff-revision"].startswith("almanac-")
    assert bff_client.get("/almanac/nothing/here").status_code == 404
