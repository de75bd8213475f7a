"""Tokens and names of the admin listener in routes.yaml."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.config.conftest import Project

LONG = "0123456789abcdef" * 4


def test_tokens_are_read_and_never_shown(project: Project) -> None:
    """Text as it was written, even where it looks like a number; hidden in every form."""
    digits = "1" * 40
    config = project.load(
        f"admin: {{hosts: Gateway.Example.com, tokens: {{ci: {{token: '${{CI}}', scopes: write}}, x: {{token: {digits}}}}}}}\n",
        CI=LONG,
    )
    assert config.admin.hosts == ("gateway.example.com",)
    assert config.admin.tokens["ci"].token.get_secret_value() == LONG
    assert config.admin.tokens["ci"].scopes == ("write",)
    assert config.admin.tokens["x"].token.get_secret_value() == digits
    assert config.admin.tokens["x"].scopes == ("read",)
    for shown in (repr(config.admin), str(config.model_dump()), config.model_dump_json()):
        assert LONG not in shown
        assert digits not in shown


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("admin: {tokens: {ci: {token: short}}}", "32 to 512 characters"),
        (f"admin: {{tokens: {{ci: {{token: '{LONG} x'}}}}}}", "no bearer token"),
        ("admin: {tokens: {ci: {scopes: [read]}}}", "token: is missing"),
        (f"admin: {{tokens: {{ci: {{token: {LONG}, scopes: admin}}}}}}", "scopes"),
        (f"admin: {{tokens: {{ci: {{tokne: {LONG}}}}}}}", "did you mean token?"),
        (f"admin: {{tokens: {{local: {{token: {LONG}}}}}}}", "neither local nor anybody"),
        (f"admin: {{tokens: {{'a b': {{token: {LONG}}}}}}}", "names of tokens"),
        ("admin: {token: x}", "did you mean tokens?"),
        ("admin: {hosts: 'https://gateway.example.com'}", "without scheme and port"),
        ("admin: {hosts: [a.example, A.example]}", "twice"),
    ],
)
def test_a_mistake_is_told_without_the_token(project: Project, text: str, words: str) -> None:
    """What is wrong, where, and never what the token was."""
    lines = project.lines(f"{text}\n")
    assert any(words in line for line in lines), lines
    assert not any(LONG in line for line in lines)
