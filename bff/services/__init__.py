"""Calls to upstream domain services: the only room that opens connections to them."""
