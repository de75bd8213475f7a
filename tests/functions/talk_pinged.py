"""The same under other limits."""

from .talk import connect as connect
