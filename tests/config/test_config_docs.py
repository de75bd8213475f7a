"""The reference page and the JSON Schema tell the truth about the models."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from pydantic import BaseModel, WithJsonSchema
from pydantic.fields import FieldInfo

from bff.config import (
    CacheConfig,
    Conditions,
    Config,
    CorsConfig,
    Defaults,
    DeliveryConfig,
    EventsConfig,
    FilterConfig,
    FunctionConfig,
    GatewayConfig,
    LaneConfig,
    OpenApiConfig,
    ReleaseConfig,
    RetentionConfig,
    RouteConfig,
    RuleConfig,
    ScaleConfig,
    ServiceConfig,
    StickyConfig,
    SubsetConfig,
    TelemetryConfig,
    TextMatch,
    TrafficConfig,
    TriggerConfig,
    TrustConfig,
    json_schema,
)
from bff.config.admin import AdminConfig, AdminTokenConfig
from bff.config.auth import (
    ApiKeyConfig,
    ApiKeysConfig,
    CertificateConfig,
    DemandConfig,
    JwtConfig,
    SchemeConfig,
)
from bff.config.calls import CallsConfig
from bff.config.compression import CompressionConfig
from bff.config.csrf import CsrfConfig
from bff.config.endpoints import DiscoveryConfig, EndpointConfig
from bff.config.faults import FaultConfig
from bff.config.function import WebSocketConfig
from bff.config.headerrules import HeaderRulesConfig
from bff.config.headers import SecurityHeadersConfig
from bff.config.limits import LimitConfig, LimitsConfig
from bff.config.pipeline import PipelineConfig, StepConfig
from bff.config.recorder import RecorderConfig
from bff.config.registration import RegistrationConfig
from bff.config.resilience import BalanceConfig, BudgetConfig, HedgeConfig, OutlierConfig, RetriesConfig
from bff.config.schedule import ScheduleConfig
from bff.config.static import StaticConfig
from bff.config.traces import TracesConfig
from bff.config.units import DURATION_PATTERN, duration_text, share_text, size_text

if TYPE_CHECKING:
    from tests.config.conftest import Project

PAGE = (Path(__file__).parents[2] / "docs/routes-yaml.md").read_text()
SECTIONS: dict[str, type[BaseModel]] = {
    "The file itself": Config,
    "gateway": GatewayConfig,
    "gateway.cors": CorsConfig,
    "compression": CompressionConfig,
    "csrf": CsrfConfig,
    "limits": LimitsConfig,
    "limits.policies.NAME": LimitConfig,
    "security_headers": SecurityHeadersConfig,
    "telemetry": TelemetryConfig,
    "telemetry.recorder": RecorderConfig,
    "telemetry.traces": TracesConfig,
    "admin": AdminConfig,
    "admin.tokens.NAME": AdminTokenConfig,
    "revisions": RetentionConfig,
    "openapi": OpenApiConfig,
    "auth.NAME": SchemeConfig,
    "auth.NAME.jwt": JwtConfig,
    "auth.NAME.api_keys": ApiKeysConfig,
    "auth.NAME.api_keys.keys.CALLER": ApiKeyConfig,
    "auth.NAME.certificate": CertificateConfig,
    "auth of a route": DemandConfig,
    "defaults": Defaults,
    "services.NAME": ServiceConfig,
    "registrations.NAME": RegistrationConfig,
    "functions.NAME": FunctionConfig,
    "functions.NAME.websocket": WebSocketConfig,
    "routes[]": RouteConfig,
    "routes[].static": StaticConfig,
    "scale": ScaleConfig,
    "cache": CacheConfig,
    "subset": SubsetConfig,
    "header rules": HeaderRulesConfig,
    "traffic": TrafficConfig,
    "rule": RuleConfig,
    "conditions": Conditions,
    "text": TextMatch,
    "trust": TrustConfig,
    "sticky": StickyConfig,
    "release": ReleaseConfig,
    "lanes": LaneConfig,
    "services.NAME.retries": RetriesConfig,
    "services.NAME.retries.budget": BudgetConfig,
    "services.NAME.hedge": HedgeConfig,
    "services.NAME.outlier_detection": OutlierConfig,
    "services.NAME.balance": BalanceConfig,
    "services.NAME.endpoints[]": EndpointConfig,
    "services.NAME.discovery": DiscoveryConfig,
    "services.NAME.faults[]": FaultConfig,
    "events": EventsConfig,
    "calls": CallsConfig,
    "pipelines.NAME": PipelineConfig,
    "step": StepConfig,
    "schedules.NAME": ScheduleConfig,
    "triggers.NAME": TriggerConfig,
    "filter": FilterConfig,
    "delivery": DeliveryConfig,
}


def rows(title: str) -> dict[str, str]:
    """The rows of a section's table by key."""
    section = PAGE.partition(f"### {title}\n")[2].partition("\n### ")[0].partition("\n## ")[0]
    return {row[1]: row[0] for row in re.finditer(r"^\| `([^`]+)` \|.*$", section, re.MULTILINE)}


def default_text(field: FieldInfo) -> str:
    """How the page writes a field's default."""
    default: Any = (
        None if field.is_required() else field.get_default(call_default_factory=True, validated_data={})
    )
    if field.is_required():
        return "required"
    if isinstance(default, BaseModel):
        return "all defaults"
    if (
        default is None
        or default == ""
        or (not isinstance(default, bool | int | float | str | Path) and not default)
    ):
        return "none"
    if isinstance(default, bool):
        return f"`{str(default).lower()}`"
    if isinstance(default, float) and any("%" in str(each) for each in field.metadata):
        return f"`{share_text(default)}`"
    if isinstance(default, float) and any(isinstance(each, WithJsonSchema) for each in field.metadata):
        return f"`{duration_text(default)}`"
    if isinstance(default, tuple):
        return ", ".join(f"`{item}`" for item in default)
    is_size = isinstance(default, int) and default > 1024 and default % 1024 == 0
    return f"`{size_text(default)}`" if is_size else f"`{default}`"


def fields() -> Iterator[tuple[str, str, FieldInfo]]:
    for title, model in SECTIONS.items():
        for name, field in model.model_fields.items():
            yield title, field.alias or name, field


@pytest.mark.parametrize(("title", "key", "field"), list(fields()))
def test_the_page_has_every_key_with_its_default(title: str, key: str, field: FieldInfo) -> None:
    default = rows(title)[key].split(" | ")[2].removesuffix(" |").strip()
    assert default.partition(": ")[0] == default_text(field)
    assert field.description


@pytest.mark.parametrize("title", SECTIONS)
def test_the_page_has_no_key_that_does_not_exist(title: str) -> None:
    known = {field.alias or name for name, field in SECTIONS[title].model_fields.items()}
    assert rows(title).keys() == known


@pytest.mark.parametrize("example", re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL))
def test_every_example_on_the_page_loads(project: Project, example: str) -> None:
    project.add("designs.token", "t")
    project.add("users.token", "t")
    project.add("scrape.token", "s" * 32)
    project.add("override.token", "a-secret-of-16-letters")
    project.load(example, API_KEY="k", CI_TOKEN="c" * 32)


def test_the_mistakes_on_the_page_are_the_ones_printed(project: Project) -> None:
    text = (
        "services:\n  users: {url: 'http://u'}\n\n\nfunctions:\n  home:\n    timeuot: 2s\nroutes:\n"
        "  - {path: '/api/home/{user_id}', function: home, timeout: 2}\n  - {path: /b, function: hme}\n"
    )
    shown = PAGE.partition("```text\n")[2].partition("```")[0].splitlines()
    assert project.lines(text) == shown


def test_the_schema_is_for_editors() -> None:
    schema = json_schema()
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert "$id" not in schema
    assert schema["title"] == "routes.yaml of bff"
    assert schema["additionalProperties"] is False
    assert set(schema["properties"]) == {field.alias or name for name, field in Config.model_fields.items()}
    for model in SECTIONS.values():
        described = schema if model is Config else schema["$defs"][model.__name__]
        assert described["description"]
        assert all("description" in field for field in described["properties"].values())
    json.dumps(schema)


def test_the_schema_writes_durations_and_sizes_as_people_do() -> None:
    definitions = json_schema()["$defs"]
    timeout = definitions["Defaults"]["properties"]["timeout"]
    assert (timeout["type"], timeout["pattern"], timeout["default"]) == ("string", DURATION_PATTERN, "10s")
    assert definitions["GatewayConfig"]["properties"]["max_body"]["default"] == "1MiB"
    assert "default" in definitions["FunctionConfig"]["properties"]["threads"]


def accepts(schema: dict[str, Any], value: object) -> bool:
    """Just enough of JSON Schema for single values: type, pattern, const, enum, anyOf, bounds."""
    if "anyOf" in schema:
        return any(accepts(part, value) for part in schema["anyOf"])
    if "enum" in schema:
        return value in schema["enum"]
    kinds: dict[str, Any] = {"string": str, "integer": int, "boolean": bool, "null": type(None)}
    if type(value) is not kinds[schema["type"]]:
        return False
    if isinstance(value, str) and "pattern" in schema:
        return re.search(schema["pattern"], value) is not None
    return not isinstance(value, int) or schema.get("minimum", value) <= value <= schema.get("maximum", value)


@pytest.mark.parametrize(
    ("model", "key", "good", "bad"),
    [
        ("Defaults", "timeout", ["2s", "1m30s", "${T}", "${T:-2s}"], [2, "2", "soon"]),
        ("GatewayConfig", "max_body", ["1MiB", 1024, "${MAX}"], ["1mb", 0, True]),
        ("ServiceConfig", "max_connections", [5, "${N}"], [0, "5x", None]),
        ("FunctionConfig", "threads", [5, "${N}"], [0, 1001]),
        ("FunctionConfig", "cancel_on_disconnect", [True, "${FLAG}"], ["yes", 1]),
        ("TelemetryConfig", "log_level", ["info", "${LEVEL}"], ["loud", 1]),
    ],
)
def test_the_schema_lets_references_stand_for_values(
    model: str, key: str, good: list[object], bad: list[object]
) -> None:
    schema = json_schema()["$defs"][model]["properties"][key]
    assert [accepts(schema, value) for value in good] == [True] * len(good)
    assert [accepts(schema, value) for value in bad] == [False] * len(bad)


def test_the_schema_allows_what_the_loader_allows() -> None:
    definitions = json_schema()["$defs"]
    methods = definitions["RouteConfig"]["properties"]["methods"]
    assert {part["type"] for part in methods["anyOf"]} == {"array", "string"}
    settings = definitions["FunctionConfig"]["properties"]["env"]["anyOf"][0]
    assert settings["additionalProperties"] == {"type": ["string", "number", "boolean"]}
    sections = json_schema()["properties"]
    for section in ("services", "functions", "routes", "gateway", "telemetry", "defaults"):
        assert any(part.get("type") == "null" for part in sections[section]["anyOf"])
