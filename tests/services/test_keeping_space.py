"""What a service tells one set of credentials is not shown under another."""

from __future__ import annotations

from typing import Any

from bff.config import ServiceConfig
from bff.services.keeping import _space


def config(**headers: str) -> ServiceConfig:
    raw: dict[str, Any] = {"url": "http://users", "headers": headers}
    return ServiceConfig.model_validate(raw)


def test_other_headers_of_routes_yaml_are_another_space() -> None:
    """A reload that changes the tenant's header finds nothing of the one before; no secret is in the name."""
    one, two = (_space("users", config(**{"x-tenant": tenant}), "") for tenant in ("alpha", "beta"))
    assert one != two
    assert "alpha" not in one
    assert one == _space("users", config(**{"X-Tenant": "alpha"}), "")
    assert _space("users", config(), "") == "service users"
