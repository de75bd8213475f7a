"""Events: from CloudEvents that come in to functions that get them. See ARCHITECTURE.md."""
