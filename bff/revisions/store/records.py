"""What the store gives back, as frozen values. Times are Unix time in seconds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from enum import StrEnum
from typing import Any

from bff.frozen import frozen
from bff.revisions.past import Shares, last_good
from bff.revisions.routing import age
from bff.revisions.traffic import LATEST, Traffic


class Origin(StrEnum):
    """Where a revision came from."""

    FOLDER = "folder"
    """The functions folder beside the gateway, when it started or when a file was saved."""
    DEPLOY = "deploy"
    """The admin API."""


@frozen
class Candidate:
    """What is to be published. ``archive`` is what :mod:`bff.revisions.archive` packs, ``settings`` the frozen
    settings as text, ``folder`` the digest of the files alone where they are those of the functions folder;
    an empty ``name`` lets the store give the next one. ``files`` is that digest wherever they are from;
    ``is_approved`` says that its ``check()``, if it has one, agreed to traffic.
    """

    function: str
    digest: str
    archive: bytes
    settings: str = ""
    name: str = ""
    author: str = ""
    folder: str = ""
    note: str = ""
    files: str = ""
    is_approved: bool = False

    @property
    def origin(self) -> Origin:
        """Where it came from."""
        return Origin.FOLDER if self.folder else Origin.DEPLOY


@frozen
class Published:
    """A revision as the store keeps it, without its archive. ``size`` is the archive's, in bytes;
    ``last_active`` is when it last had traffic, as far as a gateway has said; ``condemned`` when its release took
    it back, 0 where none did or somebody gave it all calls since.
    """

    function: str
    number: int
    name: str
    digest: str
    created: float
    author: str = ""
    origin: str = Origin.FOLDER
    note: str = ""
    settings: str = ""
    size: int = 0
    last_active: float = 0.0
    condemned: float = 0.0
    is_new: bool = False


@frozen
class TrafficState:
    """Who gets a function's calls. ``version`` grows with every change of that, and with every newer ``latest``: it is
    0 until one of both comes. ``latest`` is the name of the newest ready revision, empty while there is none, and ``digest`` and ``created`` are that one's; ``folder``
    is the digest of the files last published from the functions folder, settings apart; ``changed`` is the
    number of the last change, by which later states are told from earlier ones; ``is_approved`` says that the
    latest one's ``check()`` agreed to traffic, or that it was never asked for one; ``canary`` is the revision that a
    release goes on of, empty where none does.
    """

    function: str
    version: int = 0
    traffic: Traffic = LATEST
    latest: str = ""
    digest: str = ""
    created: float = 0.0
    folder: str = ""
    changed: int = 0
    is_approved: bool = True
    canary: str = ""

    @property
    def main(self) -> str:
        """The revision with most of the calls; of equals the older one."""
        shares = self.shares()
        return max(sorted(shares, key=age), key=lambda name: shares[name], default="")

    def shares(self) -> dict[str, int]:
        """Percent by revision, of those that have any; nothing while there is no revision."""
        shares: dict[str, int] = {}
        for target in self.traffic.targets if self.latest else ():
            if target.percent:
                name = target.revision or self.latest
                shares[name] = shares.get(name, 0) + target.percent
        return shares

    def routed(self) -> frozenset[str]:
        """Every revision that is named by a share or a tag, the newest one among them if it is meant."""
        means_latest = any(target.revision is None for target in self.traffic.targets)
        return self.traffic.names().union({self.latest} if self.latest and means_latest else ())


@frozen
class Change:
    """What is done to a function's traffic, by whom and why. ``numbers`` are what a verdict stands on;
    ``expected`` is the version it is based on, None for whatever it is; ``goes_back`` says that what is in force now
    shall not be gone back to.
    """

    function: str
    what: str
    who: str
    why: str = ""
    traffic: Traffic | None = None
    expected: int | None = None
    numbers: Mapping[str, Any] = field(default_factory=dict)
    goes_back: bool = False


@frozen
class Entry:
    """A line of a function's history; ``before`` and ``after`` are traffic blocks, None where it did not move."""

    id: int
    function: str
    at: float
    who: str
    what: str
    why: str
    numbers: Mapping[str, Any]
    before: list[dict[str, Any]] | None
    after: list[dict[str, Any]] | None


@frozen
class Back:
    """What a function can go back to: its traffic now, what served before, and the revisions that are kept."""

    now: TrafficState
    past: tuple[Shares, ...]
    versions: tuple[Published, ...]

    def last_good(self) -> Shares | None:
        """What served last before; None where there is nothing that could serve again."""
        kept = {each.name for each in self.versions}
        condemned = {each.name for each in self.versions if each.condemned}
        return last_good(self.past, self.now.shares(), kept=kept, condemned=condemned)


@frozen
class Deployed:
    """What a publication has become: the revision, who gets the calls now, and the release."""

    published: Published
    traffic: TrafficState
    release: ReleaseState


@frozen
class Planned:
    """What goes with a publication or a turn: the traffic, and how far the release has come then, None where it
    stays what it is. ``goes_on`` is False for one that has ended; ``step`` is the one whose counts are kept.
    """

    traffic: Traffic
    release: Mapping[str, Any] | None = None
    goes_on: bool = False
    step: str = ""


@frozen
class ReleaseState:
    """How far a function's release has come, as its loop wrote it; version 0 and None: there was none."""

    function: str
    version: int = 0
    goes_on: bool = False
    state: Mapping[str, Any] | None = None


@frozen
class Counted:
    """What one gateway has counted of one side's calls in one step of a release, whatever its counters are
    called.
    """

    function: str
    step: str
    side: str
    gateway: str
    counters: Mapping[str, Any]


@frozen
class Token:
    """A bearer token, of which the store knows the SHA-256 only. ``used`` is 0.0 until it was."""

    id: str
    name: str
    scopes: frozenset[str]
    created: float
    used: float = 0.0


@frozen
class Audited:
    """One write through the admin API, granted or refused."""

    id: int
    at: float
    who: str
    what: str
    target: str
    status: int
    detail: Mapping[str, Any]
