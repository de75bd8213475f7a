"""Blocks its own thread."""

import threading


def handle() -> str:
    threading.Event().wait(5)
    return "awake"
