"""Whose page is whose: everything a function can read of its caller tells pages apart."""

from __future__ import annotations

from bff.gateway.subject import subject_of
from bff.sdk.caller import NOBODY, Caller


def of(**more: object) -> str:
    return subject_of(Caller(**{"scheme": "users", "subject": "ada", **more}))  # type: ignore[arg-type]


def test_another_tenant_is_another_caller() -> None:
    """The same subject may carry other claims: a page made of them is not the other's."""
    assert of(claims={"org": "one"}) != of(claims={"org": "two"})
    assert of(claims={"org": {"id": 1, "name": "x"}}) == of(claims={"org": {"name": "x", "id": 1}})


def test_the_next_token_of_the_same_caller_is_the_same_caller() -> None:
    first, second = ({"org": "one", "exp": at, "iat": at - 60, "jti": str(at)} for at in (100, 200))
    assert of(claims=first) == of(claims=second)


def test_names_and_rights_do_not_run_into_each_other() -> None:
    assert of(subject="ada admin") != of(scopes=frozenset({"admin"}))
    assert of(scopes=frozenset({"a b"})) != of(scopes=frozenset({"a", "b"}))
    assert of(roles=frozenset({"a"})) != of(scopes=frozenset({"a"}))
    assert of(scheme="partners") != of() != subject_of(NOBODY)
