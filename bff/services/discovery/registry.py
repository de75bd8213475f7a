"""JSON over HTTP, as the registries speak it. Failures become :class:`NotResolved`, told in one sentence.

Stock httpx: a registry is asked once in seconds, and its answers may be behind proxies, TLS and redirects.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bff.services import lean_httpx
from bff.services.resolver import NotResolved

MAX_BODY = 8 * 2**20
"""Bytes of an answer; ten thousand instances with their metadata are fewer."""


class Registry:
    """One registry's HTTP API. Mutable state: the connections of ``_client``, made with the first question."""

    def __init__(self, server: str, headers: Mapping[str, str] | None = None) -> None:
        self._server = server.rstrip("/")
        self._headers = dict(headers or {})
        self._client: Any = None

    async def ask(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, str] | None = None,
        form: Mapping[str, str] | None = None,
        json: Any = None,
        headers: Mapping[str, str] | None = None,
    ) -> tuple[Any, Mapping[str, str]]:
        """The parsed body (None where there is none) and the header fields of a 2xx answer.

        Raises:
            NotResolved: it gave none.

        """
        import httpx

        try:
            answer = await self._connected().request(
                method, self._server + path, params=params, data=form, json=json, headers=headers
            )
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise NotResolved(f"{self._server} could not be asked: {type(error).__name__}") from error
        if not answer.is_success:
            raise NotResolved(f"{self._server} answered {answer.status_code}")
        if len(answer.content) > MAX_BODY:
            raise NotResolved(f"{self._server} answered with more than {MAX_BODY} bytes")
        if not answer.content:
            return None, answer.headers
        try:
            return answer.json(), answer.headers
        except ValueError:
            raise NotResolved(f"{self._server} answered with something that is not JSON") from None

    def _connected(self) -> Any:
        if self._client is None:
            lean_httpx.load()
            import httpx

            is_tls = self._server.startswith("https:")
            self._client = httpx.AsyncClient(
                headers=self._headers,
                verify=httpx.create_ssl_context() if is_tls else False,
                trust_env=False,
                timeout=None,  # whoever asks has a clock of its own  # noqa: S113
            )
        return self._client

    async def aclose(self) -> None:
        """Close its connections."""
        if self._client is not None:
            await self._client.aclose()


def whole(value: Any, what: str) -> list[Mapping[str, Any]]:
    """The list of objects that an answer should be.

    Raises:
        NotResolved: it is something else; a list cut short must not look like a shorter list.

    """
    if isinstance(value, list) and all(isinstance(each, dict) for each in value):
        return value
    raise NotResolved(f"{what} is not the list it should be")
