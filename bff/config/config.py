"""The whole of routes.yaml as one frozen value, with the questions the other rooms ask it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Final

from pydantic import AfterValidator, Field, PrivateAttr, model_validator

from bff.config.admin import AdminConfig
from bff.config.auth import DemandConfig, SchemeConfig, scheme_names
from bff.config.calls import CallsConfig
from bff.config.compression import CompressionConfig
from bff.config.cors import CorsConfig
from bff.config.csrf import CsrfConfig
from bff.config.forms import FormsConfig
from bff.config.function import Defaults, FunctionConfig
from bff.config.gateway import GatewayConfig, TelemetryConfig
from bff.config.headers import SecurityHeadersConfig
from bff.config.limits import LimitsConfig
from bff.config.openapi import OpenApiConfig
from bff.config.pipeline import PipelineConfig
from bff.config.registration import RegistrationConfig
from bff.config.route import RouteConfig
from bff.config.scale import ScaleConfig
from bff.config.schedule import Schedules
from bff.config.section import FROZEN, OrEmpty, OrNone, Section, no_entries
from bff.config.service import ServiceConfig
from bff.config.state import Place, RetentionConfig, StateUrl, place_of
from bff.config.traffic import Label, LaneConfig
from bff.config.trigger import EventsConfig, TriggerName, Triggers

_PLAIN: Final = FunctionConfig.plain()


class Config(Section):
    """What one routes.yaml says; never changes, so a reload makes a new one.

    ``path`` is the file it came from and ``functions_found`` what lay in the folder at that moment.
    """

    schema_: str | None = Field(
        default=None, alias="$schema", exclude=True, description="For editors; not read by the gateway."
    )
    folder: Path = Field(
        default=Path("functions"), description="Where the functions are, seen from routes.yaml."
    )
    gateway: Annotated[GatewayConfig, OrEmpty] = Field(
        default=GatewayConfig.plain(), description="Limits of the public listener, and CORS."
    )
    lanes: Annotated[LaneConfig, OrEmpty] = Field(
        default=LaneConfig.plain(), description="How a lane travels, and whose lanes are believed."
    )
    telemetry: Annotated[TelemetryConfig, OrEmpty] = Field(
        default=TelemetryConfig.plain(), description="Logs and metrics."
    )
    admin: Annotated[AdminConfig, OrEmpty] = Field(
        default_factory=AdminConfig.plain, description="Who may use the admin listener."
    )
    state: StateUrl = Field(
        default="sqlite:///.bff/state.db",
        description="Where revisions and traffic are kept: a file seen from routes.yaml, or PostgreSQL.",
    )
    revisions: Annotated[RetentionConfig, OrEmpty] = Field(
        default=RetentionConfig.plain(), description="How long revisions are kept."
    )
    openapi: Annotated[OpenApiConfig, OrEmpty] = Field(
        default=OpenApiConfig.plain(), description="The head of /openapi.json, and whether it is public."
    )
    defaults: Annotated[Defaults, OrEmpty] = Field(
        default=Defaults.plain(), description="What functions get that say nothing else."
    )
    auth: Annotated[Mapping[str, SchemeConfig], AfterValidator(scheme_names), OrEmpty, *FROZEN] = Field(
        default_factory=no_entries, description="Ways for callers to show who they are, by name."
    )
    limits: Annotated[LimitsConfig, OrEmpty] = Field(
        default_factory=LimitsConfig, description="How often somebody may call: rate limits by name."
    )
    services: Annotated[Mapping[str, ServiceConfig], OrEmpty, *FROZEN] = Field(
        default_factory=no_entries, description="Upstream domain services by name."
    )
    registrations: Annotated[Mapping[Label, RegistrationConfig], OrEmpty, *FROZEN] = Field(
        default_factory=no_entries, description="Registries this gateway is entered in, by any name."
    )
    functions: Annotated[Mapping[str, Annotated[FunctionConfig, OrEmpty]], OrEmpty, *FROZEN] = Field(
        default_factory=no_entries, description="Settings of functions by name; only those that differ."
    )
    events: Annotated[EventsConfig, OrEmpty] | None = Field(
        default=None, description="How events come in; absent: only through triggers that are declared."
    )
    calls: Annotated[CallsConfig, OrEmpty] | None = Field(
        default=None, description="Asynchronous calls; absent: every call is answered by its own answer."
    )
    triggers: Triggers = Field(
        default_factory=no_entries, description="Which events reach which function, by name."
    )
    schedules: Schedules = Field(
        default_factory=no_entries, description="Functions that run by the clock, by name."
    )
    pipelines: Annotated[Mapping[TriggerName, PipelineConfig], OrEmpty, *FROZEN] = Field(
        default_factory=no_entries, description="Functions that hand on to each other, by name."
    )
    routes: Annotated[tuple[RouteConfig, ...], OrNone] = Field(
        default=(), description="Which paths reach which functions, or services."
    )

    _path: Path = PrivateAttr(default=Path("routes.yaml"))
    _found: Mapping[str, Path] = PrivateAttr(default_factory=no_entries)
    _secrets: frozenset[str] = PrivateAttr(default=frozenset())

    @model_validator(mode="after")
    def _hides_state(self) -> Config:
        self.hide("state")  # it may hold a password, wherever it was written
        return self

    @property
    def state_place(self) -> Place:
        """Where the state is kept."""
        return place_of(self.state, self._path.parent)

    @property
    def path(self) -> Path:
        """The file this was read from."""
        return self._path

    @property
    def functions_found(self) -> Mapping[str, Path]:
        """Every function in the folder, configured or not, and its file."""
        return self._found

    @property
    def state_folder(self) -> Path:
        """Where the token lies that this machine's own commands use."""
        file = self.state_place.file
        return file.parent if file is not None else self._path.parent / ".bff"

    def read_from(self, path: Path, found: Mapping[str, Path], secrets: Iterable[str] = ()) -> Config:
        """A copy that remembers its file, the functions found beside it, and what of it is secret."""
        read = self.model_copy()
        read._path, read._found = path, found  # noqa: SLF001 (our own copy)
        read._secrets = frozenset(secrets)  # noqa: SLF001
        return read

    @property
    def secrets(self) -> frozenset[str]:
        """Values that came from the environment or from files for fields that carry credentials: headers, settings of
        functions, options of resolvers, tokens. For whoever must not let them out.
        """
        return self._secrets

    def function(self, name: str) -> FunctionConfig:
        """The function's settings; all defaults if it has no entry."""
        return self.functions.get(name, _PLAIN)

    def function_timeout(self, name: str) -> float:
        """Seconds a call of the function may take: its own, else ``defaults.timeout``."""
        own = self.function(name).timeout
        return self.defaults.timeout if own is None else own

    def warm_up_timeout(self, name: str) -> float:
        """Seconds the function's warm-up may take: its own, else ``defaults.warm_up_timeout``."""
        own = self.function(name).warm_up_timeout
        return self.defaults.warm_up_timeout if own is None else own

    def timeout_of(self, route: RouteConfig) -> float:
        """Seconds a request of the route may take: the least of the route's and the function's timeout.

        ``defaults.timeout`` counts only where neither says anything. A service always says something.
        """
        if route.service:
            timeout = self.services[route.service].timeout
            return timeout if route.timeout is None else min(route.timeout, timeout)
        said = [each for each in (route.timeout, self.function(route.function).timeout) if each is not None]
        return min(said, default=self.defaults.timeout)

    def scale_of(self, name: str) -> ScaleConfig:
        """The function's own ``scale`` section, else ``defaults.scale``."""
        own = self.function(name).scale
        return self.defaults.scale if own is None else own

    def concurrency_of(self, name: str) -> int:
        """Calls one instance may take at a time: its own limit, else ``defaults.concurrency``; 0 is none."""
        own = self.function(name).concurrency
        return self.defaults.concurrency if own is None else own

    @property
    def has_events(self) -> bool:
        """Whether there is anything to do with events at all."""
        offline = self.triggers or self.schedules or self.pipelines
        return self.events is not None or bool(offline) or self.has_calls

    @property
    def has_calls(self) -> bool:
        """Whether a function may be called now and answer later."""
        return self.calls is not None or any(route.respond_async for route in self.routes)

    @property
    def calls_said(self) -> CallsConfig:
        """The ``calls`` section; all defaults where there is none."""
        return self.calls or CallsConfig()

    @property
    def events_said(self) -> EventsConfig:
        """The ``events`` section; all defaults where there is none."""
        return self.events or EventsConfig()

    def reached_offline(self) -> Iterator[tuple[str, str]]:
        """What gets events by triggers, schedules and pipelines: the name its deliveries go by, and the function."""
        for name, trigger in self.triggers.items():
            yield name, trigger.function
        for name, schedule in self.schedules.items():
            yield f"schedule/{name}", schedule.function
        for name, pipeline in self.pipelines.items():
            for at, step in enumerate(pipeline.steps):
                yield from ((f"pipeline/{name}/{at}", each) for each in step.parallel or (step.function,))

    def auth_of(self, route: RouteConfig) -> DemandConfig:
        """What the route asks of its callers: its own demand, else ``defaults.auth``."""
        return self.defaults.auth if route.auth is None else route.auth

    def limits_of(self, route: RouteConfig) -> tuple[str, ...]:
        """The rate limits of the route: its own, else ``defaults.limits``."""
        return self.defaults.limits if route.limits is None else route.limits

    def compression_of(self, route: RouteConfig) -> CompressionConfig | None:
        """How answers of the route are made smaller: its own section, else ``defaults.compression``."""
        return self.defaults.compression if route.compression is None else route.compression

    def cors_of(self, route: RouteConfig) -> CorsConfig | None:
        """Which other origins may call the route: its own section, else ``gateway.cors``."""
        return self.gateway.cors if route.cors is None else route.cors

    def csrf_of(self, route: RouteConfig) -> CsrfConfig:
        """How the route takes calls with cookies from other sites: its own section, else ``defaults.csrf``."""
        return self.defaults.csrf if route.csrf is None else route.csrf

    def security_headers_of(self, route: RouteConfig) -> SecurityHeadersConfig:
        """The route's own section, else ``defaults.security_headers``."""
        own = route.security_headers
        return self.defaults.security_headers if own is None else own

    def max_body_of(self, route: RouteConfig) -> int:
        """Bytes a body of the route may have: the route's own limit, else ``gateway.max_body``."""
        return self.gateway.max_body if route.max_body is None else route.max_body

    def forms_of(self, route: RouteConfig) -> FormsConfig:
        """How much a form may hold: the route's own section, else ``defaults.forms``."""
        return self.defaults.forms if route.forms is None else route.forms

    def __repr__(self) -> str:
        counts = (len(self.services), len(self.functions_found), len(self.routes))
        return "<Config {}: {} services, {} functions, {} routes>".format(self._path, *counts)

    def __str__(self) -> str:
        return repr(self)

    def __rich_repr__(self) -> Iterator[Any]:
        yield str(self._path)
