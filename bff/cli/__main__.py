"""``python -m bff.cli``."""

from bff.cli import main

main()
