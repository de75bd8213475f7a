"""A route is added in the file's own style, and nothing else in the file moves."""

from __future__ import annotations

import pytest

from bff.cli.routesfile import with_route

FLOW = '  - {path: "/api/home", function: home}\n'


@pytest.mark.parametrize(
    ("before", "after"),
    [
        pytest.param("", "\nroutes:\n" + FLOW, id="empty"),
        pytest.param("# mine\nservices: {}\n", "# mine\nservices: {}\n\nroutes:\n" + FLOW, id="no routes"),
        pytest.param("routes:\n", "routes:\n" + FLOW, id="routes without items"),
        pytest.param("routes: []  # none\na: 1\n", "routes:  # none\n" + FLOW + "a: 1\n", id="empty list"),
        pytest.param(
            "routes:\n  - {path: /a, function: a} # one\n",
            "routes:\n  - {path: /a, function: a} # one\n" + FLOW,
            id="flow",
        ),
        pytest.param(
            "routes:\n- { path: /a, function: a }",
            'routes:\n- { path: /a, function: a }\n- { path: "/api/home", function: home }\n',
            id="flow with spaces, no indentation, no last newline",
        ),
        pytest.param(
            "routes:\n    - path: /a\n      function: a\n      # why\n      timeout: 1s\n\n# the end\nservices: {}\n",
            "routes:\n    - path: /a\n      function: a\n      # why\n      timeout: 1s\n"
            "    - path: /api/home\n      function: home\n\n# the end\nservices: {}\n",
            id="block, with sections after it",
        ),
        pytest.param(
            "routes:\r\n  - {path: /a, function: a}\r\n",
            'routes:\r\n  - {path: /a, function: a}\r\n  - {path: "/api/home", function: home}\r\n',
            id="windows line ends",
        ),
        pytest.param(
            "routes:\n  - {path: /a,\n     function: a}\n  # last\n",
            "routes:\n  - {path: /a,\n     function: a}\n" + FLOW + "  # last\n",
            id="an item over two lines",
        ),
    ],
)
def test_the_route_follows_the_last_one(before: str, after: str) -> None:
    """Comments, blank lines, indentation and line ends stay as they are."""
    assert with_route(before, "/api/home", "home") == after


@pytest.mark.parametrize(
    "text",
    [
        "routes: [{path: /a, function: a}]\n",
        "{routes: []}\n",
        "{services: {}}\n",
        "routes:\n  - {path: /a\n",
        "- a list\n",
        "routes: *x\n",
        "routes:\n  [{path: /a, function: a}]\n",
        "services: {}\n...\n",
    ],
)
def test_where_it_is_not_sure_it_says_so(text: str) -> None:
    """Better a line to paste than a file destroyed."""
    assert with_route(text, "/api/home", "home") is None
