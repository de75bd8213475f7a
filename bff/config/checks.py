"""What only the whole file can tell: routes that collide, names that lead nowhere, paths that are taken.

Checked on whatever could be read, so that one wrong timeout does not hide a missing function.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from bff.config.auth import PUBLIC
from bff.config.doorways import Doorway, doorways_of
from bff.config.mistake import KeyPath, Mistake, dotted
from bff.config.names import is_function_name, is_service_name, suggest
from bff.config.pattern import Kind, Pattern
from bff.config.rewrite import Rewrite
from bff.config.route import RouteConfig
from bff.config.tree import Node, find, may_show

OWN_PATHS = tuple(map(Pattern.parse, ("/health/liveness", "/health/readiness", "/problems/{code}")))

_MOST_SUGGESTIONS = 20  # comparing a name with 10,000 others takes milliseconds; 10,000 such names, minutes

_OF_FUNCTIONS_ONLY = {
    "forward_headers": "a service's route hands on every header; remove it (cookies go by forward_cookies)",
    "compression": "the service hears Accept-Encoding itself, and nothing is read of what passes through; remove it",
    "forms": "what passes through is not read, and has max_body alone; remove it",
    "static": "what passes through is not read, so nothing can be added; remove it, or let a function answer",
    "respond_async": "what passes through is not stored; remove it, or let a function answer",
    "errors": "what passes through has no parts; remove it, or let a function answer",
}
_OF_SERVICES_ONLY = {
    "rewrite": "a function reads its path itself; only a service's route can be rewritten",
    "response_headers": "a function says the headers of its answer itself; only a service's can be ruled",
}


@dataclass(frozen=True, slots=True)
class SeenRoute:
    """What could be read of a route; None where that part is wrong. ``keys`` are all that it has."""

    index: int
    pattern: Pattern | None
    methods: tuple[str, ...]
    function: str | None
    service: str | None = None
    rewrite: str | None = None
    keys: frozenset[str] = frozenset()


def seen_routes(raw: Any, wrong: Mapping[int, set[str]]) -> list[SeenRoute]:
    """The routes of a file with mistakes; ``wrong`` names the keys of each route that cannot be used."""
    routes = enumerate(raw) if isinstance(raw, list) else ()
    return [seen for at, route in routes if (seen := _salvaged(at, route, wrong.get(at, set())))]


def seen_route(index: int, route: RouteConfig) -> SeenRoute:
    """A route without a mistake of its own."""
    return _seen(index, route, set(route.model_fields_set), set())


def _salvaged(index: int, raw: Any, wrong: set[str]) -> SeenRoute | None:
    if not isinstance(raw, dict):
        return None
    usable = {key: value for key, value in raw.items() if key not in wrong}
    try:
        route = RouteConfig.model_validate({"path": "/"} | usable)
    except ValidationError:  # an error that concerns no single key
        return None
    return _seen(index, route, set(raw), wrong)


def _seen(index: int, route: RouteConfig, keys: set[str], wrong: set[str]) -> SeenRoute:
    usable = keys - wrong
    return SeenRoute(
        index,
        route.pattern if "path" in usable else None,
        () if "methods" in wrong else route.methods,
        route.function if "function" in usable else None,
        route.service if "service" in usable else None,
        route.rewrite if "rewrite" in usable else None,
        frozenset(keys),
    )


class Checks:
    """Goes over one file; each check yields its mistakes. Changes: how many suggestions are left to make.

    ``shown_folder`` is how mistakes call the folder; ``found`` is None when it could not be read.
    """

    def __init__(self, *, root: Node, file: str, shown_folder: str, found: Mapping[str, Path] | None) -> None:
        self._root = root
        self._file = file
        self._folder = shown_folder
        self._found = found or {}
        self._knows_functions = found is not None
        self._suggestions_left = _MOST_SUGGESTIONS

    def everything(self, routes: list[SeenRoute], data: Mapping[str, Any]) -> Iterator[Mistake]:
        """Every mistake of the whole file, in no particular order."""
        yield from self._conflicts(routes)
        yield from self._shadowed(routes)
        yield from self._at_doorways(routes, data)
        yield from self._answerers(routes)
        yield from self._unknown_services(routes, _names(data.get("services")))
        yield from self._rewrites(routes)
        yield from self._service_names(_names(data.get("services")))
        yield from self._faults(data)
        yield from self._unknown_schemes(data)
        yield from self._unknown_limits(data)
        if self._knows_functions:
            yield from self._unknown_functions(routes)
            yield from self._function_entries(_names(data.get("functions")))
            yield from self._subscribers("triggers", data.get("triggers"))
            yield from self._subscribers("schedules", data.get("schedules"))
            yield from self._called_later(data.get("calls"))
            yield from self._steps(data.get("pipelines"))

    def _conflicts(self, routes: Iterable[SeenRoute]) -> Iterator[Mistake]:
        first: dict[tuple[str, str], SeenRoute] = {}
        for route in routes:
            if route.pattern is None:
                continue
            shape = route.pattern.shape
            taken = [first.setdefault((shape, method), route) for method in _answered(route)]
            other = min((r for r in taken if r is not route), key=lambda r: r.index, default=None)
            if other is not None:
                yield self._conflict(route, other)

    def _conflict(self, route: SeenRoute, other: SeenRoute) -> Mistake:
        what = "this path"
        if self._may_show("routes", route.index) and route.pattern is not None:
            both = [method for method in _answered(route) if method in _answered(other)]
            what = f"{' and '.join(both)} {route.pattern}"
        line = find(self._root, ("routes", other.index)).node.line
        message = f"{what} is already routed on line {line}; parameter names make no difference"
        return self._at(("routes", route.index, "path"), message)

    def _shadowed(self, routes: Iterable[SeenRoute]) -> Iterator[Mistake]:
        for route in routes:
            own = route.pattern and next((own for own in OWN_PATHS if _covers(own, route.pattern)), None)
            if own:
                message = f"no request gets here: the gateway itself answers {own}; choose another path"
                yield self._at(("routes", route.index, "path"), message)

    def _at_doorways(self, routes: Iterable[SeenRoute], data: Mapping[str, Any]) -> Iterator[Mistake]:
        """Routes, and paths of events, that lead where events come in or calls are asked for."""
        has_calls = any("respond_async" in route.keys for route in routes)
        first: dict[tuple[str, str], Doorway] = {}
        for door in doorways_of(data, has_calls=has_calls):
            taken = [first.setdefault((door.pattern.shape, method), door) for method in door.methods]
            other = next((each for each in taken if each is not door and each.said != door.said), None)
            if other is not None:
                yield self._at(door.said, self._taken_by(other))
        for route in routes:
            shape = route.pattern.shape if route.pattern else ""
            found = (first.get((shape, method)) for method in _answered(route))
            if (door_there := next(filter(None, found), None)) is not None:
                yield self._at(("routes", route.index, "path"), self._taken_by(door_there))

    def _taken_by(self, door: Doorway) -> str:
        what = f"{'/'.join(door.methods)} {door.pattern}" if self._may_show(*door.said) else "this path"
        return f"{what} is taken by {dotted(door.said)}; choose another path here or there"

    def _answerers(self, routes: Iterable[SeenRoute]) -> Iterator[Mistake]:
        """A route has a function or a service, and only the keys that mean something there."""
        for route in routes:
            path: KeyPath = ("routes", route.index)
            if {"function", "service"} <= route.keys:
                message = "a route has a function or a service, not both; remove one of the two"
                yield self._at((*path, "service"), message, is_key=True)
            elif not {"function", "service"} & route.keys:
                message = "is missing; name the function that answers, or the service with `service:`"
                yield self._at((*path, "function"), message)
            else:
                means_nothing = _OF_FUNCTIONS_ONLY if "service" in route.keys else _OF_SERVICES_ONLY
                for key in sorted(means_nothing.keys() & route.keys):
                    yield self._at((*path, key), means_nothing[key], is_key=True)

    def _unknown_services(self, routes: Iterable[SeenRoute], declared: list[str]) -> Iterator[Mistake]:
        for route in routes:
            if route.service is not None and route.service not in declared:
                path: KeyPath = ("routes", route.index, "service")
                known = self._may_show(*path)
                message = "the value names no service that is declared"
                if known:
                    meant = self._meant(route.service, declared)
                    message = (
                        f"no service {route.service[:80]} is declared{meant or '; add it under services'}"
                    )
                yield self._at(path, message)

    def _rewrites(self, routes: Iterable[SeenRoute]) -> Iterator[Mistake]:
        for route in routes:
            if route.rewrite is None or route.pattern is None:
                continue
            for name in Rewrite.parse(route.rewrite).parameters:
                if name not in route.pattern.parameters:
                    meant = self._meant(name, route.pattern.parameters)
                    message = f"the path has no parameter {{{name}}}{meant}"
                    yield self._at(("routes", route.index, "rewrite"), message)

    def _unknown_functions(self, routes: Iterable[SeenRoute]) -> Iterator[Mistake]:
        for route in routes:
            if route.function is not None and route.function not in self._found:
                path: KeyPath = ("routes", route.index, "function")
                yield self._at(path, self._no_function(route.function, self._may_show(*path)))

    def _function_entries(self, names: Iterable[str]) -> Iterator[Mistake]:
        for name in names:
            if name not in self._found:
                yield self._at(("functions", name), self._no_function(name, True), is_key=True)

    def _subscribers(self, section: str, triggers: Any) -> Iterator[Mistake]:
        """Functions that triggers or schedules name, and those that get their dead letters."""
        for name, trigger in triggers.items() if isinstance(triggers, dict) else ():
            if not isinstance(trigger, dict):
                continue
            delivery = trigger.get("delivery")
            sink = delivery.get("deadLetterSink") if isinstance(delivery, dict) else None
            for path, function in (
                ((section, name, "function"), trigger.get("function")),
                ((section, name, "delivery", "deadLetterSink"), sink),
            ):
                if isinstance(function, str) and function and function not in self._found:
                    yield self._at(path, self._no_function(function, self._may_show(*path)))

    def _steps(self, pipelines: Any) -> Iterator[Mistake]:
        """Functions of the steps of pipelines."""
        for name, pipeline in pipelines.items() if isinstance(pipelines, dict) else ():
            steps = pipeline.get("steps") if isinstance(pipeline, dict) else None
            for at, step in enumerate(steps if isinstance(steps, list) else ()):
                for key in ("function", "parallel") if isinstance(step, dict) else ():
                    yield from self._named(("pipelines", name, "steps", at, key), step.get(key))

    def _named(self, path: KeyPath, said: Any) -> Iterator[Mistake]:
        """A function, or a list of some, that has to be in the folder."""
        for at, name in enumerate(said if isinstance(said, list) else [said]):
            if isinstance(name, str) and name not in self._found:
                place = (*path, at) if isinstance(said, list) else path
                yield self._at(place, self._no_function(name, self._may_show(*place)))

    def _called_later(self, calls: Any) -> Iterator[Mistake]:
        """Functions that may be called asynchronously by their names."""
        if isinstance(calls, dict):
            yield from self._named(("calls", "functions"), calls.get("functions"))

    def _service_names(self, names: Iterable[str]) -> Iterator[Mistake]:
        for name in names:
            if not is_service_name(name):
                message = (
                    "functions write ctx.services.NAME, so a service's name is a Python identifier: letters, "
                    "digits and _, beginning with a letter, and not a word of Python"
                )
                yield self._at(("services", name), message, is_key=True)

    def _faults(self, data: Mapping[str, Any]) -> Iterator[Mistake]:
        gateway, services = data.get("gateway"), data.get("services")
        if isinstance(gateway, dict) and gateway.get("allow_faults") in (True, "true"):
            return
        for name, service in services.items() if isinstance(services, dict) else ():
            if isinstance(service, dict) and service.get("faults"):
                message = "faults are made on purpose, and only where gateway says allow_faults: true"
                yield self._at(("services", name, "faults"), message, is_key=True)

    def _unknown_schemes(self, data: Mapping[str, Any]) -> Iterator[Mistake]:
        """A demand for a scheme that is not declared could never be met."""
        known = _names(data.get("auth"))
        for place, demand in _asked(data, "auth"):
            for name in _schemes_in(demand):
                if name not in known:
                    shown = name[:80] if self._may_show(*place) else "this"
                    message = f"no scheme {shown} is declared under auth{suggest(name, known)}"
                    yield self._at(place, message)

    def _unknown_limits(self, data: Mapping[str, Any]) -> Iterator[Mistake]:
        limits = data.get("limits")
        known = _names(limits.get("policies")) if isinstance(limits, dict) else []
        for place, named in _asked(data, "limits"):
            for name in [named] if isinstance(named, str) else named if isinstance(named, list) else ():
                if isinstance(name, str) and name not in (*known, PUBLIC):
                    shown = name[:80] if self._may_show(*place) else "this"
                    message = f"no limit {shown} is declared under limits.policies{suggest(name, known)}"
                    yield self._at(place, message)

    def _no_function(self, name: str, is_shown: bool) -> str:
        if not is_shown:
            return "the value names no function in the functions folder"
        if not is_function_name(name):
            better = name.lower().removesuffix(".py").replace("-", "_")
            meant = f"; name the file {better}.py" if is_function_name(better) else ""
            return f"{name[:80]!r} is not a function's name: lower-case letters, digits and _{meant}"
        meant = self._meant(name, self._found)
        return f"there is no {self._folder}/{name}.py{meant or f'; `bff new {name}` writes one'}"

    def _meant(self, name: str, known: Iterable[str]) -> str:
        if not self._suggestions_left:
            return ""
        self._suggestions_left -= 1
        return suggest(name, known)

    def _may_show(self, *path: str | int) -> bool:
        return may_show(find(self._root, path).node)

    def _at(self, path: KeyPath, message: str, *, is_key: bool = False) -> Mistake:
        place = find(self._root, path)
        line, column = place.at_key if is_key else place.at_value
        return Mistake(file=self._file, line=line, column=column, key=dotted(path), message=message)


def _names(section: Any) -> list[str]:
    return list(section) if isinstance(section, dict) else []


def _asked(data: Mapping[str, Any], key: str) -> Iterator[tuple[KeyPath, Any]]:
    """Every such key of the defaults and of routes, and where it stands."""
    defaults, routes = data.get("defaults"), data.get("routes")
    if isinstance(defaults, dict) and key in defaults:
        yield ("defaults", key), defaults[key]
    for at, route in enumerate(routes if isinstance(routes, list) else ()):
        if isinstance(route, dict) and key in route:
            yield ("routes", at, key), route[key]


def _schemes_in(demand: Any) -> list[str]:
    """The names in it; none in what is wrong in other ways, which is told elsewhere."""
    named = demand.get("any") if isinstance(demand, dict) else demand
    listed = named if isinstance(named, list | tuple) else [named]
    return [name for name in listed if isinstance(name, str) and name != PUBLIC]


def _answered(route: SeenRoute) -> tuple[str, ...]:
    implied = ("HEAD",) if "GET" in route.methods and "HEAD" not in route.methods else ()
    return route.methods + implied


def _covers(own: Pattern, other: Pattern) -> bool:
    """Whether every path of ``other`` is one of ``own``'s."""
    return len(own.segments) == len(other.segments) and all(
        ours == theirs or (ours.kind is Kind.PARAMETER and theirs.text and theirs.kind is not Kind.WILDCARD)
        for ours, theirs in zip(own.segments, other.segments, strict=True)
    )
