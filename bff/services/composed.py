"""What may be cached of an answer that is made of several: the strictest of what its parts say.

Pure. A page is as fresh as its oldest part stays fresh, and private if one part is. A part that says nothing
about its lifetime leaves the page without one: then nothing is claimed, as if the page had no parts. What parts
vary by, pages vary by; where that cannot be told they are private.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from bff.services import directives, freshness
from bff.services.directives import Directives
from bff.services.fields import listed
from bff.services.freshness import Received
from bff.services.varying import ANYTHING, Told


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """What all parts so far say together. ``max_age`` and ``s_maxage`` are the seconds the first of them stays
    fresh for a browser and for a shared cache, None where one of them does not say. ``vary`` are the request fields
    they are told apart by: of a part those of its call, of a page those of its own request (:mod:`varying`).
    """

    max_age: float | None
    s_maxage: float | None
    no_store: bool = False
    no_cache: bool = False
    private: bool = False
    public: bool = False
    must_revalidate: bool = False
    vary: frozenset[bytes] = frozenset()

    def and_also(self, other: Parts) -> Parts:
        """These and another part."""
        return Parts(
            max_age=_least(self.max_age, other.max_age),
            s_maxage=_least(self.s_maxage, other.s_maxage),
            no_store=self.no_store or other.no_store,
            no_cache=self.no_cache or other.no_cache,
            private=self.private or other.private,
            public=self.public and other.public,
            must_revalidate=self.must_revalidate or other.must_revalidate,
            vary=self.vary | other.vary,
        )

    def of_page(self, told: Told) -> Parts:
        """A part as its page has it: what that can tell of its ``Vary`` it tells, for the rest it is private."""
        return replace(self, vary=told.names, private=self.private or not told.is_enough)

    def for_caller(self, *, identified: bool) -> Parts:
        """The same, where the one who asked can be told: then it is nobody else's."""
        says_something = self.max_age is not None or self.no_cache or self.must_revalidate or self.private
        return replace(self, public=False, private=says_something) if identified else self

    def written(self) -> bytes | None:
        """The ``Cache-Control`` of the whole; None where there is nothing to say."""
        if self.no_store:
            return b"no-store"
        said = (
            [b"private"] if self.private else [b"public"] if self.public and self.max_age is not None else []
        )
        if self.no_cache:
            said.append(b"no-cache")
        elif self.max_age is not None:
            said.append(b"max-age=%d" % int(self.max_age))
            if not self.private and self.s_maxage is not None and int(self.s_maxage) != int(self.max_age):
                said.append(b"s-maxage=%d" % int(self.s_maxage))
        if self.must_revalidate and (said or self.max_age is not None):
            said.append(b"must-revalidate")
        return b", ".join(said) if said else None


SILENT = Parts(max_age=None, s_maxage=None)
"""A part that says nothing."""

_SET_COOKIE = b"set-cookie"
_OF_THE_CODING = frozenset({b"accept-encoding"})  # parts are decoded here


def part_of(received: Received) -> Parts:
    """What one answer of a service says of itself, as old as it is now."""
    said = directives.of_field(received.fields)
    age = freshness.initial_age(received)
    # For browsers: neither s-maxage nor what is meant for caches like this one.
    browsers = freshness.explicit_lifetime(received, _of_browsers(said))
    shared = browsers if said.s_maxage is None else float(said.s_maxage)
    varies_by = frozenset(listed(received.fields, b"vary")) - _OF_THE_CODING
    return Parts(
        max_age=_left(browsers, age),
        s_maxage=_left(shared, age),
        no_store=said.no_store,
        # What varies by anything matches no request, a browser's neither (RFC 9111 §4.1).
        no_cache=said.no_cache or ANYTHING in varies_by,
        private=said.private or any(name == _SET_COOKIE for name, _ in received.fields),
        public=said.public,
        must_revalidate=said.must_revalidate,
        vary=varies_by,
    )


def _of_browsers(said: Directives) -> Directives:
    """The directives as a browser reads them."""
    return said if said.s_maxage is None else replace(said, s_maxage=None)


def forbids_keeping(parts: Parts | None) -> bool:
    """Whether a part may not be kept for others, whatever lifetime a route states for the whole."""
    return parts is not None and (parts.no_store or parts.private or parts.no_cache)


def _left(lifetime: float | None, age: float) -> float | None:
    return None if lifetime is None else max(0.0, lifetime - age)


def _least(one: float | None, other: float | None) -> float | None:
    return None if one is None or other is None else min(one, other)
