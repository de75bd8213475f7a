"""Logs and metrics: they listen to signals, and nobody below knows that they exist."""
