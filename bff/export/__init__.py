"""What front-end teams and other tools take away: an OpenAPI document, TypeScript types."""
