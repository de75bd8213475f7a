"""routes.yaml as one frozen value: ``load`` reads it, ``Config`` answers questions about it.

Every mistake is found at once and carries file, line, column and a remedy (``ConfigInvalid``). Values from
the environment and from secret files are used and never shown. This room reads files only when asked, and
knows nothing about what the other rooms do with the settings.
"""

from __future__ import annotations

from typing import Any

from bff.config.cache import CacheConfig
from bff.config.conditions import Conditions, TextMatch, TrustConfig
from bff.config.config import Config
from bff.config.cors import CorsConfig
from bff.config.discovery import discover
from bff.config.function import Defaults, FunctionConfig
from bff.config.gateway import GatewayConfig, TelemetryConfig
from bff.config.loading import load
from bff.config.mistake import ConfigInvalid, Mistake
from bff.config.openapi import OpenApiConfig
from bff.config.pattern import Pattern
from bff.config.route import RouteConfig
from bff.config.scale import ScaleConfig
from bff.config.service import ServiceConfig, SubsetConfig
from bff.config.state import Place, RetentionConfig
from bff.config.traffic import LaneConfig, ReleaseConfig, RuleConfig, StickyConfig, TrafficConfig
from bff.config.trigger import DeliveryConfig, EventsConfig, FilterConfig, TriggerConfig


def json_schema() -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) of routes.yaml, as ``bff schema`` prints it."""
    from bff.config.schema import json_schema

    return json_schema()


__all__ = [
    "CacheConfig",
    "Conditions",
    "Config",
    "ConfigInvalid",
    "CorsConfig",
    "Defaults",
    "DeliveryConfig",
    "EventsConfig",
    "FilterConfig",
    "FunctionConfig",
    "GatewayConfig",
    "LaneConfig",
    "Mistake",
    "OpenApiConfig",
    "Pattern",
    "Place",
    "ReleaseConfig",
    "RetentionConfig",
    "RouteConfig",
    "RuleConfig",
    "ScaleConfig",
    "ServiceConfig",
    "StickyConfig",
    "SubsetConfig",
    "TelemetryConfig",
    "TextMatch",
    "TrafficConfig",
    "TriggerConfig",
    "TrustConfig",
    "discover",
    "json_schema",
    "load",
]
