"""Which coding a caller takes, and that what is written in it can be read again."""

from __future__ import annotations

import zlib
from collections.abc import Callable

import anyio
import brotli
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from bff.config.compression import CompressionConfig
from bff.gateway.door import codings, smaller
from bff.gateway.door.codings import Compression, chosen, is_text
from bff.sdk.reply import Answer

OFFERED = ("zstd", "br", "gzip")
READ: dict[str, Callable[[bytes], bytes]] = {
    "gzip": lambda body: zlib.decompress(body, 31),
    "br": brotli.decompress,
    "zstd": lambda body: zstandard.ZstdDecompressor().decompressobj().decompress(body),
}


@pytest.mark.parametrize(
    ("accepted", "coding"),
    [
        (None, None),
        ("", None),
        ("gzip", "gzip"),
        ("gzip, deflate, br, zstd", "zstd"),  # Chrome and Firefox
        ("gzip, deflate, br", "br"),  # Safari
        ("GZip", "gzip"),
        ("x-gzip", "gzip"),
        ("deflate", None),
        ("identity", None),
        ("*", "zstd"),
        ("*;q=0", None),
        ("*;q=0, gzip", "gzip"),
        ("gzip;q=1.0, br;q=0.5", "gzip"),
        ("gzip; q=0.5, br; q=0.8", "br"),
        ("gzip;q=0", None),
        ("zstd;q=0, *", "br"),
        ("gzip;q=0.5, identity", None),
        ("identity;q=0.5, gzip;q=0.5", "gzip"),
        ("identity;q=0", None),
        ("gzip;q=nan", None),
        ("gzip;q=2", None),
        ("gzip;q=-1", None),
        ("gzip;q=x", None),
        (",,gzip,,", "gzip"),
        ("gzipped", None),
        ("ge\xfcnzip, gzip", "gzip"),
    ],
)
def test_the_coding_is_the_callers_choice(accepted: str | None, coding: str | None) -> None:
    headers = [] if accepted is None else [(b"accept-encoding", accepted.encode("latin-1"))]
    assert chosen(headers, OFFERED) == coding


def test_two_lines_are_one_list_and_our_order_decides_between_equals() -> None:
    headers = [(b"accept-encoding", b"br"), (b"accept-encoding", b"gzip")]
    assert chosen(headers, OFFERED) == "br"
    assert chosen(headers, ("gzip", "br")) == "gzip"
    assert chosen(headers, ("zstd",)) is None


@pytest.mark.parametrize(
    ("content_type", "expected"),
    [
        ("application/json", True),
        ("application/problem+json; charset=utf-8", True),
        ("TEXT/HTML", True),
        ("image/svg+xml", True),
        ("application/vnd.api+json", True),
        ("application/x-ndjson", True),
        ("image/png", False),
        ("application/zip", False),
        ("application/octet-stream", False),
        ("font/woff2", False),
        ("video/mp4", False),
        ("", False),
    ],
)
def test_only_what_gets_smaller_is_compressed(content_type: str, expected: bool) -> None:
    assert is_text(content_type.encode()) == expected


@pytest.mark.parametrize("coding", OFFERED)
@given(pieces=st.lists(st.binary(max_size=300), max_size=8))
def test_what_is_written_can_be_read_and_each_piece_at_once(coding: str, pieces: list[bytes]) -> None:
    assert READ[coding](codings.compressed(b"".join(pieces), coding)) == b"".join(pieces)
    writer, reader, seen = codings.writer(coding), reading(coding), b""
    for piece in pieces:
        seen += reader(writer.piece(piece))
    assert seen == b"".join(pieces)
    seen += reader(writer.end())
    assert seen == b"".join(pieces)


def reading(coding: str) -> Callable[[bytes], bytes]:
    """What a browser does with each piece as it comes."""
    if coding == "gzip":
        return zlib.decompressobj(31).decompress
    if coding == "br":
        decompressor = brotli.Decompressor()
        return lambda data: decompressor.process(data) if data else b""
    return zstandard.ZstdDecompressor().decompressobj().decompress


BODY = b'{"word":"lamp"}' * 200


def made_smaller(
    answer: Answer, accepted: bytes = b"gzip", *asked: tuple[bytes, bytes], **config: object
) -> dict[bytes, bytes]:
    compression = Compression(CompressionConfig.model_validate(config))
    anyio.run(smaller.whole, answer, compression, [(b"accept-encoding", accepted), *asked])
    return dict(answer.headers)


def page(*fields: tuple[bytes, bytes], body: bytes = BODY, status: int = 200) -> Answer:
    return Answer(status, [(b"content-type", b"application/json"), *fields], body)


def test_a_page_is_made_smaller_and_its_tag_weak() -> None:
    answer = page((b"etag", b'"abc"'))
    fields = made_smaller(answer)
    assert READ["gzip"](answer.body) == BODY
    assert fields[b"content-encoding"] == b"gzip"
    assert fields[b"vary"] == b"Accept-Encoding"
    assert fields[b"etag"] == b'W/"abc"'


def test_who_takes_no_coding_gets_the_page_as_it_is_and_is_told_that_others_do_not() -> None:
    answer = page((b"etag", b'"abc"'))
    fields = made_smaller(answer, b"identity")
    assert (answer.body, fields[b"vary"], fields[b"etag"]) == (BODY, b"Accept-Encoding", b'"abc"')
    assert b"content-encoding" not in fields


@pytest.mark.parametrize(
    "answer",
    [
        page(body=BODY[:1023]),
        page((b"content-encoding", b"br")),
        page((b"cache-control", b"max-age=5, No-Transform")),
        page(status=206),
        page(status=204, body=b""),
        Answer(200, [(b"content-type", b"image/png")], BODY),
        Answer(200, [], BODY),
    ],
)
def test_what_is_left_alone_does_not_depend_on_the_caller(answer: Answer) -> None:
    before, fields = answer.body, list(answer.headers)
    made_smaller(answer)
    assert (answer.body, answer.headers) == (before, fields)


def test_what_would_grow_is_sent_as_it_is() -> None:
    import random

    noise = random.Random(7).randbytes(2000)
    answer = page(body=noise)
    fields = made_smaller(answer)
    assert answer.body == noise
    assert b"content-encoding" not in fields


def test_large_bodies_are_compressed_beside_the_loop() -> None:
    answer = page(body=BODY * 50)
    assert len(answer.body) >= smaller.OFF_THE_LOOP
    made_smaller(answer, b"br")
    assert READ["br"](answer.body) == BODY * 50


def test_a_304_has_the_tag_of_what_the_caller_keeps() -> None:
    for held, tag in ((b'W/"abc"', b'W/"abc"'), (b'"abc"', b'"abc"'), (b"*", b'"abc"')):
        fields = made_smaller(Answer(304, [(b"etag", b'"abc"')]), b"gzip", (b"if-none-match", held))
        assert (fields[b"etag"], fields[b"vary"]) == (tag, b"Accept-Encoding")


def test_codings_that_are_not_installed_are_not_offered(monkeypatch: pytest.MonkeyPatch) -> None:
    codings.is_installed.cache_clear()
    monkeypatch.setattr(codings, "find_spec", lambda _: None)
    try:
        headers = [(b"accept-encoding", b"gzip, br, zstd")]
        assert Compression(CompressionConfig()).coding(headers) == "gzip"
    finally:
        codings.is_installed.cache_clear()
