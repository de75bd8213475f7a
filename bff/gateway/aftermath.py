"""What stays of a call that failed: its error, but not the frames it went through."""

from __future__ import annotations


def forget_frames(error: BaseException) -> None:
    """Take the tracebacks from an error, its causes and what it groups, once everybody has been told.

    Frames hold the invocation, which holds the error: that circle, with all that the call held, would be left to the
    collector, most of it when a service is down and every call fails. An error that is raised once for each of many
    callers would grow by a piece of traceback with each of them, besides.
    """
    left, seen = [error], set[int]()
    while left:
        each = left.pop()
        if id(each) in seen:
            continue
        seen.add(id(each))
        each.__traceback__ = None
        left.extend(inner for inner in (each.__cause__, each.__context__) if inner is not None)
        if isinstance(each, BaseExceptionGroup):
            left.extend(each.exceptions)
