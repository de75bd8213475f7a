"""Ends the process while it is imported."""

import sys

sys.exit("secret detail 4711")
