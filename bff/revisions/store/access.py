"""Who may write, and what they wrote. Plain functions inside somebody's transaction.

Of a token only its SHA-256 is kept: it is 256 random bits, so there is nothing to guess and no salt is
needed (NIST SP 800-63B §5.1.1.2 asks for salt where memorised secrets are kept).
"""

from __future__ import annotations

import hashlib
import json

from bff.revisions.store.database import Row, Session, next_number, row
from bff.revisions.store.moving import encoded
from bff.revisions.store.records import Audited, Token

AUDIT_KEPT = 10_000
"""Lines of the audit log that are kept, the newest."""


def hashed(secret: str) -> str:
    """What the store knows of a token."""
    return hashlib.sha256(secret.encode()).hexdigest()


def add(session: Session, token: Token, secret: str) -> None:
    """Know a token from now on; one with the same id is replaced."""
    session.rows(
        "INSERT INTO tokens (id, hash, name, scopes, created, used) VALUES (?, ?, ?, ?, ?, 0)"
        " ON CONFLICT (id) DO UPDATE SET hash = excluded.hash, name = excluded.name,"
        " scopes = excluded.scopes, created = excluded.created",
        *(token.id, hashed(secret), token.name, " ".join(sorted(token.scopes)), token.created),
    )


def find(session: Session, secret: str) -> Token | None:
    """The token with this secret, or None. Hashes are compared, so the time taken tells nothing of use."""
    sql = "SELECT id, name, scopes, created, used FROM tokens WHERE hash = ?"
    found = row(session, sql, hashed(secret))
    return _token(found) if found else None


def tokens(session: Session) -> tuple[Token, ...]:
    """Every token that is known, oldest first."""
    sql = "SELECT id, name, scopes, created, used FROM tokens ORDER BY created, id"
    return tuple(map(_token, session.rows(sql)))


def touch(session: Session, token_id: str, now: float) -> None:
    """The token was used."""
    session.rows("UPDATE tokens SET used = ? WHERE id = ? AND used < ?", now, token_id, now)


def revoke(session: Session, token_id: str) -> bool:
    """Forget a token; False when there was none."""
    return bool(session.rows("DELETE FROM tokens WHERE id = ? RETURNING id", token_id))


def audit(session: Session, line: Audited, now: float) -> None:
    """Remember one write through the admin API, granted or refused; the oldest lines beyond the bound go."""
    number = next_number(session)
    session.rows(
        "INSERT INTO audit (id, at, who, what, target, status, detail) VALUES (?, ?, ?, ?, ?, ?, ?)",
        *(number, now, line.who, line.what, line.target, line.status, encoded(dict(line.detail))),
    )
    session.rows(
        "DELETE FROM audit WHERE id <= (SELECT id FROM audit ORDER BY id DESC LIMIT 1 OFFSET ?)", AUDIT_KEPT
    )


def audited(session: Session, limit: int, before: int | None) -> tuple[Audited, ...]:
    """The newest lines of the audit log first; ``before`` is the id to go on from."""
    sql = "SELECT id, at, who, what, target, status, detail FROM audit WHERE id < ? ORDER BY id DESC LIMIT ?"
    return tuple(
        Audited(id=i, at=at, who=who, what=what, target=target, status=status, detail=json.loads(detail))
        for i, at, who, what, target, status, detail in session.rows(sql, before or 2**62, limit)
    )


def _token(found: Row) -> Token:
    identity, name, scopes, created, used = found
    return Token(id=identity, name=name, scopes=frozenset(scopes.split()), created=created, used=used)
