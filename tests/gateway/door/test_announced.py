"""Bodies: announced as the route wants it, and nothing expected that nobody here can do."""

from __future__ import annotations

import pytest

from bff.gateway.door import announced
from bff.gateway.door.failures import ExpectationFailed, LengthRequired


@pytest.mark.parametrize(
    "value", [b"100-continue", b"100-Continue", b"100-continue, ", b"", b"100-continue,100-continue"]
)
def test_what_is_known_may_be_expected(value: bytes) -> None:
    announced.check([(b"host", b"bff"), (b"expect", value)], length_required=True, is_ours=True)


@pytest.mark.parametrize("value", [b"200-ok", b"100-continue, more", b"100", b"100-continue;q=1", b"\xff"])
def test_anything_else_is_417_where_a_function_answers(value: bytes) -> None:
    """A service hears it as it is, and says itself what it thinks of it."""
    with pytest.raises(ExpectationFailed):
        announced.check([(b"expect", value)], length_required=False, is_ours=True)
    announced.check([(b"expect", value)], length_required=False, is_ours=False)


def test_chunks_are_411_where_a_length_is_asked_for() -> None:
    chunked = [(b"transfer-encoding", b"chunked")]
    announced.check(chunked, length_required=False, is_ours=True)
    for is_ours in (True, False):
        with pytest.raises(LengthRequired):
            announced.check(chunked, length_required=True, is_ours=is_ours)
