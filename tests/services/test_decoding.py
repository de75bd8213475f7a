"""Content codings undone, whole or not at all, and never beyond the limit."""

from __future__ import annotations

import contextlib
import gzip
import zlib
from collections.abc import Callable

import brotli
import httpx
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from bff.services.connection import TooLarge
from bff.services.decoding import available, decoded

TEXT = b"All is well with this answer. " * 40


def raw_deflate(data: bytes) -> bytes:
    machine = zlib.compressobj(wbits=-15)
    return machine.compress(data) + machine.flush()


ENCODERS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "x-gzip": gzip.compress,
    "deflate": zlib.compress,
    "DEFLATE ": raw_deflate,
    "br": brotli.compress,
    "zstd": zstandard.ZstdCompressor().compress,
}


@pytest.mark.parametrize("coding", ENCODERS)
@given(body=st.binary(max_size=200), times=st.integers(1, 300))
def test_what_was_encoded_is_decoded(coding: str, body: bytes, times: int) -> None:
    """Any body, at exactly the limit."""
    body *= times
    assert decoded(ENCODERS[coding](body), coding, len(body)) == body


@pytest.mark.parametrize("coding", ENCODERS)
def test_a_body_over_the_limit_is_given_up(coding: str) -> None:
    """A bomb: 30 MB from a few kilobytes, and one byte too many."""
    for body, limit in ((bytes(30_000_000), 1_000_000), (TEXT, len(TEXT) - 1)):
        with pytest.raises(TooLarge) as refusal:
            decoded(ENCODERS[coding](body), coding, limit)
        assert refusal.value.limit == limit


@pytest.mark.parametrize("coding", ENCODERS)
def test_a_body_that_ends_early_is_an_error(coding: str) -> None:
    """Wherever it was cut; half a body is no body."""
    whole = ENCODERS[coding](TEXT)
    for cut in range(1, len(whole)):
        with pytest.raises(httpx.DecodingError):
            decoded(whole[:cut], coding, 100_000)


@pytest.mark.parametrize("coding", ["gzip", "deflate", "br", "zstd"])
@given(noise=st.binary(min_size=1, max_size=50))
def test_noise_is_an_error_or_a_body_within_the_limit(coding: str, noise: bytes) -> None:
    """Nothing else escapes."""
    with contextlib.suppress(httpx.DecodingError, TooLarge):
        assert len(decoded(noise, coding, 1000)) <= 1000


@pytest.mark.parametrize(
    ("coding", "join"), [("gzip", gzip.compress), ("zstd", zstandard.ZstdCompressor().compress)]
)
def test_several_members_are_one_body(coding: str, join: Callable[[bytes], bytes]) -> None:
    """RFC 1952 §2.2 and RFC 8878 §3: one after the other, the limit for all of them."""
    body = join(b"one ") + join(b"two ") + join(b"three")
    assert decoded(body, coding, 13) == b"one two three"
    with pytest.raises(TooLarge):
        decoded(body, coding, 12)


@pytest.mark.parametrize("coding", ["identity", "snappy", ""])
def test_other_codings_are_left_alone(coding: str) -> None:
    """As httpx leaves them; and nothing is nothing in any coding."""
    assert decoded(TEXT, coding, 1) == TEXT
    assert decoded(b"", "gzip", 1) == b""


def test_only_what_is_installed_is_asked_for() -> None:
    """gzip and deflate are Python's own."""
    assert list(available(lambda _: False)) == ["gzip", "x-gzip", "deflate"]
    assert list(available(lambda name: name == "brotli")) == ["gzip", "x-gzip", "deflate", "br"]
    assert list(available(lambda name: name == "zstandard")) == ["gzip", "x-gzip", "deflate", "zstd"]
