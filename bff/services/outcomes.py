"""What an attempt's end says of the service and its endpoint. Pure."""

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


def is_endpoints(error: ServiceError) -> bool:
    """Whether an endpoint was asked at all: a call that got no connection of the pool tells nothing of it."""
    return not isinstance(error, NoHealthyEndpoint | ServiceOverloaded)
