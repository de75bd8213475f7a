"""How a WebSocket begins and ends, without one."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.exceptions import HTTPException, WebSocketException

from bff.errors import BadRequest, BffError, GatewayDraining, Overloaded, UpgradeRequired, ValidationFailed
from bff.gateway import closing, handshake
from bff.sdk.failures import Problem, ServiceTimedOut, ServiceUnreachable

KEY = (b"sec-websocket-key", b"dGhlIHNhbXBsZSBub25jZQ==")
VERSION = (b"sec-websocket-version", b"13")


def test_the_agreement_is_the_rfcs_own_example() -> None:
    """RFC 6455 §1.3."""
    assert handshake.agreed([KEY, VERSION]) == b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo="


@pytest.mark.parametrize("versions", [[], [b"8"], [b"13", b"13"], [b"13, 8"]])
def test_another_version_is_told_which_one_is_spoken(versions: list[bytes]) -> None:
    with pytest.raises(UpgradeRequired) as refused:
        handshake.agreed([KEY, *((b"sec-websocket-version", each) for each in versions)])
    assert refused.value.headers()["sec-websocket-version"] == "13"


@pytest.mark.parametrize("keys", [[], [b""], [b"dGhl"], [KEY[1], KEY[1]], [b"dGhlIHNhbXBsZSBub25jZQ=!"]])
def test_a_key_is_sixteen_bytes(keys: list[bytes]) -> None:
    with pytest.raises(BadRequest):
        handshake.agreed([VERSION, *((b"sec-websocket-key", each) for each in keys)])


def test_subprotocols_keep_the_callers_order() -> None:
    offered = [(b"sec-websocket-protocol", b"b, a"), (b"sec-websocket-protocol", b" c ,")]
    assert handshake.subprotocols(offered) == ["b", "a", "c"]


def test_the_function_sets_no_field_of_the_protocol() -> None:
    own = [
        (b"x-own", b"1"),
        (b"upgrade", b"h2c"),
        (b"sec-websocket-extensions", b"x"),
        (b"content-length", b"9"),
    ]
    fields = handshake.agreement(b"accept", "chat", own)
    assert (b"x-own", b"1") in fields
    assert fields.count((b"upgrade", b"websocket")) == 1
    assert (b"sec-websocket-protocol", b"chat") in fields
    names = [name for name, _ in fields]
    assert len(set(names)) == len(names)
    assert b"content-length" not in names
    assert b"sec-websocket-extensions" not in names


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (Problem(404, "Nobody."), (1008, "function-problem")),
        (Problem(500, "Broken."), (1011, "function-problem")),
        (ValidationFailed([]), (1008, "validation-failed")),
        (ServiceUnreachable("users"), (1013, "service-unreachable")),
        (ServiceTimedOut("users", 1.0), (1013, "service-timed-out")),
        (Overloaded("home", 1), (1013, "overloaded")),
        (GatewayDraining(), (1001, "draining")),
        (BffError("Ours."), (1011, "internal-error")),
        (ValueError("not for callers"), (1011, "function-failed")),
        (WebSocketException(4000, "mine"), (4000, "mine")),
        (HTTPException(403, "no"), (1008, "no")),
    ],
)
def test_a_failure_is_told_by_whose_it_was(error: BaseException, told: tuple[int, str]) -> None:
    assert closing.told(error) == told


@given(st.integers(0, 70_000), st.text())
def test_whatever_a_handler_says_can_be_sent(code: int, reason: str) -> None:
    """RFC 6455 §7.4: some codes never travel, and a reason has its limit."""
    from websockets.frames import Close

    Close(closing.sendable(code), closing.short(reason)).check()
    assert len(Close(closing.sendable(code), closing.short(reason)).serialize()) <= 125
