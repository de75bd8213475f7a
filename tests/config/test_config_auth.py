"""Mistakes in who may call: each at its place, with what would put it right."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.config.conftest import Project

JWT = "issuer: i, audience: a, jwks: keys.json"
ROUTE = "routes:\n  - {path: /a, function: home, auth: AUTH}\n"


@pytest.mark.parametrize(
    ("scheme", "said"),
    [
        ("{}", "exactly one of jwt, api_keys and certificate"),
        (f"{{jwt: {{{JWT}}}, certificate: {{}}}}", "exactly one of"),
        ("{jwt: {issuer: i, audience: a}}", "either jwks or secret"),
        (f"{{jwt: {{{JWT}, secret: {'x' * 32}}}}}", "either jwks or secret"),
        (f"{{jwt: {{{JWT}, algorithms: HS256}}}}", "HS256 is not for public keys"),
        (f"{{jwt: {{{JWT}, algorithms: none}}}}", "does not go with its keys"),
        (f"{{jwt: {{{JWT}, algorithms: []}}}}", "algorithms"),
        ("{jwt: {issuer: i, audience: a, secret: short, algorithms: HS256}}", "shorter than 32 bytes"),
        (f"{{jwt: {{issuer: i, audience: a, secret: {'x' * 32}}}}}", "RS256 is not for a shared secret"),
        ("{jwt: {issuer: i, audience: a, jwks: 'http://id.example/k'}}", "fetched without TLS"),
        ("{jwt: {issuer: i, audience: a, jwks: 'ftp://id.example/k'}}", "neither an https:// address"),
        ("{jwt: {issuer: '', audience: a, jwks: k}}", "issuer"),
        ("{jwt: {issuer: i, audience: [], jwks: k}}", "audience"),
        ("{api_keys: {keys: {a: {digest: secret}}}}", "bff key"),
        ("{api_keys: {header: 'a b'}}", "is not the name of a header"),
        ("{certificate: {format: pem}}", "xfcc"),
    ],
)
def test_a_scheme_that_cannot_be_is_refused(project: Project, scheme: str, said: str) -> None:
    (line,) = project.lines(f"auth:\n  users: {scheme}\n")
    assert said in line
    assert ":2:" in line
    assert "secret: short" not in line


@pytest.mark.parametrize("name", ["none", "Users", "1st", '"a b"'])
def test_a_scheme_s_name_can_be_written_in_a_route(project: Project, name: str) -> None:
    (line,) = project.lines(f"auth:\n  {name}: {{certificate: {{}}}}\n")
    assert "a scheme's name is" in line


@pytest.mark.parametrize(
    ("demand", "said"),
    [
        ("user", "no scheme user is declared under auth; did you mean users?"),
        ("[users, nobody]", "no scheme nobody is declared under auth"),
        ("{any: nobody, scopes: x}", "no scheme nobody is declared"),
        ("{any: []}", "is an empty list; name at least 1"),
        ("[]", "is an empty list"),
        ("{scopes: x}", "any"),
        ("7", "auth"),
        ("{any: users, scope: x}", "scope"),
    ],
)
def test_a_demand_that_could_not_be_met_is_refused(project: Project, demand: str, said: str) -> None:
    text = "auth:\n  users: {certificate: {}}\n" + ROUTE.replace("AUTH", demand)
    (line,) = project.lines(text)
    assert said in line
    assert ":4:" in line


def test_the_default_is_checked_too(project: Project) -> None:
    (line,) = project.lines("defaults: {auth: users}\n")
    assert "no scheme users is declared under auth" in line


def test_a_route_s_own_demand_comes_before_the_default(project: Project) -> None:
    config = project.load(
        "auth:\n  users: {certificate: {}}\n  others: {certificate: {}}\ndefaults: {auth: users}\nroutes:\n"
        "  - {path: /a, function: home}\n  - {path: /b, function: home, auth: none}\n"
        "  - {path: /c, function: home, auth: {any: [others], optional: true}}\n"
    )
    demands = [config.auth_of(route) for route in config.routes]
    assert [demand.any for demand in demands] == [("users",), (), ("others",)]
    assert demands[2].optional


def test_digests_and_secrets_are_never_shown(project: Project) -> None:
    digest = f"sha256:{'0123456789abcdef' * 4}"
    text = (
        f"auth:\n  partners: {{api_keys: {{keys: {{acme: {{digest: '{digest}'}}}}}}}}\n"
        f"  old: {{jwt: {{issuer: i, audience: a, secret: {'hush' * 8}, algorithms: HS256}}}}\n"
    )
    config = project.load(text)
    for shown in (repr(config.auth), config.model_dump_json()):
        assert "0123456789abcdef" not in shown
        assert "hush" not in shown
