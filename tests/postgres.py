"""A private PostgreSQL server for tests: its own folder, loopback only, ended by its process id.

PostgreSQL's binaries must be there (`.ci/run` installs Debian's); without them the tests that need it fail.
"""

from __future__ import annotations

import itertools
import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
from psycopg import sql

STARTS_WITHIN = "60"


def binaries() -> Path:
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/pg_ctl"), key=lambda each: int(each.parts[-3]))
    if found:
        return found[-1].parent
    on_path = shutil.which("pg_ctl")
    assert on_path, "PostgreSQL's pg_ctl is missing: install Debian's `postgresql`, as .ci/run does"
    return Path(on_path).resolve().parent


class Server:
    """One server. ``url`` leads to its database ``postgres``; ``stop`` and ``start`` keep its data."""

    def __init__(self, folder: Path, port: int) -> None:
        self._folder = folder
        self._bin = binaries()
        self.port = port
        self._user = _unprivileged()
        self._names = itertools.count(1)
        if self._user:
            os.chown(folder, self._user.pw_uid, self._user.pw_gid)

    @property
    def url(self) -> str:
        return f"postgresql://postgres@127.0.0.1:{self.port}/postgres"

    def database(self) -> str:
        """The address of a new, empty database."""
        name = f"t{next(self._names)}"
        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        return self.url.removesuffix("postgres") + name

    def set(self, **settings: str) -> None:
        """Change what the server goes by, as far as it need not be started anew."""
        with psycopg.connect(self.url, autocommit=True) as connection:
            for name, value in settings.items():
                change = sql.SQL("ALTER SYSTEM SET {} = {}")
                connection.execute(change.format(sql.Identifier(name), sql.Literal(value)))
            connection.execute("SELECT pg_reload_conf()")

    def create(self) -> None:
        self._run("initdb", "--auth=trust", "--username=postgres", "--no-sync", "--encoding=UTF8")
        (self._folder / "data/postgresql.auto.conf").write_text(
            f"port = {self.port}\nlisten_addresses = '127.0.0.1'\nunix_socket_directories = '{self._folder}'\n"
            "max_connections = 40\nshared_buffers = '16MB'\nfsync = off\n"
        )

    def start(self) -> None:
        self._run("pg_ctl", "--wait", f"--timeout={STARTS_WITHIN}", f"--log={self._folder}/log", "start")

    def stop(self) -> None:
        """At once, as when its machine goes: connections are cut."""
        if (self._folder / "data/postmaster.pid").exists():
            self._run("pg_ctl", "--wait", f"--timeout={STARTS_WITHIN}", "--mode=immediate", "stop")

    def _run(self, program: str, *options: str) -> None:
        done = subprocess.run(
            [self._bin / program, f"--pgdata={self._folder}/data", *options],
            stdout=subprocess.DEVNULL,  # the server inherits it: a pipe would never end
            stderr=subprocess.STDOUT,
            cwd=self._folder,
            env={"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8"},
            user=self._user.pw_uid if self._user else None,
            group=self._user.pw_gid if self._user else None,
            extra_groups=[] if self._user else None,
            timeout=90,
        )
        assert done.returncode == 0, f"{program} failed: {self._log()}"

    def _log(self) -> str:
        log = self._folder / "log"
        return log.read_text() if log.exists() else "no log"


def _unprivileged() -> pwd.struct_passwd | None:
    """PostgreSQL refuses to run as root."""
    if os.geteuid() != 0:
        return None
    known = {each.pw_name: each for each in pwd.getpwall()}
    return known.get("postgres") or known["nobody"]


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def server() -> Iterator[Server]:
    # Not below pytest's folder, which only its own user may enter.
    folder = Path(tempfile.mkdtemp(prefix="bff-pg-"))
    started = Server(folder, _free_port())
    try:
        started.create()
        started.start()
        yield started
    finally:
        started.stop()
        shutil.rmtree(folder, ignore_errors=True)
