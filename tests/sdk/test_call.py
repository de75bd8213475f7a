"""A service call: lazy, single-use, checked, and read straight into a type."""

from __future__ import annotations

import asyncio
import gc
import itertools
import warnings
from collections.abc import Callable
from datetime import date
from http import HTTPStatus
from typing import Any, Literal

import httpx
import pytest
from pydantic import BaseModel, Field, field_validator

from bff.errors import Fault
from bff.sdk.call import Adapters, Call, SendOptions
from bff.sdk.failures import (
    Problem,
    ServiceAnswered,
    ServiceBodyInvalid,
    ServiceError,
    UnknownService,
    outcome_of,
)
from bff.sdk.invocation import Invocation
from bff.sdk.service import Service, Services

pytestmark = pytest.mark.anyio

CALLERS = {404: 404, 410: 404, 409: 409, 412: 412, 429: 429}


class User(BaseModel):
    name: str
    age: int = Field(default=0, ge=0)


class Cat(BaseModel):
    kind: Literal["cat"]


class Dog(BaseModel):
    kind: Literal["dog"]


class Wary(BaseModel):
    born: date | None = None
    pin: str = ""
    pets: dict[str, User] = {}
    pet: Cat | Dog | None = Field(default=None, discriminator="kind")

    @field_validator("pin")
    @classmethod
    def _digits(cls, pin: str) -> str:
        if not pin.isdigit():
            raise ValueError(f"{pin} is no pin")
        return pin


class Scripted:
    """A sender that answers as told and remembers what it was asked."""

    def __init__(
        self, status: int = 200, body: bytes = b"{}", *, relays: bool = False, **headers: str
    ) -> None:
        self.name = "users"
        self.fast_path = None
        self.asked: list[tuple[str, str, SendOptions]] = []
        self._relays = relays
        self._answer = lambda: httpx.Response(
            status,
            content=body,
            headers=[(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()],
        )

    async def send(
        self, invocation: Invocation, method: str, path: str, options: SendOptions
    ) -> httpx.Response:
        self.asked.append((method, path, options))
        await asyncio.sleep(0)
        return self._answer()

    def relays_credentials(self, invocation: Invocation) -> bool:
        return self._relays


@pytest.fixture
def users(invocation: Callable[..., Invocation]) -> Callable[[Scripted], Service]:
    """``users(sender)``: the service as ``ctx.services.users`` gives it."""
    return lambda sender: Service(sender, invocation(), Adapters())


Users = Callable[[Scripted], Service]


@pytest.mark.parametrize("verb", ["get", "post", "put", "patch", "delete", "head"])
async def test_each_verb_sends_its_method(users: Users, verb: str) -> None:
    """Path and options travel as they were given; ``request`` takes any method, in any case."""
    sender = Scripted()
    service = users(sender)
    await getattr(service, verb)("/users/7", params={"a": 1}, json=[1], timeout=0.5)
    await service.request("report", "/x")
    assert sender.asked == [
        (verb.upper(), "/users/7", {"params": {"a": 1}, "json": [1], "timeout": 0.5}),
        ("REPORT", "/x", {}),
    ]


async def test_an_option_that_does_not_exist_is_said_so(users: Users) -> None:
    """A typo in an option is never dropped in silence."""
    with pytest.raises(
        TypeError, match=r"no option parms, retries; it has content, data.*params, stale, timeout"
    ):
        users(Scripted()).get("/", parms={"a": 1}, retries=3)  # type: ignore[call-overload]


async def test_a_call_does_nothing_until_it_is_awaited(users: Users) -> None:
    """Making one sends nothing, and one that nobody awaits costs nothing: no request and no warning."""
    sender = Scripted()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        call = users(sender).get("/users/7")
        del call
        gc.collect()
        await asyncio.sleep(0)
    assert sender.asked == []


async def test_a_call_is_single_use(users: Users) -> None:
    """The second await raises instead of sending twice, also while the first is under way."""
    sender = Scripted()
    call = users(sender).get("/users/7")
    first = asyncio.ensure_future(call)
    await asyncio.sleep(0)
    with pytest.raises(RuntimeError, match="single-use"):
        await call
    assert (await first).status_code == 200
    with pytest.raises(RuntimeError, match="single-use"):
        await call
    assert len(sender.asked) == 1


async def test_a_calls_repr_says_where_it_goes(users: Users) -> None:
    """For the person awake at three."""
    call = users(Scripted()).get("/users/7")
    assert repr(call) == "<Call GET /users/7 to users, not started>"
    await call
    assert repr(call) == "<Call GET /users/7 to users, started>"


async def test_a_good_answer_is_the_response(users: Users) -> None:
    """Any 2xx comes back as an httpx.Response."""
    response = await users(Scripted(201, b'{"a":1}')).post("/users")
    assert (response.status_code, response.json()) == (201, {"a": 1})


async def test_into_reads_the_body_into_a_type(users: Users) -> None:
    """Models, lists and plain types; what the type does not name is dropped."""
    assert await users(Scripted(body=b'{"name":"Ann","x":1}')).get("/", into=User) == User(name="Ann")
    assert await users(Scripted(body=b'[{"name":"Ann"}]')).get("/", into=list[User]) == [User(name="Ann")]
    assert await users(Scripted(body=b'{"a":1}')).get("/", into=dict[str, int]) == {"a": 1}
    assert await users(Scripted(body=b'{"name":"NaN"}')).get("/", into=User) == User(name="NaN")


@pytest.mark.parametrize(
    ("into", "body", "sentence"),
    [
        (User, b'{"age":1}', "does not fit: at name, field required"),
        (User, b'{"name":"a","age":"s3cret"}', "at age, input should be a valid integer"),
        (User, b'{"name":"a","age":-5}', "at age, input should be greater than or equal to 0"),
        (list[User], b'[{"name":"a"},{"name":5}]', "at 1.name, input should be a valid string"),
        (User, b"[1]", "at the top, "),
        (Wary, b'{"pin":"s3cret"}', "at pin, it is refused (value_error)"),
        (Wary, b'{"born":"s3cret"}', "at born, it is refused (date_from_datetime_parsing)"),
        (Wary, b'{"pet":{"kind":"s3cret"}}', "at pet, it is refused (union_tag_invalid)"),
        (Wary, b'{"pets":{"s3cret@example.com":{}}}', "at pets.….name, field required"),
        (User, b"<html>s3cret</html>", "is not JSON"),
        (User, b'{"name": "s3cret', "is not JSON"),
        (User, b'{"name": "\xff"}', "is not JSON"),
        (User, b"[" * 100_000, "is not JSON"),
        (User, b"", "is empty"),
        (dict[str, float], b'{"price": NaN}', "is not JSON: it holds NaN or Infinity"),
        (list[Any], b"[-Infinity]", "is not JSON: it holds NaN or Infinity"),
        (User, b'{"name":"a","unread":Infinity}', "is not JSON: it holds NaN or Infinity"),
    ],
)
async def test_a_body_that_does_not_fit_is_the_services_fault(
    users: Users, into: Any, body: bytes, sentence: str
) -> None:
    """502, the service named and the place named, and never a piece of the body."""
    with pytest.raises(ServiceBodyInvalid) as failure:
        await users(Scripted(body=body)).get("/", into=into)
    assert sentence in str(failure.value)
    assert "Service users" in str(failure.value)
    assert "s3cret" not in repr(failure.value) + str(failure.value.extras())
    assert failure.value.__cause__ is None
    assert failure.value.__suppress_context__
    assert (failure.value.status, failure.value.fault, failure.value.retryable) == (502, Fault.SERVICE, False)
    assert len(str(failure.value)) < 500


@pytest.mark.parametrize("status", [301, 400, 404, 500])
async def test_check_false_hands_any_status_over(users: Users, status: int) -> None:
    """The author looks at it; nothing is raised."""
    response = await users(Scripted(status)).get("/", check=False)
    assert response.status_code == status


async def test_errors_give_a_status_another_meaning(users: Users) -> None:
    """``errors={404: None}`` makes 404 a value, with ``into`` too; other statuses still raise."""
    service = users(Scripted(404))
    assert await service.get("/", errors={404: None}) is None
    assert await service.get("/", into=User, errors={404: "nobody"}) == "nobody"
    assert await users(Scripted(body=b'{"name":"Ann"}')).get("/", into=User, errors={404: None}) == User(
        name="Ann"
    )
    with pytest.raises(ServiceAnswered):
        await users(Scripted(410)).get("/", errors={404: None})
    assert await users(Scripted(204)).get("/", into=User, errors={204: None}) is None


async def test_errors_may_be_exceptions(users: Users) -> None:
    """A class or an instance is raised; an instance kept by the module does not gather tracebacks."""
    service = users(Scripted(404))
    with pytest.raises(KeyError):
        await service.get("/", errors={404: KeyError})
    kept = Problem(404, "No such user.")
    depths = []
    for _ in range(3):
        with pytest.raises(Problem, match="No such user") as raised:
            await service.get("/", errors={404: kept})
        depths.append(len(list(raised.traceback)))
    assert depths[0] == depths[2]


def test_the_outcome_of_every_status() -> None:
    """The table of :class:`ServiceAnswered`, for every status, with and without the caller's credential."""
    for upstream, relayed in itertools.product(range(300, 600), [False, True]):
        if upstream in CALLERS:
            expected = (CALLERS[upstream], Fault.CALLER)
        elif upstream in (401, 403):
            expected = (upstream, Fault.CALLER) if relayed else (502, Fault.GATEWAY)
        elif upstream < 500:
            expected = (502, Fault.FUNCTION)
        else:
            expected = (503 if upstream == 503 else 502, Fault.SERVICE)
        assert outcome_of(upstream, relayed=relayed) == expected
        failure = ServiceAnswered("users", upstream, relayed=relayed, retry_after="7")
        assert (failure.status, failure.fault) == expected
        assert failure.upstream_status == upstream
        assert str(failure) == f"Service users answered {upstream}."
        assert failure.retryable == (upstream >= 500 or upstream == 429)
        carried = {"retry-after": "7"} if failure.status in (409, 412, 429, 503) else {}
        assert failure.headers() == carried
        assert failure.extras() == {"service": "users"}


@pytest.mark.parametrize("relays", [False, True])
async def test_a_call_knows_whether_the_callers_credential_went_along(users: Users, relays: bool) -> None:
    """401 is the caller's business only if it was the caller's credential that was refused."""
    with pytest.raises(ServiceAnswered) as failure:
        await users(Scripted(401, relays=relays)).get("/")
    assert failure.value.status == (401 if relays else 502)


@pytest.mark.parametrize(
    ("said", "carried"),
    [
        ("120", "120"),
        ("Wed, 21 Oct 2015 07:28:00 GMT", "Wed, 21 Oct 2015 07:28:00 GMT"),
        ("", None),
        ("soon", None),
        ("-1", None),
        ("1, 2", None),
        ("ü€", None),
        ("9" * 500, None),
    ],
)
async def test_retry_after_travels_only_if_it_is_one(users: Users, said: str, carried: str | None) -> None:
    """Seconds or a date (RFC 9110 §10.2.3); nothing else of a service's gets into our head."""
    with pytest.raises(ServiceAnswered) as failure:
        await users(Scripted(429, retry_after=said)).get("/")
    assert failure.value.headers().get("retry-after") == carried


def test_an_unknown_service_suggests_a_near_one(invocation: Callable[..., Invocation]) -> None:
    """``ctx.services.user`` asks for users; by attribute or by name; and never for what nobody would mean."""
    senders = {"users": Scripted(), "price-list": Scripted()}
    services: Services[Service] = Services(senders, invocation(), Adapters(), None)
    assert services.users.get("/").service == "users"
    assert services["price-list"].get("/").service == "users"
    assert list(services) == ["users", "price-list"]
    for reach, said in (
        (lambda: services.user, "did you mean users?"),
        (lambda: services["pricelist"], "did you mean price-list?"),
        (lambda: services.weather, "No service weather is declared in routes.yaml"),
    ):
        with pytest.raises(UnknownService) as failure:
            reach()
        assert said in str(failure.value)
        assert (failure.value.status, failure.value.fault) == (500, Fault.FUNCTION)
    assert not hasattr(services, "weather")
    assert not issubclass(UnknownService, ServiceError), "an optional part must not hide it"


@pytest.mark.parametrize("status", [400, 404, 418, 499, 500, 503, 520, 599])
def test_a_problem_has_any_error_status(status: int) -> None:
    """4xx is the caller's fault, 5xx the function's; a status without a registered phrase has one too."""
    problem = Problem(status, "Because.", shop="x")
    assert (problem.status, str(problem)) == (status, "Because.")
    assert problem.fault is (Fault.CALLER if status < 500 else Fault.FUNCTION)
    assert problem.extras() == {"shop": "x"}
    if status in {each.value for each in HTTPStatus}:
        assert str(Problem(status)) == HTTPStatus(status).phrase
    else:
        assert Problem(status).title


@pytest.mark.parametrize("status", [0, 200, 302, 399, 600])
def test_a_problem_is_an_error(status: int) -> None:
    """What is no error status is a bug, said at once."""
    with pytest.raises(ValueError, match="400 to 599"):
        Problem(status)


async def test_adapters_are_made_once_per_type() -> None:
    """One validator for each type that a function names."""
    shelf = Adapters()
    assert shelf.of(list[User]) is shelf.of(list[User])
    assert shelf.of(User) is not shelf.of(list[User])


async def test_calls_are_awaitables_for_asyncio_too(users: Users) -> None:
    """``asyncio.gather`` and ``wait_for`` take them."""
    service = users(Scripted())
    call: Call[Any] = service.get("/")
    assert (await asyncio.wait_for(call, 60)).status_code == 200
    both = await asyncio.gather(service.get("/a"), service.get("/b"))
    assert [each.status_code for each in both] == [200, 200]
