"""A route: which requests reach which function, and what of the request travels on to services."""

from __future__ import annotations

from functools import cached_property
from typing import Annotated, Any

from pydantic import AfterValidator, ConfigDict, Field, model_validator

from bff.config.auth import Demand
from bff.config.cache import CacheSetting
from bff.config.compression import CompressionSetting
from bff.config.cors import CorsSetting
from bff.config.csrf import CsrfSetting
from bff.config.forms import FormsConfig
from bff.config.headerrules import AllowedName, HeaderRulesConfig
from bff.config.headers import SecurityHeadersSetting
from bff.config.limits import LimitNames
from bff.config.names import METHODS, is_token
from bff.config.pattern import Pattern
from bff.config.rewrite import Rewrite
from bff.config.section import Flag, NoDoubles, OneOrMany, Section, wrong
from bff.config.static import StaticConfig
from bff.config.units import Duration, Size


def _template(text: str) -> str:
    try:
        Pattern.parse(text)
    except ValueError as error:
        raise wrong("is not a usable path", hint=f": {error}") from None
    return text


def _method(text: str) -> str:
    if not is_token(text):
        raise wrong("is not an HTTP method; write GET, POST, PUT, PATCH or DELETE")
    return text.upper()


def _methods(methods: tuple[str, ...]) -> tuple[str, ...]:
    if not methods:
        raise wrong("lists no method, so nothing could reach the route; write [GET]")
    return methods


def _rewrite(text: str) -> str:
    try:
        Rewrite.parse(text)
    except ValueError as error:
        raise wrong("is not a usable path", hint=f": {error}") from None
    return text


def _cookie_name(name: str) -> str:
    if not is_token(name):
        raise wrong("is not the name of a cookie (RFC 6265 §4.1.1)")
    return name


Method = Annotated[str, AfterValidator(_method)]
CookieName = Annotated[str, AfterValidator(_cookie_name)]


class RouteConfig(Section):
    """One path and its methods, answered by one function or passed through to one service.

    Exactly one of ``function`` and ``service`` is set; the checks of the whole file see to that.
    """

    model_config = ConfigDict(
        json_schema_extra={"anyOf": [{"required": ["function"]}, {"required": ["service"]}]}
    )

    path: Annotated[str, AfterValidator(_template)] = Field(
        description="Template such as /api/home/{user_id} or /files/{rest:path}."
    )
    methods: Annotated[tuple[Method, ...], OneOrMany, NoDoubles, AfterValidator(_methods)] = Field(
        default=("GET",),
        description="Methods the route answers; GET brings HEAD along. A service's route answers all unless told.",
    )
    function: str = Field(default="", description="The function that answers: its file's name without .py.")
    service: str = Field(default="", description="The service that requests are passed through to, unread.")
    rewrite: Annotated[str, AfterValidator(_rewrite)] | None = Field(
        default=None,
        description="The path a service is asked for, such as /v2/{rest}; without it what {rest:path} matched.",
    )
    auth: Demand | None = Field(
        default=None,
        description="What the route asks of its callers, instead of defaults.auth; none: nothing.",
    )
    compression: CompressionSetting | None = Field(
        default=None, description="As in defaults, for this route; false: answers are sent as they are."
    )
    limits: LimitNames | None = Field(
        default=None, description="Rate limits by name, instead of defaults.limits; none: no limit."
    )
    cors: CorsSetting | None = Field(
        default=None,
        description="Which pages of other origins may call, instead of gateway.cors; none: no other.",
    )
    csrf: CsrfSetting | None = Field(
        default=None, description="As in defaults, for this route; none: nothing is looked at."
    )
    security_headers: SecurityHeadersSetting | None = Field(
        default=None, description="As in defaults, for this route; none: no such fields."
    )
    timeout: Duration | None = Field(
        default=None, description="Shortens the function's or the service's timeout on this route."
    )
    length_required: Flag = Field(
        default=False, description="Whether bodies must say their length; those in chunks are 411."
    )
    max_body: Size | None = Field(
        default=None, description="Largest request body, instead of gateway.max_body."
    )
    forms: FormsConfig | None = Field(
        default=None, description="How much a form may hold, instead of defaults.forms."
    )
    forward_headers: Annotated[tuple[AllowedName, ...], OneOrMany, NoDoubles] = Field(
        default=(), description="Request headers that travel on to services."
    )
    forward_cookies: Annotated[tuple[CookieName, ...], OneOrMany, NoDoubles] = Field(
        default=(), description="Cookies that travel on to services."
    )
    request_headers: HeaderRulesConfig | None = Field(
        default=None,
        description="What is changed in the headers of requests that go on to services; absent: nothing.",
    )
    response_headers: HeaderRulesConfig | None = Field(
        default=None, description="Which headers of a service's answer reach the caller; absent: no rules."
    )
    cache: CacheSetting = Field(default=None, description="Whether whole answers to GET are kept.")

    @model_validator(mode="after")
    def _says_it_once(self) -> RouteConfig:
        if self.function and self.request_headers is not None and self.request_headers.allow is not None:
            raise wrong("has request_headers.allow; a function's route names them under forward_headers")
        return self

    @model_validator(mode="before")
    @classmethod
    def _every_method(cls, data: Any) -> Any:
        is_open = isinstance(data, dict) and data.get("service") and "methods" not in data
        return {**data, "methods": METHODS} if is_open else data

    respond_async: Flag = Field(
        default=False,
        description="Whether `Prefer: respond-async` is heeded: 202 at once, the answer later (RFC 7240).",
    )
    errors: Flag = Field(
        default=False,
        description="Whether an incomplete JSON object tells in a member errors why parts are missing.",
    )

    static: StaticConfig | None = Field(
        default=None, description="Members that the route's JSON object has from here, and when."
    )

    @cached_property
    def pattern(self) -> Pattern:
        """The parsed path."""
        return Pattern.parse(self.path)
