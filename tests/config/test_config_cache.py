"""``cache: true``, ``cache: {…}`` and nothing: what services and routes make of each."""

from __future__ import annotations

import pytest

from bff.config import CacheConfig, ConfigInvalid
from tests.config.conftest import Project

SERVICES = """\
services:
  silent: {url: "http://a"}
  off: {url: "http://a", cache: false, coalesce: false}
  on: {url: "http://a", cache: true}
  empty: {url: "http://a", cache: {}}
  stated: {url: "http://a", cache: {ttl: 10s, stale-while-revalidate: 1m, stale-if-error: 1h, tags: home}}
"""


def test_a_switch_and_a_section_are_both_read(project: Project) -> None:
    services = project.load(SERVICES).services
    assert services["silent"].cache is None
    assert services["silent"].coalesce
    assert services["off"].cache is None
    assert not services["off"].coalesce
    assert services["on"].cache == services["empty"].cache == CacheConfig()
    stated = services["stated"].cache
    assert stated is not None
    assert (stated.ttl, stated.stale_while_revalidate, stated.stale_if_error) == (10, 60, 3600)
    assert stated.tags == ("home",)
    assert not stated.heuristics
    guessing = project.load('services:\n  users: {url: "http://a", cache: {heuristics: true}}\n').services[
        "users"
    ]
    assert guessing.cache == CacheConfig(heuristics=True)


@pytest.mark.parametrize(
    ("written", "says"),
    [
        ("{ttl: 10}", "needs a unit"),
        ("{stale_while_revalidate: 1s}", "did you mean stale-while-revalidate?"),
        ("{tags: [a, a]}", "lists the same thing twice"),
        ("{tags: ['']}", "is not a tag"),
        ("maybe", "is not a mapping"),
        ("{ttl: 0s}", "longer than"),
    ],
)
def test_mistakes_name_the_place_and_the_remedy(project: Project, written: str, says: str) -> None:
    with pytest.raises(ConfigInvalid) as raised:
        project.load(f'services:\n  users: {{url: "http://a", cache: {written}}}\n')
    assert says in str(raised.value)
    assert "routes.yaml:2:" in str(raised.value)
