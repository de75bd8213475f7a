"""Offers no handler at all."""


def handler() -> str:
    return "misnamed"
