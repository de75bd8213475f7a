"""A running gateway, asked over its admin listener."""

from __future__ import annotations

from types import TracebackType
from typing import Any

WITHIN = 2.0
"""Seconds for an answer: on loopback either it comes at once or nobody is there."""


class NoGateway(Exception):
    """Nobody answers at the address, or somebody else does; the sentence says which."""


class AdminClient:
    """``with AdminClient(url) as gateway:``; a URL may leave its scheme out, as ``--admin`` of ``bff serve`` does."""

    def __init__(self, url: str) -> None:
        import httpx

        self.url = url if "://" in url else f"http://{url}"
        try:
            # No proxy of the environment: what they are for is the way out of here.
            self._client = httpx.Client(base_url=self.url, timeout=WITHIN, trust_env=False)
        except (httpx.InvalidURL, ValueError) as error:
            raise NoGateway(f"{url} is no address of an admin listener: {error}") from None

    def __enter__(self) -> AdminClient:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._client.close()

    def functions(self) -> list[dict[str, Any]]:
        """What ``GET /v1/functions`` tells, one object for each function.

        Raises:
            NoGateway: nobody answers, or not as a gateway does.

        """
        told = self._get("/v1/functions")
        if not isinstance(told, list) or not all(isinstance(each, dict) and "name" in each for each in told):
            raise NoGateway(f"what answers at {self.url} is no gateway's admin listener")
        return told

    def _get(self, path: str) -> Any:
        import httpx

        try:
            answer = self._client.get(path)
            if answer.status_code == httpx.codes.OK:
                return answer.json()
        except httpx.TimeoutException:
            raise NoGateway(f"nothing came from {self.url} within {WITHIN:g} s") from None
        except (httpx.HTTPError, httpx.InvalidURL):
            raise NoGateway(f"no gateway answers at {self.url}") from None
        except ValueError:
            raise NoGateway(f"what answers at {self.url} is no gateway's admin listener") from None
        raise NoGateway(f"{self.url} answers {answer.status_code} to {path}")
