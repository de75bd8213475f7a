"""What a service tells one set of credentials is not shown under another."""

from __future__ import annotations

from bff.services.stored import space_of


def test_other_headers_of_routes_yaml_are_another_space() -> None:
    """A reload that changes the tenant's header finds nothing of the one before; no secret is in the name."""
    one, two = (space_of("users", {"x-tenant": tenant}) for tenant in ("alpha", "beta"))
    assert one != two
    assert "alpha" not in one
    assert one == space_of("users", {"x-tenant": "alpha"})
    assert space_of("users", {}) == "service users" != space_of("users", {}, "v2")
