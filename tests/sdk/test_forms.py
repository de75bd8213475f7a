"""Forms: within their limits, and as UTF-8, or refused with a sentence; never slow and never guessed at."""

from __future__ import annotations

from collections.abc import AsyncGenerator

import pytest
from starlette.datastructures import Headers, UploadFile

from bff.errors import BadRequest, FormTooLarge
from bff.sdk.formlimits import FormLimits
from bff.sdk.forms import read_form

URLENCODED = "application/x-www-form-urlencoded"
MULTIPART = "multipart/form-data; boundary=edge"
FEW = FormLimits(max_fields=2, max_files=1, max_field=10, max_file=20)


def parts(*each: tuple[str, bytes]) -> bytes:
    return (
        b"".join(
            f"--edge\r\nContent-Disposition: form-data; {head}\r\n\r\n".encode(errors="surrogateescape")
            + content
            + b"\r\n"
            for head, content in each
        )
        + b"--edge--\r\n"
    )


async def form_of(kind: str, body: bytes, limits: FormLimits = FEW) -> list[tuple[str, str | bytes]]:
    async def pieces() -> AsyncGenerator[bytes, None]:
        for at in range(0, len(body), 7):
            yield body[at : at + 7]

    form = await read_form(Headers({"content-type": kind}), pieces(), limits)
    found = [
        (name, await value.read() if isinstance(value, UploadFile) else value)
        for name, value in form.multi_items()
    ]
    await form.close()
    return found


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("kind", "body", "why"),
    [
        (MULTIPART, parts(*[('name="a"', b"x")] * 3), "Too many fields. Maximum number of fields is 2."),
        (URLENCODED, b"a=1&b=2&c=3", "Too many fields. Maximum number of fields is 2."),
        (
            MULTIPART,
            parts(*[('name="a"; filename="f"', b"x")] * 2),
            "Too many files. Maximum number of files is 1.",
        ),
        (MULTIPART, parts(('name="a"', b"x" * 11)), "Part exceeded maximum size"),
        (URLENCODED, b"a=" + b"x" * 11, "Field exceeded maximum size"),
        (MULTIPART, parts(('name="a"; filename="f"', b"x" * 21)), "A file is larger than 20 bytes."),
    ],
    ids=["fields", "url-encoded fields", "files", "a field", "a url-encoded field", "a file"],
)
async def test_more_than_the_limits_allow_is_too_large(kind: str, body: bytes, why: str) -> None:
    """413, and the sentence names the limit."""
    with pytest.raises(FormTooLarge, match=why):
        await form_of(kind, body)


@pytest.mark.anyio
async def test_as_much_as_the_limits_allow_is_read() -> None:
    body = parts(
        ('name="a"', b"x" * 10), ('name="f"; filename="f"', b"y" * 20), ('name="b"', "é".encode() * 5)
    )
    assert await form_of(MULTIPART, body) == [("a", "x" * 10), ("f", b"y" * 20), ("b", "é" * 5)]
    assert await form_of(URLENCODED, b"a=1&b=%C3%A9") == [("a", "1"), ("b", "é")]
    assert await form_of("text/plain", b"a=1") == []


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("kind", "body"),
    [
        (MULTIPART, parts(('name="a"', b"\xff\xfe"))),
        (MULTIPART, parts(('name="a\udcff"', b"1"))),
        (MULTIPART, parts(('name="a"; filename="\udcff"', b"1"))),
        (URLENCODED, b"a=%FF"),
        (URLENCODED, b"%C3=1"),
        (URLENCODED, b"a=\xff"),
    ],
    ids=["a field", "a name", "a file name", "an escaped value", "an escaped name", "a value"],
)
async def test_what_is_no_utf8_is_refused_not_guessed(kind: str, body: bytes) -> None:
    """Starlette would read it as Latin-1, or put a replacement character."""
    with pytest.raises(BadRequest, match="not UTF-8"):
        await form_of(kind, body)


@pytest.mark.anyio
async def test_text_that_is_not_escaped_is_utf8_too() -> None:
    assert await form_of(URLENCODED, "n=é".encode()) == [("n", "é")]


@pytest.mark.anyio
@pytest.mark.parametrize("charset", ["punycode", "idna", "utf-7", "utf-16", "zip", "latin-1", "no-such"])
async def test_no_caller_chooses_the_codec(charset: str) -> None:
    """Punycode needs a minute for a hundred kilobytes: such a form is refused before a byte is decoded."""
    bomb = parts(('name="a"', b"x-" + b"a" * 1_000_000))
    with pytest.raises(BadRequest, match="another charset"):
        await form_of(f"{MULTIPART}; charset={charset}", bomb, FormLimits(max_field=2**21))
    for fine in ("utf-8", "UTF-8", '"utf-8"'):
        assert await form_of(f"{MULTIPART}; charset={fine}", parts(('name="a"', b"1"))) == [("a", "1")]


@pytest.mark.anyio
async def test_a_form_that_was_cut_is_refused_not_read_in_part() -> None:
    """Its last fields would be missing, and a handler that has defaults for them would never know."""
    whole = parts(('name="a"', b"1"), ('name="b"; filename="f"', b"2"))
    for kept in range(len(whole) - len("--\r\n")):
        if kept > len("--edge\r\n"):
            with pytest.raises(BadRequest, match="ends before its last boundary"):
                await form_of(MULTIPART, whole[:kept])
    assert len(await form_of(MULTIPART, whole[:-2])) == 2
    assert await form_of(MULTIPART, b"") == []
