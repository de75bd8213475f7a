"""The same for a while only."""

from .events import handle as handle
