"""The services tell the truth, and a caller's mistake is never answered with a 5xx."""

from __future__ import annotations

import httpx
import pytest


def test_an_airport_is_found_by_either_of_its_codes(airports: httpx.Client) -> None:
    answer = airports.get("/airports/ams")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json"
    schiphol = answer.json()
    assert schiphol == airports.get("/airports/EHAM").json()
    assert (schiphol["iata"], schiphol["icao"], schiphol["city"]) == ("AMS", "EHAM", "Amsterdam")
    assert (schiphol["country"], schiphol["tz"]) == ("NL", "Europe/Amsterdam")
    assert schiphol["lat"] == pytest.approx(52.3, abs=0.1)
    assert schiphol["lon"] == pytest.approx(4.76, abs=0.1)


def test_a_small_field_without_an_iata_code_is_there_too(airports: httpx.Client) -> None:
    field = airports.get("/airports/00AA").json()
    assert field["iata"] is None
    assert field["name"] == "Aero B Ranch Airport"


def test_an_airport_can_be_asked_for_in_a_country_only(airports: httpx.Client) -> None:
    assert airports.get("/airports/AMS", params={"country": "nl"}).status_code == 200
    elsewhere = airports.get("/airports/AMS", params={"country": "BE"})
    assert elsewhere.status_code == 404
    assert elsewhere.json()["detail"] == "No airport in BE has this code."


def test_a_country_s_airports_come_page_by_page_and_none_twice(airports: httpx.Client) -> None:
    whole = [each["iata"] for each in airports.get("/airports?country=NL&limit=200").json()]
    assert {"AMS", "RTM", "EIN"} <= set(whole)
    paged: list[str] = []
    while page := airports.get(
        "/airports", params={"country": "NL", "limit": 4, "after": paged[-1] if paged else ""}
    ).json():
        assert len(page) <= 4
        paged += [each["iata"] for each in page]
    assert paged == whole == sorted(set(whole))


def test_near_airports_come_nearest_first_without_the_one_asked_about(airports: httpx.Client) -> None:
    near = airports.get("/airports/AMS/near?limit=6").json()
    distances = [each["distance_km"] for each in near]
    assert len(near) == 6
    assert distances == sorted(distances)
    assert (near[0]["iata"], near[0]["distance_km"]) == ("RTM", pytest.approx(45, abs=1))
    assert "AMS" not in [each["iata"] for each in near]


def test_near_looks_across_the_date_line(airports: httpx.Client) -> None:
    # The meridian of 180° runs through Taveuni, Fiji.
    near = airports.get("/airports/TVU/near?limit=10").json()
    assert min(each["lon"] for each in near) < 0 < max(each["lon"] for each in near)
    assert all(each["distance_km"] < 400 for each in near)


def test_holidays_of_a_year_come_in_order_with_both_names(holidays: httpx.Client) -> None:
    days = holidays.get("/holidays/nl?year=2026").json()
    assert [each["date"] for each in days] == sorted(each["date"] for each in days)
    assert {
        "country": "NL",
        "date": "2026-04-27",
        "name": "King's Day",
        "local_name": "Koningsdag",
    } in days


def test_the_next_holidays_are_those_strictly_after(holidays: httpx.Client) -> None:
    days = holidays.get("/holidays/NL/next?after=2026-12-25&limit=2").json()
    assert [each["date"] for each in days] == ["2026-12-26", "2027-01-01"]
    assert len(holidays.get("/holidays/NL/next?after=2026-11-22").json()) == 3


def test_the_year_and_the_day_are_today_s_unless_told(holidays: httpx.Client) -> None:
    assert holidays.get("/holidays/US").json()
    assert holidays.get("/holidays/US/next").json()


@pytest.mark.parametrize(
    ("zone", "at", "local", "offset", "dst", "coming"),
    [
        (
            *("Europe/Amsterdam", "2026-07-01T12:00:00Z", "2026-07-01T14:00:00+02:00", "+02:00", True),
            "2026-10-25T01:00:00Z",
        ),
        (
            *("Europe/Amsterdam", "2026-11-22T12:00:00", "2026-11-22T13:00:00+01:00", "+01:00", False),
            "2027-03-28T01:00:00Z",
        ),
        # The last second of summer and the first of winter.
        (
            *("Europe/Amsterdam", "2026-10-25T00:59:59Z", "2026-10-25T02:59:59+02:00", "+02:00", True),
            "2026-10-25T01:00:00Z",
        ),
        (
            *("Europe/Amsterdam", "2026-10-25T01:00:00Z", "2026-10-25T02:00:00+01:00", "+01:00", False),
            "2027-03-28T01:00:00Z",
        ),
        ("Asia/Kolkata", "2026-01-01T00:00:00Z", "2026-01-01T05:30:00+05:30", "+05:30", False, None),
        (
            *("America/Argentina/Ushuaia", "2026-01-01T00:00:00Z", "2025-12-31T21:00:00-03:00"),
            *("-03:00", False, None),
        ),
        ("UTC", "2026-01-01T01:00:00+01:00", "2026-01-01T00:00:00+00:00", "+00:00", False, None),
    ],
)
def test_a_clock_tells_the_local_time_and_its_next_change(
    clocks: httpx.Client, zone: str, at: str, local: str, offset: str, dst: bool, coming: str | None
) -> None:
    clock = clocks.get(f"/clocks/{zone}", params={"at": at}).json()
    assert (clock["zone"], clock["local_time"]) == (zone, local)
    assert (clock["utc_offset"], clock["dst"]) == (offset, dst)
    assert (clock["next_transition"] or {}).get("at") == coming


def test_the_next_change_says_what_will_hold_then(clocks: httpx.Client) -> None:
    clock = clocks.get("/clocks/Europe/Amsterdam?at=2026-07-01").json()
    assert clock["abbreviation"] == "CEST"
    assert clock["next_transition"] == {
        "at": "2026-10-25T01:00:00Z",
        "utc_offset": "+01:00",
        "dst": False,
        "abbreviation": "CET",
    }


def test_a_country_s_clocks_are_all_its_zones(clocks: httpx.Client) -> None:
    assert [each["zone"] for each in clocks.get("/clocks?country=NL").json()] == ["Europe/Amsterdam"]
    assert [each["zone"] for each in clocks.get("/clocks?country=pt").json()] == [
        "Atlantic/Azores",
        "Atlantic/Madeira",
        "Europe/Lisbon",
    ]
    assert clocks.get("/clocks?country=CI").json()[0]["country_name"] == "Côte d\u2019Ivoire"


MISTAKES = {
    "airports": [
        ("/airports/QQQ", 404),
        ("/airports/QQQ/near", 404),
        ("/airports/%ff%00", 404),
        ("/airports/' OR 1=1 --", 404),
        ("/airports", 422),
        ("/airports?country=NLD", 422),
        ("/airports?country=NL&limit=0", 422),
        ("/airports?country=NL&limit=99999999999999999999", 422),
        ("/airports?country=NL&after=AAAA", 422),
        ("/airports/AMS/near?limit=many", 422),
        ("/airports/AMS?country=%ff%ff", 422),
        ("/airports/", 404),
        ("/nothing", 404),
    ],
    "holidays": [
        ("/holidays/ZZ", 404),
        ("/holidays/ZZ/next", 404),
        ("/holidays/NL?year=1815", 422),
        ("/holidays/NL?year=MMXXVI", 422),
        ("/holidays/NL/next?after=2026-02-30", 422),
        ("/holidays/NL/next?after=9999-12-31", 422),
        ("/holidays/NL/next?limit=-1", 422),
    ],
    "clocks": [
        ("/clocks/Europe/Atlantis", 404),
        ("/clocks/../../etc/passwd", 404),
        ("/clocks/Europe/Amsterdam?at=noon", 422),
        ("/clocks/Europe/Amsterdam?at=1066-10-14", 422),
        ("/clocks/Europe/Amsterdam?at=9999-12-31T23:59:59-23:59", 422),
        ("/clocks/Europe/Amsterdam?at=0001-01-01T00:00:00%2B23:59", 422),
        ("/clocks", 422),
    ],
}


@pytest.mark.parametrize(
    ("service", "url", "status"),
    [(name, url, status) for name, all_ in MISTAKES.items() for url, status in all_],
)
def test_a_caller_s_mistake_is_a_problem_of_the_4xx_kind(
    request: pytest.FixtureRequest, service: str, url: str, status: int
) -> None:
    answer = request.getfixturevalue(service).get(url)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["status"] == status
    assert answer.json()["detail"]


def test_what_does_not_fit_is_named(airports: httpx.Client) -> None:
    errors = airports.get("/airports?country=NLD&limit=0").json()["errors"]
    assert [each["field"] for each in errors] == ["country", "limit"]


def test_writing_is_not_allowed(holidays: httpx.Client) -> None:
    answer = holidays.post("/holidays/NL", json={})
    assert answer.status_code == 405
    assert answer.headers["allow"]
    assert answer.headers["content-type"] == "application/problem+json"
