"""Trace identity: read from what callers send, minted, and written to services; no spans, no exporters, no SDK."""

from bff.trace.context import TraceContext, begin, new_span_id, parse
from bff.trace.origin import UNSAMPLED, Origin
from bff.trace.propagators import FIELDS, RAW_FIELDS

__all__ = ["FIELDS", "RAW_FIELDS", "UNSAMPLED", "Origin", "TraceContext", "begin", "new_span_id", "parse"]
