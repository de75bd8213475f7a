"""The member ``errors`` of an incomplete answer."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bff.gateway.incomplete import pointer, with_errors

REASONS = {"notices": {"code": "service-timed-out", "status": 504, "service": "notices"}}
JSON: Any = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**9), 10**9) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


def test_each_missing_part_has_its_path_and_reason() -> None:
    """Beside what is there; a part nobody knows a reason for is there all the same."""
    told = json.loads(with_errors(b'{"name":"Ada"}', ["notices", "a/b"], REASONS))
    assert told == {"name": "Ada", "errors": {"/notices": REASONS["notices"], "/a~1b": {}}}


@given(JSON, st.sampled_from([None, 2]))
def test_every_object_keeps_what_it_had_and_nothing_else_changes(value: Any, indent: int | None) -> None:
    """Objects get one member; what is no object, or has such a member, stays byte for byte."""
    body = json.dumps(value, indent=indent).encode()
    told = with_errors(body, ["notices"], REASONS)
    if isinstance(value, dict) and "errors" not in value:
        assert json.loads(told) == {**value, "errors": {"/notices": REASONS["notices"]}}
    else:
        assert told == body


@pytest.mark.parametrize("body", [b"", b"hello", b"[1]", b'{"errors":1}', b'{"a":', b"\xff"])
def test_what_is_no_object_stays_as_it_is(body: bytes) -> None:
    assert with_errors(body, ["notices"], REASONS) == body


@given(st.text(max_size=20))
def test_a_path_is_a_json_pointer(part: str) -> None:
    """RFC 6901: one token, escaped."""
    path = pointer(part)
    assert path.startswith("/")
    assert "/" not in path[1:]
    assert path[1:].replace("~1", "/").replace("~0", "~") == part


@pytest.mark.parametrize(("asks", "isolation"), [(True, "inline"), (False, "inline"), (True, "process")])
def test_a_route_that_asks_is_told_over_http(
    gateway: Callable[..., Any],
    write_project: Callable[[Mapping[str, str]], Path],
    asks: bool,
    isolation: str,
) -> None:
    """With the right length, from a function in the gateway and in a process of its own."""
    running = gateway(
        write_project(
            {
                "routes.yaml": f"""
                    services: {{users: {{url: "http://127.0.0.1:9", retries: {{attempts: 0}}}}}}
                    functions: {{home: {{isolation: {isolation}}}}}
                    routes: [{{path: /home, function: home, errors: {str(asks).lower()}}}]
                """,
                "functions/home.py": """
                    from bff import Context, optional
                    async def handle(ctx: Context) -> dict[str, str | None]:
                        return {"name": "Ada", "user": await optional(ctx.services.users.get("/", into=str), name="user")}
                """,
            }
        ),
        "serve",
    )
    answer = running.get("/home")
    assert answer.headers["bff-missing"] == "user"
    told = {"/user": {"code": "service-unreachable", "status": 503, "service": "users"}}
    assert answer.json() == {"name": "Ada", "user": None} | ({"errors": told} if asks else {})
