"""What an attempt's end says of the service, and how Envoy's access log would call it. Pure."""

from __future__ import annotations

from bff.sdk.failures import (
    NoHealthyEndpoint,
    ServiceConnectionLost,
    ServiceError,
    ServiceOverloaded,
    ServiceTimedOut,
    ServiceUnreachable,
)
from bff.services.retry import Condition, Failed

FLAGS: tuple[tuple[type[ServiceError], str], ...] = (
    (NoHealthyEndpoint, "UH"),
    (ServiceOverloaded, "UO"),
    (ServiceUnreachable, "UF"),
    (ServiceConnectionLost, "UC"),
    (ServiceTimedOut, "UT"),
)
"""Envoy's response flags (https://www.envoyproxy.io/docs/envoy/latest/configuration/observability/access_log/usage)."""


def failure_of(error: ServiceError) -> Failed | None:
    """Why an attempt failed, for whoever retries; None for what another attempt cannot mend, and for what never
    reached an endpoint.
    """
    match error:
        case NoHealthyEndpoint() | ServiceOverloaded():
            return None
        case ServiceUnreachable():
            return Failed(condition=Condition.CONNECT)
        case ServiceConnectionLost():
            return Failed(condition=Condition.RESET)
        case ServiceTimedOut():
            return Failed(condition=Condition.TIMEOUT)
        case _:
            return None


def flag_of(error: BaseException) -> str:
    """The flag of a failure; empty where Envoy has none."""
    return next((flag for kind, flag in FLAGS if isinstance(error, kind)), "")
