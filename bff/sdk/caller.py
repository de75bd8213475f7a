"""Who calls, once a credential has been checked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from typing import Any

from bff.frozen import frozen


@frozen
class Caller:
    """``ctx.caller``: who it is by which scheme, and what it may do.

    ``subject`` names it within its scheme: a token's ``sub``, an API key's name, a certificate's URI or subject.
    ``claims`` are a token's, checked; empty otherwise. ``scheme`` is the name under ``auth`` in routes.yaml;
    empty for nobody in particular.
    """

    subject: str = ""
    scheme: str = ""
    scopes: frozenset[str] = frozenset()
    roles: frozenset[str] = frozenset()
    claims: Mapping[str, Any] = field(default_factory=dict)

    @property
    def is_known(self) -> bool:
        """Whether it has shown who it is."""
        return bool(self.scheme)

    @property
    def identity(self) -> str:
        """Scheme and subject in one word, for whoever keeps things apart by caller; empty for nobody."""
        return f"{self.scheme}:{self.subject}" if self.scheme else ""

    def __repr__(self) -> str:
        return f"<Caller {self.identity or 'nobody'}>"


NOBODY = Caller()
"""Who calls where nobody was asked, or showed nothing."""
