"""For whom an answer is kept: whoever asked, as far as the gateway knows him, and what is left when nobody asks. Pure."""

from __future__ import annotations

import json

from bff.sdk.caller import Caller
from bff.services.stored import ANONYMOUS
from bff.services.validators import CONDITIONS
from bff.services.varying import TELLING

OF_ONE_CALLER = CONDITIONS | TELLING | {b"range", b"cache-control", b"pragma"}
"""Fields of a request that a refresh behind a stale answer goes without."""

_OF_ONE_TOKEN = frozenset({"exp", "iat", "nbf", "jti", "auth_time"})


def subject_of(caller: Caller) -> str:
    """Who asks, and all that a function can read of him: the same name with other rights, or in another tenant,
    may be shown something else. What only tells one token from the next makes no other caller.
    """
    if not caller.is_known:
        return ANONYMOUS
    claims = {name: value for name, value in caller.claims.items() if name not in _OF_ONE_TOKEN}
    told = (caller.scheme, caller.subject, sorted(caller.scopes), sorted(caller.roles), claims)
    return json.dumps(told, sort_keys=True)
