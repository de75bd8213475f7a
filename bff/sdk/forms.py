"""Forms, read within limits and as UTF-8.

The parser is Starlette's. It takes any of Python's codecs from a caller's ``charset``, of which one needs a minute
for a hundred kilobytes (punycode), and reads what is no text as Latin-1; here a form is UTF-8 (RFC 7578 §5.1.2) or
refused.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any
from urllib.parse import unquote_plus

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import parse_options_header
from starlette.datastructures import FormData, Headers
from starlette.formparsers import FormParser, MultiPartException, MultiPartParser

from bff.errors import BadRequest, FormTooLarge
from bff.sdk.formlimits import FormLimits

Body = AsyncGenerator[bytes, None]
_UTF_8 = (b"", b"utf-8", b"utf8", b"us-ascii")
_IS_LIMIT = ("Too many ", "Part exceeded ", "Field exceeded ")
"""How Starlette's sentences about limits begin; the others tell of what is no form."""


class _Parts(MultiPartParser):
    """Starlette's parser, with a limit for files and with text that is UTF-8."""

    def __init__(self, headers: Headers, body: Body, limits: FormLimits) -> None:
        super().__init__(
            headers,
            body,
            max_files=limits.max_files,
            max_fields=limits.max_fields,
            max_part_size=limits.max_field,
        )
        self._max_file = limits.max_file
        self._size = 0  # of the file that is being read
        self._is_open = False  # whether a part has begun, and the last boundary has not come

    def on_part_begin(self) -> None:
        super().on_part_begin()
        self._size, self._is_open = 0, True

    def on_part_data(self, data: bytes, start: int, end: int) -> None:
        part = self._current_part
        if part.file is not None and self._max_file is not None:
            self._size += end - start
            if self._size > self._max_file:
                raise FormTooLarge(f"A file is larger than {self._max_file} bytes.")
        super().on_part_data(data, start, end)

    def on_headers_finished(self) -> None:
        (self._current_part.content_disposition or b"").decode()  # names too would be read as Latin-1
        super().on_headers_finished()

    def on_end(self) -> None:
        self._is_open = False

    async def parse(self) -> FormData:
        form = await super().parse()
        if self._is_open:
            for file in self._files_to_close_on_error:  # the last one of them is not in the form yet
                file.close()
            raise MultiPartException("It ends before its last boundary")
        return form

    def on_part_end(self) -> None:
        if self._current_part.file is None:
            self._current_part.data.decode()  # Starlette would read it as Latin-1
        super().on_part_end()


class _Fields(FormParser):
    """Starlette's parser of url-encoded forms, with text that is UTF-8."""

    def on_field_end(self) -> None:
        super().on_field_end()
        name, value = (
            unquote_plus(octets.decode(), errors="strict") for octets in (self._field_name, self._field_value)
        )
        self._items[-1] = (name, value)  # Starlette reads it as Latin-1, and puts U+FFFD for what is no text


async def read_form(headers: Headers, body: Body, limits: FormLimits) -> FormData:
    """The fields and files of a form; empty where the body is of another kind.

    Raises:
        BadRequest: it is no form, or its text is not UTF-8.
        FormTooLarge: it has more or larger parts than ``limits`` allow.

    """
    kind, options = parse_options_header(headers.get("content-type"))
    if kind not in (b"multipart/form-data", b"application/x-www-form-urlencoded"):
        return FormData()
    if options.get(b"charset", b"").strip().lower() not in _UTF_8:
        raise BadRequest("The form is not UTF-8: it says another charset.")
    try:
        async with aclosing(body) as pieces:
            form: FormData = await _parser(kind, headers, pieces, limits).parse()
            return form
    except MultiPartException as error:
        why = error.message.rstrip(".")
        if why.startswith(_IS_LIMIT):
            raise FormTooLarge(f"{why}.") from None
        raise BadRequest(f"The form cannot be read: {why}.") from None
    except FormParserError:
        raise BadRequest("The form cannot be read: it is not url-encoded.") from None
    except UnicodeDecodeError:
        raise BadRequest("The form is not UTF-8.") from None


def _parser(kind: bytes, headers: Headers, body: Body, limits: FormLimits) -> Any:
    if kind == b"multipart/form-data":
        return _Parts(headers, body, limits)
    return _Fields(headers, body, max_fields=limits.max_fields, max_part_size=limits.max_field)
