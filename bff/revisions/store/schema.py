"""The tables, as numbered migrations that only ever grow. One text for SQLite and PostgreSQL.

SQLite has no type names of its own that matter (its §3.1 "affinity" reads BIGINT as INTEGER and DOUBLE
PRECISION as REAL, and leaves bytes alone), so PostgreSQL's are written. ``sequence`` is one row that every
change takes the next number from, and holds until it commits: numbers become visible in their order, and a
poller that asks for what came after one misses nothing.
"""

from __future__ import annotations

MIGRATIONS: tuple[tuple[str, ...], ...] = (
    (
        "CREATE TABLE sequence (id BIGINT PRIMARY KEY, at BIGINT NOT NULL)",
        "INSERT INTO sequence (id, at) VALUES (1, 0)",
        """CREATE TABLE functions (
            name TEXT PRIMARY KEY, numbered BIGINT NOT NULL, latest TEXT NOT NULL, folder TEXT NOT NULL,
            version BIGINT NOT NULL, block TEXT NOT NULL, changed BIGINT NOT NULL)""",
        "CREATE INDEX functions_changed ON functions (changed)",
        """CREATE TABLE revisions (
            function TEXT NOT NULL, number BIGINT NOT NULL, name TEXT NOT NULL UNIQUE, digest TEXT NOT NULL,
            created DOUBLE PRECISION NOT NULL, author TEXT NOT NULL, origin TEXT NOT NULL, note TEXT NOT NULL,
            settings TEXT NOT NULL, size BIGINT NOT NULL, last_active DOUBLE PRECISION NOT NULL,
            PRIMARY KEY (function, number), UNIQUE (function, digest))""",
        # Apart from what is listed: SQLite reads whole rows, and a listing shall not wade through archives.
        "CREATE TABLE archives (name TEXT PRIMARY KEY, archive BYTEA NOT NULL)",
        """CREATE TABLE history (
            id BIGINT PRIMARY KEY, function TEXT NOT NULL, at DOUBLE PRECISION NOT NULL, who TEXT NOT NULL,
            what TEXT NOT NULL, why TEXT NOT NULL, numbers TEXT NOT NULL, before TEXT, after TEXT)""",
        "CREATE INDEX history_function ON history (function, id)",
        """CREATE TABLE releases (
            function TEXT PRIMARY KEY, version BIGINT NOT NULL, goes_on BIGINT NOT NULL, state TEXT NOT NULL)""",
        """CREATE TABLE cohorts (
            function TEXT NOT NULL, step TEXT NOT NULL, side TEXT NOT NULL, gateway TEXT NOT NULL,
            counters TEXT NOT NULL, PRIMARY KEY (function, step, side, gateway))""",
        "CREATE TABLE leases (name TEXT PRIMARY KEY, holder TEXT NOT NULL, until DOUBLE PRECISION NOT NULL)",
        """CREATE TABLE tokens (
            id TEXT PRIMARY KEY, hash TEXT NOT NULL UNIQUE, name TEXT NOT NULL, scopes TEXT NOT NULL,
            created DOUBLE PRECISION NOT NULL, used DOUBLE PRECISION NOT NULL)""",
        """CREATE TABLE audit (
            id BIGINT PRIMARY KEY, at DOUBLE PRECISION NOT NULL, who TEXT NOT NULL, what TEXT NOT NULL,
            target TEXT NOT NULL, status BIGINT NOT NULL, detail TEXT NOT NULL)""",
    ),
    (
        # Keys begin with the time, so that their order is that of acceptance; ``due`` is when a delivery may be
        # taken: of one that waits its not-before, of one that runs the end of its holder's lease.
        """CREATE TABLE events (
            key TEXT PRIMARY KEY, source TEXT NOT NULL, id TEXT NOT NULL, type TEXT NOT NULL,
            subject TEXT NOT NULL, accepted DOUBLE PRECISION NOT NULL, triggers TEXT NOT NULL,
            document BYTEA NOT NULL, UNIQUE (source, id))""",
        "CREATE INDEX events_accepted ON events (accepted)",
        """CREATE TABLE deliveries (
            key TEXT PRIMARY KEY, event TEXT NOT NULL, trigger_name TEXT NOT NULL, function TEXT NOT NULL,
            is_letter BIGINT NOT NULL, state TEXT NOT NULL, is_open BIGINT NOT NULL,
            due DOUBLE PRECISION NOT NULL, attempts BIGINT NOT NULL, base BIGINT NOT NULL, holder TEXT NOT NULL,
            lane TEXT NOT NULL, updated DOUBLE PRECISION NOT NULL)""",
        "CREATE INDEX deliveries_due ON deliveries (is_open, due, key)",
        "CREATE INDEX deliveries_event ON deliveries (event)",
        "CREATE INDEX deliveries_state ON deliveries (state, key)",
        "CREATE INDEX deliveries_lane ON deliveries (lane, key) WHERE lane <> '' AND is_open = 1",
        """CREATE TABLE attempts (
            delivery TEXT NOT NULL, number BIGINT NOT NULL, began DOUBLE PRECISION NOT NULL,
            ended DOUBLE PRECISION, status BIGINT NOT NULL, code TEXT NOT NULL, detail TEXT NOT NULL,
            revision TEXT NOT NULL, gateway TEXT NOT NULL, PRIMARY KEY (delivery, number))""",
        "CREATE TABLE pauses (trigger_name TEXT PRIMARY KEY, at DOUBLE PRECISION NOT NULL, who TEXT NOT NULL)",
        # One row that who takes deliveries holds meanwhile: gateways take turns, and none waits for another's row.
        "CREATE TABLE claims (id BIGINT PRIMARY KEY, at BIGINT NOT NULL)",
        "INSERT INTO claims (id, at) VALUES (1, 0)",
    ),
    (
        """CREATE TABLE results (
            delivery TEXT PRIMARY KEY, status BIGINT NOT NULL, headers TEXT NOT NULL, body BYTEA NOT NULL,
            is_cut BIGINT NOT NULL)""",
        """CREATE TABLE progress (
            delivery TEXT PRIMARY KEY, at DOUBLE PRECISION NOT NULL, done DOUBLE PRECISION NOT NULL,
            total DOUBLE PRECISION, note TEXT NOT NULL)""",
    ),
    (
        # Revisions: when one was taken back by its release, when its `check()` agreed to traffic, and the digest
        # of its files whatever its settings. Functions: what served before, as JSON.
        "ALTER TABLE revisions ADD COLUMN condemned DOUBLE PRECISION NOT NULL DEFAULT 0",
        "ALTER TABLE revisions ADD COLUMN approved DOUBLE PRECISION NOT NULL DEFAULT 0",
        "ALTER TABLE revisions ADD COLUMN files TEXT NOT NULL DEFAULT ''",
        "ALTER TABLE functions ADD COLUMN past TEXT NOT NULL DEFAULT '[]'",
        "UPDATE revisions SET approved = created",
        """UPDATE revisions SET condemned = created WHERE EXISTS (SELECT 1 FROM releases
            WHERE releases.function = revisions.function AND releases.state LIKE '%"state":"rolled-back"%'
            AND releases.state LIKE '%"canary":"' || revisions.name || '"%')""",
        # Nobody wrote down what served before: the newest that had calls and was not taken back, below all that
        # have some now.
        """UPDATE functions SET past = COALESCE((SELECT '[{"' || r.name || '":100}]' FROM revisions r
            WHERE r.function = functions.name AND r.last_active > 0 AND r.condemned = 0
            AND r.name <> functions.latest AND NOT EXISTS (SELECT 1 FROM revisions m
                WHERE m.function = r.function AND m.number <= r.number
                AND functions.block LIKE '%"' || m.name || '"%')
            ORDER BY r.number DESC LIMIT 1), '[]')""",
    ),
    (
        """CREATE TABLE runs (
            key TEXT PRIMARY KEY, pipeline TEXT NOT NULL, plan TEXT NOT NULL, state TEXT NOT NULL,
            step BIGINT NOT NULL, total BIGINT NOT NULL, done BIGINT NOT NULL,
            created DOUBLE PRECISION NOT NULL, updated DOUBLE PRECISION NOT NULL, why TEXT NOT NULL)""",
        "CREATE INDEX runs_pipeline ON runs (pipeline, key)",
    ),
    # Of each trigger with a rate: when it would have had its deliveries so far, if they had come evenly.
    ("CREATE TABLE rates (trigger_name TEXT PRIMARY KEY, at DOUBLE PRECISION NOT NULL)",),
)
"""Each is run once, in its order, in one transaction with the note that it was."""

NOTED = (
    "CREATE TABLE IF NOT EXISTS migrations (version BIGINT PRIMARY KEY, applied DOUBLE PRECISION NOT NULL)"
)
