"""The lane of a call: a short label that travels from service to service, so that a canary page is answered by
canary services. Pure.

By default it is a member of W3C Baggage (https://www.w3.org/TR/baggage/): ``baggage: lane=canary``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, MutableMapping

from bff.frozen import frozen

_LABEL = re.compile(r"[a-z]([-a-z0-9]{0,61}[a-z0-9])?")
MOST_BYTES = 8192
"""Of a baggage field; a longer one is not read, and not added to (W3C Baggage §3.3.2)."""


@frozen
class Carrier:
    """The header field, in lower case, and the member of it where it is ``baggage``."""

    header: str = "baggage"
    member: str = "lane"

    @property
    def _is_baggage(self) -> bool:
        return self.header == "baggage"

    def read(self, headers: Iterable[tuple[bytes, bytes]]) -> str:
        """The label a request carries; "" where it carries none, or nothing that is one."""
        wanted = self.header.encode()
        text = b",".join(value for name, value in headers if name == wanted).decode("latin-1")
        if len(text) > MOST_BYTES:
            return ""
        found = self._member(text) if self._is_baggage else text.strip()
        return found if _LABEL.fullmatch(found) else ""

    def _member(self, text: str) -> str:
        for member in text.split(","):
            name, equals, value = member.partition(";")[0].partition("=")
            if equals and name.strip() == self.member:
                return value.strip()
        return ""

    def write(self, fields: MutableMapping[str, str], label: str) -> None:
        """Put the label into a call's fields, in the place of another; other baggage stays."""
        if not self._is_baggage:
            fields[self.header] = label
            return
        mine = f"{self.member}={label}"
        others = [
            member.strip()
            for member in fields.get("baggage", "").split(",")
            if member.strip() and member.partition("=")[0].strip() != self.member
        ]
        whole = ",".join((mine, *others))
        fields["baggage"] = whole if len(whole) <= MOST_BYTES else mine


BAGGAGE = Carrier()
"""What carries lanes where nothing else is configured."""
