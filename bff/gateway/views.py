"""What caches are told of a page: how long it may be kept, its entity tag, and that it has not changed.

Pure. A page is a whole answer of a function with status 200 to GET or HEAD, in JSON or HTML.
"""

from __future__ import annotations

from hashlib import sha256

from bff.sdk.invocation import Invocation
from bff.sdk.reply import Answer
from bff.services import validators
from bff.services.composed import Parts
from bff.services.fields import READING, Pairs, listed
from bff.services.varying import ANYTHING

PAYS_FROM = 256
"""Bytes from which a page that called no service gets an entity tag. The answer "not changed" is a head of some
300 bytes itself; what it saves beyond is the body, and the hash costs a hello more than that.
"""

_CREDENTIALS = frozenset({b"authorization", b"cookie"})


def is_worth_it(answer: Answer, invocation: Invocation) -> bool:
    """Whether there is anything to say. Asked for every answer, so the cheapest comes first."""
    if answer.status != 200 or (invocation.calls is None and len(answer.body) < PAYS_FROM):
        return False
    return invocation.method in READING and not invocation.missing


def is_identified(invocation: Invocation, asked: Pairs) -> bool:
    """Whether the request says who asks."""
    return invocation.caller.is_known or any(name in _CREDENTIALS for name, _ in asked)


def with_control(answer: Answer, parts: Parts, *, identified: bool) -> None:
    """Say of the page what its parts allow this caller, unless the function has spoken itself."""
    if any(name == b"cache-control" for name, _ in answer.headers):
        return
    said = parts.for_caller(identified=identified).written()
    if said is not None:
        answer.headers.append((b"cache-control", said))


def with_vary(answer: Answer, parts: Parts | None) -> None:
    """Name besides what the page names itself the fields of its request that its parts depend on."""
    if parts is None or not parts.vary:
        return
    said = listed(answer.headers, b"vary")
    missing = sorted(parts.vary.difference(said))
    if missing and ANYTHING not in said:
        answer.headers.append((b"vary", b", ".join(missing)))


def with_tag(answer: Answer) -> None:
    """Give the page a strong entity tag: the same bytes, the same tag, on every machine (RFC 9110 §8.8.3)."""
    is_view = False
    for name, value in answer.headers:
        if name == b"etag" or (name == b"cache-control" and b"no-store" in value):
            return
        if name == b"content-type":
            is_view = b"json" in value or value.startswith(b"text/html")
    if is_view:
        answer.headers.append((b"etag", b'"%b"' % sha256(answer.body).hexdigest()[:32].encode()))


def with_tag_if_kept(answer: Answer, invocation: Invocation) -> None:
    """The tag for a page that may be kept, whatever its size."""
    if answer.status == 200 and invocation.method in READING and not invocation.missing:
        with_tag(answer)


def unchanged(answer: Answer, asked: Pairs, wall: float) -> Answer:
    """The page, or 304 if the caller has it already."""
    for name, _ in asked:
        if name in (b"if-none-match", b"if-modified-since"):
            if validators.is_not_modified(asked, answer.headers, wall=wall):
                return Answer(304, validators.not_modified_fields(answer.headers))
            return answer
    return answer
