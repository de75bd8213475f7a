"""How much a form may hold; what reads forms is imported with the first one."""

from __future__ import annotations

from bff.frozen import frozen


@frozen
class FormLimits:
    """Numbers of fields and of files, and bytes of one of each; a file is limited by the body alone where
    ``max_file`` is None. The defaults are Starlette's.
    """

    max_fields: int = 1000
    max_files: int = 1000
    max_field: int = 2**20
    max_file: int | None = None


FORM_LIMITS = FormLimits()
