"""Templates, compiled when first used and kept. jinja2 is imported with the first of them."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

from bff.console import phrases
from bff.telemetry.plain import json_text

if TYPE_CHECKING:
    from jinja2 import Environment


class Renderer:
    """``shared`` is what every template may name. Immutable but for what is compiled."""

    def __init__(self, shared: Mapping[str, Any]) -> None:
        self._shared = shared

    def render(self, template: str, facts: Mapping[str, Any]) -> str:
        """The text of a template; a name that is not among the facts is an error. What turns the direction of reading,
        or is not seen, stands there as JSON escapes it, as in the log: nobody's text rearranges what is around it.
        """
        return json_text(self.environment.get_template(template).render(facts))

    def prepare(self, *names: str) -> None:
        """Compile these, or all in a folder where a name ends with a slash: milliseconds each, so not on the loop."""
        folders = tuple(name for name in names if name.endswith("/"))
        inside = (
            self.environment.list_templates(filter_func=lambda name: name.startswith(folders))
            if folders
            else []
        )
        for name in (*(each for each in names if not each.endswith("/")), *inside):
            self.environment.get_template(name)

    @cached_property
    def environment(self) -> Environment:
        """Autoescape is on for everything; templates do not change while the process lives."""
        from jinja2 import Environment, PackageLoader, StrictUndefined

        made = Environment(
            loader=PackageLoader("bff.console", "templates"),
            autoescape=True,
            undefined=StrictUndefined,
            auto_reload=False,
            cache_size=-1,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        made.globals.update(self._shared)
        made.filters.update(phrases.FILTERS)
        made.globals["parts"] = made.get_template("parts.html").module
        return made
