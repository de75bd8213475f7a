"""Errors in dev mode: a page for browsers that shows the function's own frame, a longer problem for others.

Used in dev only; under ``serve`` nothing of this ever reaches a caller.
"""

from __future__ import annotations

import html
import traceback
from collections.abc import Callable, MutableMapping
from typing import TYPE_CHECKING, Any

from bff.errors import BffError, FunctionNotLoaded, problem
from bff.gateway.sender import fields_of
from bff.sdk.invocation import Invocation
from bff.sdk.reply import Answer

if TYPE_CHECKING:
    from bff.gateway.sender import Sender

_STYLE = """
:root{color-scheme:light dark;font:16px/1.5 system-ui,sans-serif}
body{max-width:60rem;margin:3rem auto;padding:0 1.5rem}
h1{font-size:1.4rem;margin:0 0 .25rem}p{margin:.25rem 0 1rem}.fault{opacity:.7}
pre{font:14px/1.5 ui-monospace,monospace;padding:1rem;overflow:auto;border:1px solid #8884;border-radius:.5rem}
mark{display:block;background:#e5484d33;color:inherit}
"""


class DevPage:
    """Explains failures to the developer who caused them. Immutable."""

    def __init__(self, *, source: Callable[[str], str | None]) -> None:
        """``source`` is the text of a file of the user's, None for others'."""
        self._source = source

    async def answer(
        self, error: BffError, scope: MutableMapping[str, Any], invocation: Invocation, sender: Sender
    ) -> None:
        """Send the error in the form the caller reads."""
        if not _wants_html(scope):
            await self._as_problem(error, invocation, sender)
            return
        invocation.missing = None  # an error is no page that lacks a part
        body = self.page(error, invocation).encode("utf-8", "replace")
        fields = [(b"content-type", b"text/html; charset=utf-8"), (b"cache-control", b"no-store")]
        fields.append((b"content-security-policy", b"default-src 'none'; style-src 'unsafe-inline'"))
        await sender.whole(Answer(max(400, error.status), fields + fields_of(error), body), is_page=False)

    async def _as_problem(self, error: BffError, invocation: Invocation, sender: Sender) -> None:
        document = problem(error, instance=f"urn:request:{invocation.request_id}")
        document["debug"] = self.explanation(error).splitlines()
        await sender.problem_document(document, error)

    def explanation(self, error: BffError) -> str:
        """Cause and place in plain text, from the innermost frame of the user's own code."""
        if isinstance(error, FunctionNotLoaded):
            return error.report()
        cause = error.__cause__
        if cause is None:
            return str(error)
        where = "".join(
            f'  File "{frame.filename}", line {frame.lineno}, in {frame.name}\n    {frame.line}\n'
            for frame in self._frames(cause)
        )
        return f"{where}{type(cause).__name__}: {cause}"

    def _frames(self, cause: BaseException) -> list[traceback.FrameSummary]:
        frames = traceback.extract_tb(cause.__traceback__)
        return [frame for frame in frames if self._source(frame.filename) is not None] or list(frames)[-1:]

    def page(self, error: BffError, invocation: Invocation) -> str:
        """The HTML page."""
        excerpt = ""
        if error.__cause__ is not None and not isinstance(error, FunctionNotLoaded):
            excerpt = self._excerpt(error.__cause__)
        return (
            f"<!doctype html><html lang=en><meta charset=utf-8><title>{error.status} {html.escape(error.title)}</title>"
            f"<style>{_STYLE}</style><h1>{error.status} {html.escape(error.title)}</h1>"
            f"<p>{html.escape(str(error))}</p>"
            f"<p class=fault>fault: {error.fault} · function: {html.escape(invocation.function or '–')} · "
            f"revision: {html.escape(invocation.revision or '–')} · request: {html.escape(invocation.request_id)}</p>"
            f"<pre>{html.escape(self.explanation(error))}</pre>{excerpt}</html>"
        )

    def _excerpt(self, cause: BaseException) -> str:
        frames = self._frames(cause)
        source = self._source(frames[-1].filename) if frames else None
        if source is None or frames[-1].lineno is None:
            return ""
        at, lines = frames[-1].lineno, source.splitlines()
        first = max(1, at - 4)
        shown = [
            f"<mark>{number:4} {html.escape(text)}</mark>"
            if number == at
            else f"{number:4} {html.escape(text)}\n"
            for number, text in enumerate(lines[first - 1 : at + 4], start=first)
        ]
        return f"<h2>{html.escape(frames[-1].filename)}</h2><pre>{''.join(shown)}</pre>"


def _wants_html(scope: MutableMapping[str, Any]) -> bool:
    for name, value in scope["headers"]:
        if name == b"accept":
            return b"text/html" in value
    return False
