"""Retries, hedges, ejection, balancing, endpoints and discovery in routes.yaml: defaults, forms and mistakes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bff.config.endpoints import split_address
from bff.config.units import parse_share, share_text

if TYPE_CHECKING:
    from tests.config.conftest import Project


def test_short_forms_mean_the_long_ones(project: Project) -> None:
    """An address alone, a policy alone, a condition alone."""
    config = project.load(
        "services:\n"
        "  a:\n    url: http://a\n    endpoints: ['10.0.0.1:80', {address: '[fd00::1]', weight: 2.5}]\n"
        "    balance: round_robin\n    retries: {on: 5xx}\n"
    )
    service = config.services["a"]
    assert [(each.address, each.weight) for each in service.endpoints] == [
        ("10.0.0.1:80", 1),
        ("[fd00::1]", 2.5),
    ]
    assert service.balance.policy == "round_robin"
    assert service.retries.on == ("5xx",)


def test_secrets_of_a_registry_are_never_shown(project: Project) -> None:
    """Neither by repr nor by dump; a token of digits stays as it was written."""
    config = project.load(
        "services: {a: {url: 'http://a', discovery: {type: consul, name: a, options: {token: 007}}}}"
    )
    discovery = config.services["a"].discovery
    assert discovery is not None
    assert discovery.options["token"].get_secret_value() == "007"
    assert "007" not in repr(config.services["a"])
    assert "007" not in config.model_dump_json()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("retries: {attemps: 3}", "retries.attemps: unknown key; did you mean attempts?"),
        ("retries: {attempts: 11}", "retries.attempts: 11 is too large; the most is 10"),
        ("retries: {on: [timeout]}", "retries.on[0]: 'timeout' is not one of 'connect-failure'"),
        ("retries: {per_try_timeout: 300}", "retries.per_try_timeout: 300 needs a unit; write 300s or 300ms"),
        ("retries: {budget: {percent: 20}}", "retries.budget.percent: 20 is not a share; write a percentage, such as 20%"),
        ("retries: {budget: {precent: 20%}}", "retries.budget.precent: unknown key; did you mean percent?"),
        ("hedge: {max_extra_load: 0%}", "hedge.max_extra_load: '0%' is not a share"),
        ("hedge: {max: 1%}", "hedge.max: unknown key"),
        ("outlier_detection: {consecutive: 3}", "outlier_detection.consecutive: unknown key; did you mean consecutive_5xx?"),
        ("outlier_detection: {base_ejection_time: 10m}", "has base_ejection_time above max_ejection_time"),
        ("balance: random", "balance: 'random' is not one of 'least_request' or 'round_robin'"),
        ("balance: {polcy: round_robin}", "balance.polcy: unknown key; did you mean policy?"),
        ("endpoints: ['http://a:80']", "is not an address; write host:port, such as 10.0.0.1:8080"),
        ("endpoints: ['a:80', 'a:80']", "lists the same endpoint twice; give it a weight instead"),
        ("endpoints: [{adress: 'a:80'}]", "endpoints[0].adress: unknown key; did you mean address?"),
        ("endpoints: [{address: 'a:80', weight: 0}]", "endpoints[0].weight"),
        ("discovery: {type: consul}", "discovery.name: is missing"),
        ("discovery: {type: CONSUL, name: a}", "is not a kind of discovery; write dns, srv, kubernetes, consul or nacos"),
        ("discovery: {type: dns, nme: a}", "discovery.nme: unknown key; did you mean name?"),
        ("endpoints: ['a:80'], discovery: {type: dns, name: a}", "has both endpoints and discovery; remove one of them"),
        ("max_pending: -1", "max_pending: -1 is too small; the least is 0"),
    ],
)  # fmt: skip
def test_a_mistake_has_its_place_and_its_remedy(project: Project, text: str, said: str) -> None:
    """In the innermost section, with the key that was meant."""
    lines = project.lines(f"services:\n  a: {{url: 'http://a', {text}}}\n")
    assert any(said in line for line in lines), lines
    assert all(line.startswith("routes.yaml:2:") for line in lines)


@given(st.decimals("0.0001", "100", places=4))
def test_a_share_is_written_and_read_alike(percent: object) -> None:
    """Whatever fraction of a percent."""
    share = parse_share(f"{percent:f}%")
    assert 0 < share <= 1
    assert parse_share(share_text(share)) == share


@pytest.mark.parametrize("text", ["0%", "101%", "20", "-1%", "1e1%", "%", "", "20 %", "0.00001%"])
def test_what_is_no_share(text: str) -> None:
    with pytest.raises(ValueError, match="is not a share"):
        parse_share(text)


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("10.0.0.1:8080", ("10.0.0.1", 8080)),
        ("users.internal", ("users.internal", None)),
        ("[fd00::1]:80", ("fd00::1", 80)),
        ("[fd00::1]", ("fd00::1", None)),
    ],
)
def test_an_address_is_taken_apart(text: str, parts: tuple[str, int | None]) -> None:
    assert split_address(text) == parts


@pytest.mark.parametrize(
    "text", ["", ":80", "a:0", "a:65536", "fd00::1", "[fd00]:80", "a b", "a/b", "user@a:80"]
)
def test_what_is_no_address(text: str) -> None:
    with pytest.raises(ValueError):
        split_address(text)


@pytest.mark.parametrize(
    ("gateway", "faults", "said"),
    [
        (
            "{}",
            "[{type: abort}]",
            "faults are made on purpose, and only where gateway says allow_faults: true",
        ),
        (
            "{allow_faults: true}",
            "[{type: abort, delay: 1s}]",
            "has a delay, which only delay and slow-body have",
        ),
        ("{allow_faults: true}", "[{type: delay}]", "is missing its delay; write how long, such as 2s"),
        (
            "{allow_faults: true}",
            "[{type: reset, status: 503}]",
            "has a status, which only abort has; remove it",
        ),
        ("{allow_faults: true}", "[{type: abort, status: 99}]", "99 is too small; the least is 200"),
        ("{allow_faults: true}", "[{type: abort, mtach: {a: b}}]", "unknown key; did you mean match?"),
    ],
)
def test_faults_are_refused_unless_they_are_allowed_and_make_sense(
    project: Project, gateway: str, faults: str, said: str
) -> None:
    """With place and remedy."""
    lines = project.lines(f"gateway: {gateway}\nservices:\n  a: {{url: 'http://a', faults: {faults}}}\n")
    assert len(lines) == 1
    assert said in lines[0]
    assert lines[0].startswith("routes.yaml:3:")
