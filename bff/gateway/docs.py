"""The gateway's own papers for front-end teams: /openapi.json, and /docs, where every route can be tried.

The page is Swagger UI from our own files: no request leaves the gateway's origin, and nothing is inlined.
"""

from __future__ import annotations

import html
from collections.abc import Awaitable, Callable, Mapping
from functools import cache

from bff import vendor
from bff.errors import NotFound
from bff.gateway.target import OwnHandler
from bff.sdk.reply import JSON, Answer, HeaderPairs

_NO_CACHE = (b"cache-control", b"no-cache")
_NOSNIFF = (b"x-content-type-options", b"nosniff")
# Swagger UI has its pictures in data: URLs, and sets styles by script, which needs no style-src of its own.
_POLICY = (
    b"content-security-policy",
    b"default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self';"
    b" base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
)
_FILES = {
    "swagger-ui.css": b"text/css; charset=utf-8",
    "swagger-ui-bundle.js": b"text/javascript; charset=utf-8",
    "favicon-32x32.png": b"image/png",
}
_START = b"""window.ui = SwaggerUIBundle({
  url: "/openapi.json", dom_id: "#swagger-ui", deepLinking: true, tryItOutEnabled: true, validatorUrl: null,
});
"""
_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<link rel="icon" href="/docs/favicon-32x32.png">
<link rel="stylesheet" href="/docs/swagger-ui.css">
</head>
<body>
<main id="swagger-ui"></main>
<script src="/docs/swagger-ui-bundle.js"></script>
<script src="/docs/start.js"></script>
</body>
</html>
"""


def handlers(openapi: Callable[[], Awaitable[bytes]], title: Callable[[], str]) -> dict[str, OwnHandler]:
    """The handlers by path; a route of the user's that wants one of the paths keeps it."""

    async def document(_: Mapping[str, str]) -> Answer:
        return Answer(200, [JSON, _NO_CACHE, _NOSNIFF], await openapi())

    async def page(_: Mapping[str, str]) -> Answer:
        body = _PAGE.format(title=html.escape(title())).encode()
        fields: HeaderPairs = [(b"content-type", b"text/html; charset=utf-8"), _NO_CACHE, _POLICY, _NOSNIFF]
        return Answer(200, fields, body)

    async def file(params: Mapping[str, str]) -> Answer:
        kind, body = _file(params["file"])
        return Answer(200, [(b"content-type", kind), _NO_CACHE, _NOSNIFF], body)

    return {"/openapi.json": document, "/docs": page, "/docs/{file}": file}


@cache
def _file(name: str) -> tuple[bytes, bytes]:
    if name == "start.js":
        return b"text/javascript; charset=utf-8", _START
    kind = _FILES.get(name)
    if kind is None:
        raise NotFound("The docs page has no such file.")
    return kind, vendor.content("swagger-ui", name)
