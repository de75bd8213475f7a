"""Any history of requests, answers and waits: what is served without asking could have been served by whoever remembers
everything and reads RFC 9111 anew each time.
"""

from __future__ import annotations

from dataclasses import dataclass

from hypothesis import given, settings
from hypothesis import strategies as st

from bff.services.directives import parse
from bff.services.fields import Pair, first
from tests.services.test_cache import Play, cc

SAID = (
    "max-age=10",
    "max-age=30",
    "s-maxage=20, max-age=5",
    "public, max-age=10",
    "max-age=10, must-revalidate",
    "max-age=10, no-cache",
    "no-store",
    "private, max-age=10",
    "max-age=0",
    "",
)
WISHES = ("", "", "", "no-cache", "no-store", "max-age=3", "min-fresh=7", "max-stale=4")
VARIES = ("", "a", "a, b")


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """Time passes, perhaps the resource changes, and somebody asks."""

    waits: int
    changes: bool
    said: str
    vary: str
    method: str
    wish: str
    fields: tuple[Pair, ...]
    is_authorized: bool


STEPS = st.builds(
    Step,
    waits=st.integers(0, 12),
    changes=st.booleans(),
    said=st.sampled_from(SAID),
    vary=st.sampled_from(VARIES),
    method=st.sampled_from(["GET", "GET", "GET", "GET", "HEAD", "POST"]),
    wish=st.sampled_from(WISHES),
    fields=st.tuples(
        *(st.sampled_from([(name, b"1"), (name, b"2")]) for name in (b"a", b"b")),
    ),
    is_authorized=st.booleans(),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What the origin said of one version to one request, and when."""

    at: float
    version: int
    said: str
    selected: tuple[Pair, ...]
    may_be_kept: bool


class History:
    """An origin, and all that it said. Its answers differ by version and by the fields that their ``Vary`` names; a version
    has one ``Vary``. Mutable state: all of it.
    """

    def __init__(self) -> None:
        self.play = Play(self.answer)
        self.version, self.vary = 0, ""
        self.told: list[Told] = []
        self.step: Step | None = None

    def take(self, step: Step) -> None:
        self.step = step
        self.play.wait(step.waits)
        if step.changes or self.version == 0:
            self.version, self.vary = self.version + 1, step.vary
        wish = (cc(step.wish),) if step.wish else ()
        before, asked = list(self.told), len(self.play.calls)
        got = self.play.get(*step.fields, *wish, method=step.method, authorized=step.is_authorized)
        if len(self.play.calls) == asked and step.method == "GET":
            assert any(self.serves(each, step, got.body, before) for each in before), (step, got)

    def answer(self, sent: list[Pair]) -> tuple[int, list[Pair], bytes]:
        step = self.step
        assert step is not None
        tag = b'"%d"' % self.version
        confirms = step.method != "POST" and first(sent, b"if-none-match") == tag
        # Silence of a 304, or of a HEAD, would leave what was said before.
        said = step.said or ("max-age=10" if confirms or step.method == "HEAD" else "")
        fields = [(b"etag", tag), *([cc(said)] if said else [])]
        fields += [(b"vary", self.vary.encode())] if self.vary else []
        if step.method == "POST":
            self.told = []  # whatever was said before is out of date
            return 200, fields, b"done"
        self.told.append(self.noted(step, said))
        if confirms:
            return 304, fields, b""
        return 200, fields, b"" if step.method == "HEAD" else self.body(step.fields)

    def selected(self, fields: tuple[Pair, ...]) -> tuple[Pair, ...]:
        return tuple(pair for pair in fields if pair[0].decode() in self.vary)

    def body(self, fields: tuple[Pair, ...]) -> bytes:
        return b"%d %r" % (self.version, self.selected(fields))

    def noted(self, step: Step, text: str) -> Told:
        said = parse(text.encode())
        is_for_all = said.public or said.s_maxage is not None or said.must_revalidate
        may = not (said.no_store or said.private or step.wish == "no-store")
        return Told(
            at=self.play.clock.now(),
            version=self.version,
            said=text,
            selected=self.selected(step.fields),
            may_be_kept=may and (is_for_all or not step.is_authorized),
        )

    def serves(self, told: Told, step: Step, body: bytes, before: list[Told]) -> bool:
        """Whether this may answer the request now: told to its selecting fields, not forbidden, fresh enough, and nothing
        newer was told to them that might have been kept.
        """
        said, wish, age = (
            parse(told.said.encode()),
            parse(step.wish.encode()),
            self.play.clock.now() - told.at,
        )
        lifetime = said.s_maxage if said.s_maxage is not None else said.max_age or 0
        may_be_stale = not (said.must_revalidate or said.s_maxage is not None)
        least = wish.min_fresh or (-wish.max_stale if wish.max_stale and may_be_stale else 0)
        is_fresh = lifetime - age > 0 if least == 0 else lifetime - age >= least
        fits = all(pair in step.fields for pair in told.selected)
        is_newest = not any(
            each.at > told.at
            and each.version > told.version
            and each.selected == told.selected
            and each.may_be_kept
            for each in before
        )
        return (
            told.may_be_kept
            and body == b"%d %r" % (told.version, told.selected)
            and fits
            and is_fresh
            and is_newest
            and not (said.no_cache or wish.no_cache or wish.no_store)
            and (wish.max_age is None or age <= wish.max_age)
        )


@settings(max_examples=150, deadline=None, derandomize=True)
@given(st.lists(STEPS, min_size=2, max_size=14))
def test_nothing_is_served_that_the_history_does_not_allow(steps: list[Step]) -> None:
    """Fresh, told to a request with the same selecting fields, by nobody forbidden, and not out of date."""
    history = History()
    for step in steps:
        history.take(step)


def test_histories_have_hits_in_them() -> None:
    """Else they would prove nothing."""
    history = History()
    plain = {"waits": 1, "changes": False, "vary": "a", "method": "GET", "wish": "", "is_authorized": False}
    for number in range(3):
        fields = ((b"a", b"1"), (b"b", b"%d" % number))
        history.take(Step(said="max-age=10", fields=fields, **plain))  # type: ignore[arg-type]
    assert len(history.play.calls) == 1
