"""Where a gateway's traces come from: its callers' fields, or a beginning of its own. Immutable."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from bff.frozen import frozen
from bff.trace import tracestate
from bff.trace.context import RANDOM, SAMPLED, TraceContext, begin, is_chosen, parse
from bff.trace.propagators import read

Headers = Iterable[tuple[bytes, bytes]]
NONE: Sequence[tuple[bytes, bytes]] = ()


@frozen
class Origin:
    """``share`` of the traces that begin here are sampled, and of those whose callers left that to us; ``honours``
    tells whether callers decide about theirs. ``writes`` are the formats besides W3C's that services are told.
    ``exports`` tells whether anybody will see the spans of this gateway.
    """

    share: float = 0.0
    exports: bool = False
    honours: bool = True
    writes: tuple[str, ...] = ()

    def of(self, traceparent: bytes | None, headers: Headers = NONE) -> TraceContext:
        """The trace of a request with that ``traceparent`` (None: it has none; empty: more than one, which is as good
        as none, §3.2.1) among these fields, whose names are in lower case.
        """
        context = parse(traceparent) if traceparent else None
        if context is None:
            return self._of_others(headers) or begin(self.share, self.writes)
        states = [value for name, value in headers if name == b"tracestate"]
        if states or self.writes or not self.honours:
            state = tracestate.carried(states) if states else ""
            context = context._replace(state=state, writes=self.writes)
        return context if self.honours else self._decided(context)

    def sampled(self) -> TraceContext:
        """A trace that begins here and has been chosen already."""
        return begin(1.0, self.writes)

    def _of_others(self, headers: Headers) -> TraceContext | None:
        told = read(headers)
        if told is None:
            return None
        sampled = told.is_sampled if self.honours else None
        if not told.trace_id:
            share = self.share if sampled is None else float(sampled)
            return begin(share, self.writes)
        context = TraceContext(told.trace_id, told.parent_id, SAMPLED if sampled else 0, "", self.writes)
        return context if sampled is not None else self._decided(context)

    def _decided(self, context: TraceContext) -> TraceContext:
        """The same with a decision of ours, by the trace id, so that all who ask the same way decide the same."""
        is_ours = self.share > 0 and is_chosen(int(context.trace_id[-14:], 16), self.share)
        return context._replace(flags=(context.flags & RANDOM) | (SAMPLED if is_ours else 0))


UNSAMPLED = Origin()
"""Nothing that begins here is sampled; what callers decide goes on."""
