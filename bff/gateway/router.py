"""Which route a path and method mean. Pure: compiled from patterns once, asked for each request.

Static paths are one dictionary look-up; the others walk a tree of segments, so that 10,000 routes cost a
match no more than ten. At each segment static text wins over a parameter, a parameter over the wildcard.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Generic, TypeVar
from urllib.parse import unquote_to_bytes

from bff.config import Pattern
from bff.config.pattern import Kind
from bff.errors import BadRequest, MethodNotAllowed, NotFound

T = TypeVar("T")
_DOTS = frozenset({".", ".."})
NO_PARAMETERS: Mapping[str, str] = {}


class Methods(Generic[T]):
    """The targets of one path by method, and its ``Allow`` field. Parameter names differ by method."""

    __slots__ = ("allow", "by_method")

    def __init__(self) -> None:
        self.by_method: dict[str, tuple[T, tuple[str, ...]]] = {}
        self.allow = ""

    def add(self, methods: Iterable[str], target: T, names: tuple[str, ...]) -> None:
        """Answer these methods; GET brings HEAD along (RFC 9110 §9.3.2)."""
        for method in methods:
            self.by_method[method] = (target, names)
        if "GET" in self.by_method:
            self.by_method.setdefault("HEAD", self.by_method["GET"])
        self.allow = allow_of(self.by_method)


def allow_of(methods: Iterable[str]) -> str:
    """The ``Allow`` field for these methods; OPTIONS is always answered."""
    return ", ".join(sorted({*methods, "OPTIONS"}))


class _Node(Generic[T]):
    """One segment position. ``here`` answers paths that end at this node, ``rest`` those that go on with a slash."""

    __slots__ = ("here", "parameter", "rest", "static")

    def __init__(self) -> None:
        self.static: dict[str, _Node[T]] = {}
        self.parameter: _Node[T] | None = None
        self.here: Methods[T] | None = None
        self.rest: Methods[T] | None = None


class Router(Generic[T]):
    """An immutable route table: build it with :meth:`compiled`."""

    __slots__ = ("_root", "_static")

    def __init__(self) -> None:
        self._static: dict[str, Methods[T]] = {}
        self._root: _Node[T] = _Node()

    @classmethod
    def compiled(cls, routes: Iterable[tuple[Pattern, Iterable[str], T]]) -> Router[T]:
        """The table of these routes; which wins where two overlap is told by the patterns, not the order."""
        router = cls()
        for pattern, methods, target in routes:
            router._slot(pattern).add(methods, target, pattern.parameters)
        return router

    def _slot(self, pattern: Pattern) -> Methods[T]:
        if not pattern.parameters:
            return self._static.setdefault(pattern.template, Methods())
        node = self._root
        for segment in pattern.segments:
            if segment.kind is Kind.STATIC:
                node = node.static.setdefault(segment.text, _Node())
            elif segment.kind is Kind.PARAMETER:
                node.parameter = node.parameter or _Node()
                node = node.parameter
            else:
                node.rest = node.rest or Methods()
                return node.rest
        node.here = node.here or Methods()
        return node.here

    def match(self, method: str, path: str, raw_path: bytes) -> tuple[T, Mapping[str, str]]:
        """The target and its path parameters, decoded.

        Raises:
            NotFound: no route has the path.
            MethodNotAllowed: some do, but none of them this method.
            BadRequest: the path is not UTF-8, or has a segment ``.`` or ``..``.

        """
        found = self._static.get(path) if b"%" not in raw_path else None
        if found is not None:
            target = found.by_method.get(method)
            if target is not None:
                return target[0], NO_PARAMETERS
        _refuse_ways_out(path)
        return self._match_slowly(method, _segments(path, raw_path))

    def allowed(self, path: str, raw_path: bytes) -> str | None:
        """The ``Allow`` field of a path; None when no route has it."""
        options = [methods for methods, _ in self._candidates(_segments(path, raw_path))]
        return allow_of(each for methods in options for each in methods.by_method) if options else None

    def _match_slowly(self, method: str, segments: list[str]) -> tuple[T, Mapping[str, str]]:
        allowed: set[str] = set()
        for methods, values in self._candidates(segments):
            found = methods.by_method.get(method)
            if found is not None:
                return found[0], dict(zip(found[1], values, strict=True))
            allowed.update(methods.by_method)
        if allowed:
            raise MethodNotAllowed(method, allow_of(allowed))
        raise NotFound

    def _candidates(self, segments: list[str]) -> Iterator[tuple[Methods[T], tuple[str, ...]]]:
        """Everything that has the path, most specific first, with its parameter values."""
        if not segments:
            return
        static = self._static.get("/" + "/".join(segments)) if not any("/" in s for s in segments) else None
        if static is not None:
            yield static, ()
        yield from _walk(self._root, segments, 0, ())


def _refuse_ways_out(path: str) -> None:
    """Whoever reads the path elsewhere takes such segments away (RFC 3986 §5.2.4), and a handler that looks for a
    file of this name is led out of its folder. ``path`` is decoded: ``..%2f`` leads there, too.
    """
    if "/." not in path and "\\.." not in path:
        return
    if not _DOTS.isdisjoint(path.split("/")) or ".." in path.replace("\\", "/").split("/"):
        raise BadRequest("The path has a . or .. segment.")


def _walk(
    node: _Node[T], segments: list[str], at: int, values: tuple[str, ...]
) -> Iterator[tuple[Methods[T], tuple[str, ...]]]:
    if at == len(segments):
        if node.here is not None:
            yield node.here, values
        return
    segment = segments[at]
    child = node.static.get(segment)
    if child is not None:
        yield from _walk(child, segments, at + 1, values)
    if node.parameter is not None and segment:
        yield from _walk(node.parameter, segments, at + 1, (*values, segment))
    if node.rest is not None:
        yield node.rest, (*values, "/".join(segments[at:]))


def _segments(path: str, raw_path: bytes) -> list[str]:
    """The path's segments, each decoded on its own, so that ``%2F`` never makes a new one; none where it is no path but
    ``*`` (RFC 9112 §3.2.4).
    """
    if not path.startswith("/"):
        return []
    if b"%" not in raw_path:
        return path[1:].split("/")
    try:
        return [unquote_to_bytes(segment).decode("utf-8") for segment in raw_path[1:].split(b"/")]
    except UnicodeDecodeError:
        raise BadRequest("The path is not UTF-8.") from None
