"""An issuer's public keys: fetched when first needed, again when an unknown one turns up, kept when the issuer
is down.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from bff.clock import Clock, Expiry
from bff.gateway.door.failures import KeysUnavailable

Fetch = Callable[[str], Awaitable[bytes]]

FETCH_TIMEOUT = 5.0
"""Seconds a fetch may take."""
MOST = 100
"""Keys of one issuer that are kept: more are no key set."""


class Keys:
    """Mutable state: ``_keys``, ``generation`` (counts changes), ``_looked`` (when the last fetch began),
    ``_fetched`` (when one last succeeded), ``_fetching``.
    """

    def __init__(
        self, name: str, place: str, *, fetch: Fetch, clock: Clock, refresh: float, cool_down: float
    ) -> None:
        self.generation = 0
        self._name = name
        self._place = place
        self._fetch = fetch
        self._clock = clock
        self._refresh = refresh
        self._cool_down = cool_down
        self._keys: list[Any] | None = None
        self._looked: float | None = None
        self._fetched = 0.0
        self._fetching: asyncio.Task[None] | None = None

    @property
    def are_there(self) -> bool:
        """Whether any were ever fetched."""
        return self._keys is not None

    def may_change(self) -> bool:
        """Whether another look could bring what is not here: one is under way, or the last is ``cool_down`` ago."""
        if self._fetching is not None or self._looked is None:
            return True
        return self._clock.now() - self._looked >= self._cool_down

    def candidates(self, kid: str | None, algorithm: str) -> list[Any]:
        """The keys that may have made a signature: the one it names, or, if it names none, the only one that
        goes with its algorithm. Old keys are looked after in the background meanwhile.
        """
        if self._clock.now() - self._fetched >= self._refresh and self.may_change():
            self._begin()
        fitting = [key for key in self._keys or () if _fits(key, algorithm)]
        if kid is None:
            return fitting if len(fitting) == 1 else []
        return [key for key in fitting if key.kid == kid]

    async def look(self) -> None:
        """Fetch them, together with whoever else waits for that.

        Raises:
            KeysUnavailable: it failed, and there are none from before.

        """
        if self.may_change():
            # A waiter that leaves does not take the fetch along: others wait for it too.
            await asyncio.shield(self._begin())
        if self._keys is None:
            raise KeysUnavailable(self._name)

    def _begin(self) -> asyncio.Task[None]:
        if self._fetching is None:
            self._looked = self._clock.now()
            self._fetching = asyncio.get_running_loop().create_task(self._run())
        return self._fetching

    async def _run(self) -> None:
        try:
            with Expiry(self._clock, self._clock.now() + FETCH_TIMEOUT):
                text = await self._fetch(self._place)
            fresh = parsed(text)
        except Exception:  # whatever it was: the last good ones go on
            return
        finally:
            self._fetching = None
        if [each.as_dict() for each in fresh] != [each.as_dict() for each in self._keys or ()]:
            self.generation += 1
        self._keys, self._fetched = fresh, self._clock.now()

    async def aclose(self) -> None:
        """Stop fetching."""
        if self._fetching is not None:
            self._fetching.cancel()
            await asyncio.wait({self._fetching})


def parsed(text: bytes) -> list[Any]:
    """The public keys of a JWK Set (RFC 7517 §5). Those of kinds we do not know are left out, as it demands.

    Raises:
        ValueError: it is no key set, or has no key that could be used.

    """
    import json

    document = json.loads(text)
    listed = document.get("keys") if isinstance(document, dict) else None
    if not isinstance(listed, list) or len(listed) > MOST:
        raise ValueError("is not a JWK Set")
    keys = []
    for raw in listed:
        # A symmetric key has no business in a public set: with it, whoever reads the set could sign.
        if isinstance(raw, dict) and raw.get("kty") in ("RSA", "EC", "OKP"):
            try:
                keys += KeySet.import_key_set({"keys": [raw]}).keys
            except (JoseError, ValueError, KeyError, TypeError):
                continue
    if not keys:
        raise ValueError("has no key that could be used")
    return keys


def _fits(key: Any, algorithm: str) -> bool:
    told = key.as_dict()
    if told.get("use", "sig") != "sig" or told.get("alg", algorithm) != algorithm:
        return False
    return bool(key.key_type == _TYPES[algorithm[:2]])


_TYPES = {"RS": "RSA", "PS": "RSA", "ES": "EC", "Ed": "OKP", "HS": "oct"}
