"""A call's path stays below its service's URL, whatever text a function puts into it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bff.clock import SystemClock
from bff.config import ServiceConfig
from bff.errors import Fault
from bff.sdk.failures import BadServicePath, ServiceError
from bff.sdk.service import Service
from bff.services.client import ServiceClient
from bff.services.transport import Transports

pytestmark = pytest.mark.anyio

MakeUpstream = Callable[..., Awaitable[Any]]
MakeService = Callable[..., Service]


@pytest.mark.parametrize(
    "path",
    [
        "",
        "users",
        "//evil.example/",
        "///",
        "http://evil.example/",
        "@evil.example/",
        "/..",
        "/.",
        "/../admin",
        "/a/../../admin",
        "/a/./b",
        "/a/%2e%2e/b",
        "/a/%2E./b",
        "/a/.%2e",
        "/a/..%2fadmin",
        "/a%2f..%2fadmin",
        "/a%2F%2E%2E%2Fadmin",
        "/a/..;/admin",
        "/a/..;x=1/admin",
        "/a\\..\\admin",
        "/\\evil.example",
        "/a%5c..%5cadmin",
        "/a#fragment",
        "/a?x=1#fragment",
        "/a\r\nHost: evil",
        "/a\x00",
        "/a\x7f",
        "/a\tb",
        "/\ud800",
        "/" + "x" * 70_000,
    ],
)
async def test_a_path_that_leads_elsewhere_is_refused(
    upstream: MakeUpstream, service: MakeService, path: str
) -> None:
    """Nothing is sent; it is the function's mistake, which ``optional`` does not hide, and no echo of it."""
    good = await upstream()
    with pytest.raises(BadServicePath) as refusal:
        await service(f"{good.url}/v1").get(path)
    assert (good.accepted, refusal.value.status, refusal.value.fault) == (0, 500, Fault.FUNCTION)
    assert not isinstance(refusal.value, ServiceError)
    assert "evil" not in str(refusal.value)


@pytest.mark.parametrize(
    ("path", "target"),
    [
        ("/", "/v1/"),
        ("/users/7", "/v1/users/7"),
        ("/users/7?a=1&b=/../x", "/v1/users/7?a=1&b=/../x"),
        ("/a b/ü", "/v1/a%20b/%C3%BC"),
        ("/a%2Fb", "/v1/a%2Fb"),
        ("/a%20b", "/v1/a%20b"),
        ("/...", "/v1/..."),
        ("/.hidden/..b/c..", "/v1/.hidden/..b/c.."),
        ("/a;v=1/b", "/v1/a;v=1/b"),
        ("/a//b", "/v1/a//b"),
        ("/100%", "/v1/100%25"),
        ("/x:80/@me", "/v1/x:80/@me"),
        ("/[1]", "/v1/[1]"),
    ],
)
async def test_any_other_path_is_appended_to_the_services_url(
    upstream: MakeUpstream, service: MakeService, path: str, target: str
) -> None:
    """Encoded where it must be, and not encoded twice."""
    good = await upstream()
    for url in (f"{good.url}/v1", f"{good.url}/v1/"):
        await service(url).get(path)
    assert [request.target for request in good.requests] in (
        [target] * 2,
        [target.replace("%25", "%")] * 2,
        [target.replace("[", "%5B").replace("]", "%5D")] * 2,
    )


@given(st.text(max_size=12), st.text(alphabet="./\\%2eE5cCfF;?#ab", max_size=14))
def test_no_text_leaves_the_services_url(anything: str, likely: str) -> None:
    """Whatever is put into a path: what would be sent begins with the service's prefix and climbs nowhere."""
    import httpx

    client = ServiceClient(
        "users",
        ServiceConfig(url="http://users.internal/v1"),
        clock=SystemClock(),
        make_transport=Transports().make,
    )
    for text in (anything, likely):
        path = f"/users/{text}/orders"
        try:
            client._check_path(path)
            url = httpx.URL("http://users.internal/v1" + path)
        except (BadServicePath, httpx.InvalidURL):
            continue
        assert (url.host, url.port, url.fragment) == ("users.internal", None, "")
        sent = url.raw_path.decode().partition("?")[0]
        assert sent.startswith("/v1/users/")
        assert not {".", ".."} & {
            part.partition(";")[0] for part in unquote(sent).replace("\\", "/").split("/")
        }
