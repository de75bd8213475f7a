"""A running gateway, asked over its admin listener."""

from __future__ import annotations

import ipaddress
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import httpx

WITHIN = 2.0
"""Seconds for a connection, and for what needs no store: on loopback either it comes at once or nobody is there."""
READS_WITHIN = 15.0
"""Seconds for an answer: a gateway waits 10 for its store before it says that there is none."""
WRITES_WITHIN = 120.0
"""Seconds for a change: a revision is loaded and warmed before it gets a call."""
SILENT_FOR = 45.0
"""Seconds without a word of somebody who tells how things go; the listener says something every 15."""


class NoGateway(Exception):
    """Nobody answers at the address, or somebody else does; the sentence says which."""


class BrokeOff(NoGateway):
    """Somebody was there, and then nothing came any more: what was asked may have been done all the same."""


class Refused(Exception):
    """The gateway says no: ``status`` is HTTP's, ``problem`` the RFC 9457 document, if it was one."""

    def __init__(self, status: int, problem: Mapping[str, Any]) -> None:
        self.status, self.problem = status, problem
        super().__init__(str(problem.get("detail") or f"the gateway answers {status}"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What came back: a JSON value, and the version of what it shows, as its ETag."""

    status: int
    value: Any
    etag: str


class AdminClient:
    """``with AdminClient(url) as gateway:``; a URL may leave its scheme out, as ``--admin`` of ``bff serve`` does.

    ``token`` goes with every request, if there is one.
    """

    def __init__(self, url: str, *, token: str | None = None) -> None:
        import httpx

        self.url = url if "://" in url else f"http://{url}"
        headers = {"authorization": f"Bearer {token}"} if token else {}
        try:
            # No proxy of the environment: what they are for is the way out of here.
            times = httpx.Timeout(READS_WITHIN, connect=WITHIN)
            self._client = httpx.Client(base_url=self.url, timeout=times, trust_env=False, headers=headers)
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
        try:
            told = self.ask("GET", "/v1/functions", within=WITHIN).value
        except Refused as no:
            raise NoGateway(f"{self.url} answers {no.status} to /v1/functions") from None
        if not isinstance(told, list) or not all(isinstance(each, dict) and "name" in each for each in told):
            raise NoGateway(f"what answers at {self.url} is no gateway's admin listener")
        return told

    def get(self, path: str, **query: Any) -> Answer:
        """What is at a path.

        Raises:
            NoGateway: nobody answers, or not as a gateway does.
            BrokeOff: nothing came any more.
            Refused: it says no.

        """
        return self.ask(
            "GET", path, params={name: value for name, value in query.items() if value is not None}
        )

    def write(self, method: str, path: str, **options: Any) -> Answer:
        """Change something; ``options`` are httpx's. Raises as :meth:`get` does."""
        return self.ask(method, path, within=WRITES_WITHIN, **options)

    def ask(self, method: str, path: str, *, within: float = READS_WITHIN, **options: Any) -> Answer:
        """One request and its answer, in so many seconds. Raises as :meth:`get` does."""
        import httpx

        times = httpx.Timeout(within, connect=WITHIN)
        with self._translated(within):
            response = self._client.request(method, path, timeout=times, **options)
            value = response.json() if response.content else None
        self._refuse(response, value)
        return Answer(status=response.status_code, value=value, etag=response.headers.get("etag", ""))

    def events(self, path: str) -> Iterator[tuple[str, Any]]:
        """The events of a stream as they come, each with its kind. Raises as :meth:`get` does."""
        headers = {"accept": "text/event-stream"}
        with (
            self._translated(SILENT_FOR),
            self._client.stream("GET", path, headers=headers, timeout=SILENT_FOR) as response,
        ):
            if response.status_code >= 400:
                self._refuse(response, json.loads(response.read()))
            kind = ""
            for line in response.iter_lines():
                name, _, text = line.partition(": ")
                if name == "event":
                    kind = text
                elif name == "data":
                    yield kind, json.loads(text)

    def _refuse(self, response: httpx.Response, value: Any) -> None:
        is_problem = response.headers.get("content-type", "").startswith("application/problem+json")
        if is_problem and isinstance(value, dict):
            raise Refused(response.status_code, value)
        if response.status_code >= 400:
            raise NoGateway(f"{self.url} answers {response.status_code} to {response.request.url.path}")

    @contextmanager
    def _translated(self, within: float) -> Iterator[None]:
        import httpx

        try:
            yield
        except httpx.ConnectTimeout:
            raise NoGateway(f"no gateway answers at {self.url} within {WITHIN:g} s") from None
        except httpx.TimeoutException:
            raise BrokeOff(f"nothing came from {self.url} within {within:g} s") from None
        except (httpx.ReadError, httpx.WriteError, httpx.RemoteProtocolError):
            raise BrokeOff(f"{self.url} broke off before it had answered") from None
        except (httpx.HTTPError, httpx.InvalidURL):
            raise NoGateway(f"no gateway answers at {self.url}") from None
        except ValueError:
            raise NoGateway(f"what answers at {self.url} is no gateway's admin listener") from None


def is_this_machine(url: str) -> bool:
    """Whether an admin listener's URL leads nowhere else: only there the token of the state folder is sent."""
    import httpx

    try:
        host = httpx.URL(url if "://" in url else f"http://{url}").host
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except (httpx.InvalidURL, ValueError):
        return False
