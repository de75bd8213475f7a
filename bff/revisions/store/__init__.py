"""What outlives the process: revisions, traffic, releases, tokens and the audit log, in SQLite or PostgreSQL."""
