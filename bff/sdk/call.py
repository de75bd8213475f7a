"""A service call that has not happened yet.

``ctx.services.users.get("/users/7")`` gives a :class:`Call`: lazy, single-use, and free if nobody starts
it. Awaiting it sends the request and yields what the call was asked for: the response, or a value of the
type given as ``into=``. How requests are sent is the sender's business.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypedDict, TypeVar

from bff.sdk.begun import Begins, Begun, wait_for
from bff.sdk.failures import ServiceAnswered, ServiceBodyInvalid

if TYPE_CHECKING:
    import httpx
    from pydantic import TypeAdapter

    from bff.sdk.invocation import Invocation

T = TypeVar("T")


class SendOptions(TypedDict, total=False):
    """What a call may carry, as in httpx. ``timeout`` is in seconds and can only shorten the service's;
    ``idempotent`` says that it may reach the service twice, whatever routes.yaml says; ``stale`` that nobody shall be
    asked: only what the cache has is wanted, until so many seconds after its freshness ended.
    """

    params: Any
    headers: Mapping[str, str]
    json: Any
    content: str | bytes
    data: Mapping[str, Any]
    files: Any
    timeout: float
    idempotent: bool
    stale: float


class Sender(Protocol):
    """Sends requests to one service on behalf of an invocation."""

    name: str

    @property
    def fast_path(self) -> Begins | None:
        """Begins the simplest of them at once; None where nothing does."""

    async def send(
        self, invocation: Invocation, method: str, path: str, options: SendOptions
    ) -> httpx.Response:
        """The whole answer, whatever its status.

        Raises:
            ServiceError: no answer came, or not in time, or it broke off.

        """

    def relays_credentials(self, invocation: Invocation) -> bool:
        """Whether the caller's own credential travels with this invocation's calls."""


class Adapters:
    """Validators by type, made once. They belong to an instance, so that eviction frees its models."""

    __slots__ = ("_by_type",)

    def __init__(self) -> None:
        # Mutable: grows by one per type that the function's code names, then only read.
        self._by_type: dict[Any, TypeAdapter[Any]] = {}

    def of(self, kind: Any) -> TypeAdapter[Any]:
        """The validator of a type, from the shelf or made now."""
        adapter = self._by_type.get(kind)
        if adapter is None:
            from pydantic import TypeAdapter

            adapter = self._by_type[kind] = TypeAdapter(kind)
        return adapter


EVER = 2.0**31
"""Seconds: as long as HTTP counts (RFC 9111 §1.2.2)."""

_PARAMS = frozenset({"params"})
NOTHING: Mapping[int, Any] = {}
"""``errors=`` of a call that gives no status a meaning of its own."""


class Call(Generic[T]):
    """One request to a service: ``await`` it, or hand it to ``gather``, ``optional`` or ``fallback``.

    Mutable state: ``_started``.
    """

    __slots__ = (
        "_adapters",
        "_check",
        "_errors",
        "_into",
        "_invocation",
        "_method",
        "_options",
        "_path",
        "_sender",
        "_started",
    )

    def __init__(
        self,
        sender: Sender,
        invocation: Invocation,
        adapters: Adapters,
        method: str,
        path: str,
        options: SendOptions,
        *,
        into: Any = None,
        check: bool = True,
        errors: Mapping[int, Any] = NOTHING,
    ) -> None:
        self._sender = sender
        self._invocation = invocation
        self._adapters = adapters
        self._method = method
        self._path = path
        self._options = options
        self._into = into
        self._check = check
        self._errors = errors
        self._started = False

    @property
    def service(self) -> str:
        """The service that will be called."""
        return self._sender.name

    @property
    def invocation(self) -> Invocation:
        """The invocation it belongs to."""
        return self._invocation

    def __await__(self) -> Generator[Any, None, T]:
        begun = self.begin()
        return self.run().__await__() if begun is None else wait_for(begun)

    @property
    def reads(self) -> bool:
        """Whether the body is validated, by code that may be the function's."""
        return self._into is not None

    @property
    def is_given(self) -> bool:
        """Whether a good answer is what the call gives, as it is."""
        return self._into is None and not self._errors

    def begin(self) -> Begun | None:
        """Send it at once, if that needs no coroutine; else None, and it has not been started."""
        fast_path, options = self._sender.fast_path, self._options
        if fast_path is None or self._started or (options and options.keys() != _PARAMS):
            return None
        begun = fast_path.begin(self, self._invocation, self._method, self._path, options)
        self._started = begun is not None
        return begun

    def stale(self, within: float = EVER) -> Call[T]:
        """Another call, for what the cache has of this one: nobody is asked, so it costs no time.

            news = ctx.services.notices.get("/notices", into=list[str])
            notices = await fallback(news, news.stale(within=3600), [])

        ``within`` is seconds after the freshness of what is kept has ended. Where nothing is kept, not as young as
        that, or the service says ``must-revalidate``, it fails as a call of a service does.
        """
        options: SendOptions = {**self._options, "stale": within}
        return Call(
            self._sender,
            self._invocation,
            self._adapters,
            self._method,
            self._path,
            options=options,
            into=self._into,
            check=self._check,
            errors=self._errors,
        )

    async def run(self) -> T:
        """Send it, check it, and give what was asked for.

        Raises:
            RuntimeError: it was started before; a call is single-use.
            ServiceError: it failed; see :class:`bff.sdk.failures.ServiceAnswered` for what each becomes.

        """
        if self._started:
            raise RuntimeError(f"{self!r} was started before: a service call is single-use; make a new one.")
        self._started = True
        return self.taken(await self._sender.send(self._invocation, self._method, self._path, self._options))

    def taken(self, response: httpx.Response) -> T:
        """What was asked for, from the answer.

        Raises:
            ServiceError: it is not.

        """
        status = response.status_code
        if status in self._errors:
            meant: T = self._override(self._errors[status])
            return meant
        if self._check and not 200 <= status < 300:
            raise ServiceAnswered(
                self.service,
                status,
                relayed=self._sender.relays_credentials(self._invocation),
                retry_after=response.headers.get("retry-after", ""),
            )
        given: Any = response if self._into is None else self._read(response)
        asked: T = given
        return asked

    @staticmethod
    def _override(value: Any) -> Any:
        """What ``errors=`` says: an exception is raised, anything else is the call's value."""
        if isinstance(value, BaseException):
            raise value.with_traceback(
                None
            )  # one made at import is raised often: its traceback must not grow
        if isinstance(value, type) and issubclass(value, BaseException):
            raise value
        return value

    def _read(self, response: httpx.Response) -> Any:
        from pydantic import ValidationError

        from bff.sdk import misfit as misfit_of

        try:
            value = self._adapters.of(self._into).validate_json(response.content)
        except ValidationError as misfit:
            if misfit_of.is_no_json(misfit):
                what = "is not JSON" if response.content else "is empty"
            else:
                what = f"does not fit: {misfit_of.first_of(misfit)}"
            raise ServiceBodyInvalid(self.service, what) from None
        if _has_no_number(response.content):
            raise ServiceBodyInvalid(self.service, "is not JSON: it holds NaN or Infinity") from None
        return value

    def __repr__(self) -> str:
        state = "started" if self._started else "not started"
        return f"<Call {self._method} {self._path} to {self.service}, {state}>"


def _has_no_number(body: bytes) -> bool:
    """Whether JSON that pydantic has read holds NaN or Infinity where a number belongs, which RFC 8259 §6 forbids.

    pydantic's validation cannot be told to refuse them. The words are looked for first, which costs a sixth
    of reading 1 KB; a second parse would cost half, and is left to bodies that have them, perhaps in a text.
    """
    if b"NaN" not in body and b"Infinity" not in body:
        return False
    from pydantic_core import from_json

    try:
        from_json(body, allow_inf_nan=False)
    except ValueError:
        return True
    return False
