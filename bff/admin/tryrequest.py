"""A request that somebody wrote into a form: checked, as header fields, and as a command. Pure."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping

from bff.admin.exchange import Pairs
from bff.config.names import HOP_BY_HOP
from bff.errors import BadRequest
from bff.telemetry.redaction import is_secret

_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_TARGET = re.compile(r"/[\x21\x24-\x7e]*")
_OURS = HOP_BY_HOP | {"host", "content-length"}


def fields_of(method: str, host: str, headers: Mapping[str, str], body: bytes | None) -> Pairs:
    """The header fields of a request.

    Raises:
        BadRequest: it is none that could be sent.

    """
    if not _TOKEN.fullmatch(method):
        raise BadRequest("The method is no HTTP method.")
    fields = [(b"host", host.encode("latin-1")), *(field_of(*each) for each in headers.items())]
    if body is not None:
        fields.append((b"content-length", b"%d" % len(body)))
    return fields


def target_of(path: str) -> str:
    """The path, when it can stand in a request.

    Raises:
        BadRequest: it cannot.

    """
    if not _TARGET.fullmatch(path):
        raise BadRequest("The path begins with / and is percent-encoded: ASCII, without spaces, quotes or #.")
    return path


def field_of(name: str, value: str) -> tuple[bytes, bytes]:
    """A header field as a request has it.

    Raises:
        BadRequest: it is none, or one that is ours to set.

    """
    if not _TOKEN.fullmatch(name):
        raise BadRequest(f"{name[:80]!r} is no name of a header.")
    if name.lower() in _OURS:
        raise BadRequest(f"{name} is set by what sends the request.")
    try:
        content = value.strip(" \t").encode("latin-1")
    except UnicodeEncodeError:
        content = b"\0"
    if any((byte < 32 and byte != 9) or byte == 127 for byte in content):
        raise BadRequest(f"The value of {name} has characters that a header cannot have.")
    return name.lower().encode(), content


def curl(method: str, url: str, path: str, headers: Mapping[str, str], body: bytes) -> str:
    """The request as a command. Secrets are not in it, but the variables that hold them."""
    words = ["curl", "-sS", "-i"]
    words += ["--head"] if method == "HEAD" else [] if method == "GET" and not body else ["-X", method]
    quoted = [shlex.quote(word) for word in words]
    for name, value in headers.items():
        if is_secret(name):
            variable = re.sub(r"[^A-Z0-9]", "_", name.upper())
            quoted.append(f'-H "{name}: ${variable}"')
        else:
            quoted.append(f"-H {shlex.quote(f'{name}: {value}')}")
    if body:
        quoted.append(f"--data-binary {shlex.quote(body.decode('utf-8', 'replace'))}")
    quoted.append(shlex.quote(f"{url or 'http://127.0.0.1:8000'}{path}"))
    return " ".join(quoted)
