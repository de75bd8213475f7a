"""All declared schemes of one configuration; what has not changed keeps what it has learnt."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from bff.clock import Clock
from bff.config.auth import DemandConfig, JwtConfig, SchemeConfig
from bff.gateway.auth.apikeys import ApiKeys
from bff.gateway.auth.certificate import Certificates
from bff.gateway.auth.guard import Guard
from bff.gateway.auth.scheme import Scheme

if TYPE_CHECKING:
    from bff.gateway.auth.keys import Fetch, Keys


class Schemes:
    """Mutable state: ``_made``, the schemes by name with the configuration each was made of; ``_keys``."""

    def __init__(self, *, clock: Clock, fetch: Fetch) -> None:
        self._clock = clock
        self._fetch = fetch
        self._made: dict[str, tuple[SchemeConfig, Scheme]] = {}
        self._keys: dict[str, Keys] = {}

    def configure(self, configs: Mapping[str, SchemeConfig], folder: Path) -> None:
        """Know these from now on; ``folder`` is where relative paths of key files begin."""
        made = {}
        for name, config in configs.items():
            old = self._made.get(name)
            made[name] = (
                old if old is not None and old[0] == config else (config, self._make(name, config, folder))
            )
        self._made = made
        self._keys = {name: keys for name, keys in self._keys.items() if name in made}

    def guard(self, demand: DemandConfig) -> Guard | None:
        """What stands before a route; None if it asks nothing."""
        if not demand.any:
            return None
        return Guard(demand, {name: scheme for name, (_, scheme) in self._made.items()})

    def _make(self, name: str, config: SchemeConfig, folder: Path) -> Scheme:
        if config.api_keys is not None:
            return ApiKeys(name, config.api_keys)
        if config.certificate is not None:
            return Certificates(name, config.certificate)
        assert config.jwt is not None
        return self._jwt(name, config.jwt, folder)

    def _jwt(self, name: str, config: JwtConfig, folder: Path) -> Scheme:
        from bff.gateway.auth.jwt import Jwt  # joserfc and cryptography: 50 ms that only tokens need
        from bff.gateway.auth.keys import Keys

        if config.jwks is None:
            return Jwt(name, config, keys=None, clock=self._clock)
        place = config.jwks if "://" in config.jwks else str((folder / config.jwks).resolve())
        keys = self._keys[name] = Keys(
            name,
            place,
            fetch=self._fetch,
            clock=self._clock,
            refresh=config.refresh,
            cool_down=config.cool_down,
        )
        return Jwt(name, config, keys=keys, clock=self._clock)

    async def aclose(self) -> None:
        """Stop fetching keys."""
        for keys in self._keys.values():
            await keys.aclose()
