"""Services named in a source are found where they stand, and nothing else is taken for one."""

from __future__ import annotations

import ast
from textwrap import dedent

import pytest

from bff.cli.mentions import Mention, services_in


def found(source: str) -> list[Mention]:
    return list(services_in(ast.parse(dedent(source))))


@pytest.mark.parametrize(
    ("source", "mention"),
    [
        ("ctx.services.users", Mention("users", 1, 14)),
        ("context.services.users.get('/')", Mention("users", 1, 18)),
        ("self.ctx.services.users", Mention("users", 1, 19)),
        ("ctx.services['users']", Mention("users", 1, 14)),
        ("def f(c: Context): c.services.users", Mention("users", 1, 31)),
        ("def f(c: bff.SyncContext):\n  return c.services.users", Mention("users", 2, 21)),
    ],
)
def test_a_literal_name_is_found_at_its_place(source: str, mention: Mention) -> None:
    """Attribute or key, on ``ctx``, ``context`` or whatever is annotated as one."""
    assert found(source) == [mention]


@pytest.mark.parametrize(
    "source",
    [
        "services.users",
        "app.services.users",
        "ctx.settings.users",
        "ctx.services[name]",
        "ctx.services[0]",
        "ctx.services",
        "ctx.services._private",
        "ctx.services.__iter__",
        "def f(c: Other): c.services.users",
    ],
)
def test_what_may_be_something_else_is_left_alone(source: str) -> None:
    """A check that cries wolf is switched off."""
    assert found(source) == []


def test_an_attribute_over_several_lines_has_its_own_line() -> None:
    """The place is the name's, not the expression's."""
    assert found("(ctx\n  .services\n  .users)") == [Mention("users", 3, 4)]
