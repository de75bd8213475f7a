"""bff: functions behind pages. Everything a function author imports, and nothing else.

Names load on first use, so that ``import bff`` costs next to nothing.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from bff.sdk.aggregate import fallback as fallback
    from bff.sdk.aggregate import gather as gather
    from bff.sdk.aggregate import optional as optional
    from bff.sdk.anyof import any_of as any_of
    from bff.sdk.batch import batch as batch
    from bff.sdk.call import Call as Call
    from bff.sdk.cloudevent import CloudEvent as CloudEvent
    from bff.sdk.context import Context as Context
    from bff.sdk.context import SyncContext as SyncContext
    from bff.sdk.failures import Problem as Problem
    from bff.sdk.failures import ServiceError as ServiceError
    from bff.sdk.missing import MayMiss as MayMiss
    from bff.sdk.parameters import Body as Body
    from bff.sdk.parameters import Cookie as Cookie
    from bff.sdk.parameters import File as File
    from bff.sdk.parameters import Form as Form
    from bff.sdk.parameters import Header as Header
    from bff.sdk.parameters import Path as Path
    from bff.sdk.parameters import Query as Query
    from bff.sdk.serversent import ServerSentEvent as ServerSentEvent
    from bff.sdk.view import aggregate as aggregate
    from bff.sdk.websocket import WebSocket as WebSocket
    from bff.sdk.websocket import WebSocketDisconnect as WebSocketDisconnect

_HOME = {
    "Body": "parameters",
    "Call": "call",
    "CloudEvent": "cloudevent",
    "Context": "context",
    "Cookie": "parameters",
    "File": "parameters",
    "Form": "parameters",
    "Header": "parameters",
    "MayMiss": "missing",
    "Path": "parameters",
    "Problem": "failures",
    "Query": "parameters",
    "ServerSentEvent": "serversent",
    "ServiceError": "failures",
    "SyncContext": "context",
    "WebSocket": "websocket",
    "WebSocketDisconnect": "websocket",
    "aggregate": "view",
    "any_of": "anyof",
    "batch": "batch",
    "fallback": "aggregate",
    "gather": "aggregate",
    "optional": "aggregate",
}

__all__ = [*_HOME]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'bff' has no attribute {name!r}")
    value = getattr(importlib.import_module(f"bff.sdk.{_HOME[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOME])
