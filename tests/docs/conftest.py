"""A reader who follows a page word by word: writes its files, types its commands, compares what is shown.

A page marks what a program can follow in the fences of its blocks:

* ``python title=functions/home.py`` (any language): a file to write below the reader's folder;
* ``console``: lines with ``$ `` are typed in the reader's own terminal, the lines after each are what it shows;
* ``console terminal=NAME``: a terminal of its own, whose command stays; ``^C`` as a line ends it.

In what a page shows, ``…`` stands for any text within a line, and alone on a line for any lines.
"""

from __future__ import annotations

import os
import pty
import random
import re
import shutil
import signal
import socket
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import pytest

ROOT = Path(__file__).parents[2]
PATIENCE = 60.0
NOTHING: Mapping[str, str] = {}
_FENCE = re.compile(r"^```(?P<info>[^\n]*)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)
_COLOUR = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


@dataclass(frozen=True, slots=True)
class Block:
    """One fenced block of a page."""

    language: str
    marks: dict[str, str]
    text: str
    line: int


def blocks_of(page: Path) -> list[Block]:
    """Every fenced block, in order."""
    text = page.read_text("utf-8")
    found = []
    for match in _FENCE.finditer(text):
        language, *marks = match["info"].split() or [""]
        line = text.count("\n", 0, match.start()) + 1
        found.append(Block(language, dict(mark.split("=", 1) for mark in marks), match["text"], line))
    return found


def is_as_shown(shown: str, heard: str, *, anywhere: bool = False) -> bool:
    """Whether output is what a page shows; with ``anywhere``, whether it holds those lines in that order."""
    lines = [line.rstrip() for line in shown.strip("\n").splitlines()]
    patterns = [
        r"(?:.*\n)*?" if line.strip() == "…" else re.escape(line).replace("…", ".*?") + r"[ \t]*\n"
        for line in lines
    ]
    text = heard.replace("\r\n", "\n").strip("\n") + "\n"
    if anywhere:
        return re.search("^" + r"(?:.*\n)*?".join(patterns), text, re.MULTILINE) is not None
    return re.fullmatch("".join(patterns) or r"\n", text) is not None


def free_ports(count: int) -> list[int]:
    """Ports nobody listens on, below those the system gives to clients, so that no other test gets them."""
    found: list[int] = []
    while len(found) < count:
        port = random.randrange(20_000, 30_000)
        with closing(socket.socket()) as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            if port not in found:
                found.append(port)
    return found


class Terminal:
    """One command that stays, on a terminal of its own, as a person would see it."""

    def __init__(self, command: str, folder: Path, env: dict[str, str]) -> None:
        self._screen, inside = pty.openpty()
        # One process, and no shell between: ^C and the end reach the command itself.
        self.process = subprocess.Popen(
            ["/bin/sh", "-c", f"exec {command}"],
            cwd=folder,
            env=env,
            stdout=inside,
            stderr=inside,
            stdin=inside,
        )
        os.close(inside)
        self._heard = ""
        self._seen = 0
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        with suppress(OSError):  # EIO: the last process on the terminal has ended
            while piece := os.read(self._screen, 65536):
                self._heard += _COLOUR.sub("", piece.decode("utf-8", "replace"))

    def shows(self, shown: str) -> None:
        """Wait until the screen shows these lines, below everything that was waited for before."""
        if not shown.strip():
            return
        until = time.monotonic() + PATIENCE
        while not is_as_shown(shown, self._heard[self._seen :], anywhere=True):
            assert time.monotonic() < until, f"not on the screen:\n{shown}\nbut:\n{self._heard[self._seen :]}"
            time.sleep(0.02)
        self._seen = len(self._heard)

    def interrupt(self) -> int:
        """^C, and the exit code."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
        code = self.process.wait(PATIENCE)
        self._reader.join(PATIENCE)
        return code

    def close(self) -> None:
        """Whatever happens, nothing is left running."""
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self._reader.join(PATIENCE)
        os.close(self._screen)


class Reader:
    """Follows pages in an empty folder. Mutable state: ``folder``, the terminals, ``_ports``."""

    def __init__(self, folder: Path, *, has_curl: bool, environ: Mapping[str, str]) -> None:
        self.folder = folder
        self._home = folder
        self._ports: dict[str, str] = {}
        self._terminals: dict[str, Terminal] = {}
        tools = folder.parent / "tools"
        tools.mkdir()
        if not has_curl:
            curl = tools / "curl"
            curl.write_text(f"#!{sys.executable}\n{CURL}")
            curl.chmod(0o755)
        kept = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("PYTEST", "BFF", "PORT"))
        }
        path = os.pathsep.join([str(tools), str(Path(sys.executable).parent), os.environ["PATH"]])
        self._env = {
            **kept,
            "PATH": path,
            "COLUMNS": "120",
            "TERM": "dumb",
            "PYTHONUNBUFFERED": "1",
            **environ,
        }

    def follow(self, page: Path, *, files_first: bool = False) -> None:
        """Do everything the page says, in its order; in a reference page, write all of its files first."""
        blocks = blocks_of(page)
        if files_first:
            blocks.sort(key=lambda block: "title" not in block.marks)
        self._choose_ports("".join(block.text for block in blocks))
        for block in blocks:
            text = self._with_ports(block.text)
            try:
                if "title" in block.marks:
                    self._write(block.marks["title"], text)
                elif block.language == "console":
                    self._type(block.marks.get("terminal"), text)
            except AssertionError as error:
                error.add_note(f"{page.name}, the block at line {block.line}")
                raise

    # The one place where a page's words are not taken literally: whoever runs the tests may use its ports.

    def _choose_ports(self, text: str) -> None:
        named = sorted({*re.findall(r"\b(?:80|90)[0-9]{2}\b", text), "8000", "8001"})
        self._ports = dict(zip(named, map(str, free_ports(len(named))), strict=True))
        self._env["PORT"] = self._ports["8000"]
        self._env["BFF_ADMIN"] = f"http://127.0.0.1:{self._ports['8001']}"

    def _with_ports(self, text: str) -> str:
        return re.sub(r"\b(?:80|90)[0-9]{2}\b", lambda found: self._ports[found[0]], text)

    def _command(self, line: str) -> str:
        serves = re.match(r"bff (dev|serve)\b", line) and "--admin" not in line
        return f"{line} --admin 127.0.0.1:{self._ports['8001']}" if serves else line

    # ------------------------------------------------------------------------------------------------

    def _write(self, name: str, text: str) -> None:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        draft = path.with_name(f".{path.name}.draft")
        draft.write_text(text, "utf-8")
        draft.replace(path)

    def _type(self, terminal: str | None, text: str) -> None:
        first, *steps = re.split(r"^(?=\$ |\^C$)", text, flags=re.MULTILINE)
        if first.strip():
            assert terminal is not None, f"no command before {first!r}"
            self._terminals[terminal].shows(first)
        for step in steps:
            if step.startswith("^C"):
                assert terminal is not None, "^C needs a terminal"
                self._end(terminal, step[2:])
                continue
            line, _, shown = step[2:].replace("\\\n", " ").partition("\n")
            if terminal is None:
                self._run(line, shown)
            else:
                self._terminals[terminal] = Terminal(self._command(line), self.folder, self._env)
                self._terminals[terminal].shows(shown)

    def _end(self, name: str, shown: str) -> None:
        terminal = self._terminals.pop(name)
        code = terminal.interrupt()
        try:
            terminal.shows(shown)
        finally:
            terminal.close()
        assert code in (0, -signal.SIGINT, 130), f"{name} ended with {code}"

    def _run(self, line: str, shown: str) -> None:
        if line.startswith("cd "):
            self.folder = (self.folder / line.removeprefix("cd ").strip()).resolve()
            return
        until = time.monotonic() + PATIENCE
        # A person looks again: what was saved a moment ago may not be live yet.
        may_repeat = line.startswith("curl") and " -d " not in line
        while True:
            heard = self._output(line)
            if is_as_shown(shown, heard):
                return
            has_time = may_repeat and time.monotonic() < until
            assert has_time, f"$ {line}\n{heard}\nbut the page shows:\n{shown}"
            time.sleep(0.05)

    def _output(self, line: str) -> str:
        done = subprocess.run(
            ["/bin/sh", "-c", line],
            cwd=self.folder,
            env=self._env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
        return _COLOUR.sub("", done.stdout).replace(str(self._home), "…")

    def close(self) -> None:
        """End what still runs, newest first."""
        with ExitStack() as stack:
            for terminal in self._terminals.values():
                stack.callback(terminal.close)


CURL = textwrap.dedent(
    '''
    """The part of curl that our pages use: -s, -i, -N, -X, -H, -d, -F, and an address."""
    import argparse, sys, httpx

    parser = argparse.ArgumentParser()
    parser.add_argument("-s", action="store_true")
    parser.add_argument("-i", action="store_true")
    parser.add_argument("-N", action="store_true")
    parser.add_argument("-X")
    parser.add_argument("-H", action="append", default=[])
    parser.add_argument("-d")
    parser.add_argument("-F", action="append", default=[])
    parser.add_argument("url")
    asked = parser.parse_args()
    headers = {"accept": "*/*", "user-agent": "curl"}
    headers |= {name.strip(): value.strip() for name, _, value in (field.partition(":") for field in asked.H)}
    if asked.d is not None and not any(name.lower() == "content-type" for name in headers):
        headers["content-type"] = "application/x-www-form-urlencoded"
    data, files = {}, {}
    for name, _, value in (part.partition("=") for part in asked.F):
        if value.startswith("@"):
            files[name] = (value[1:], open(value[1:], "rb"))
        else:
            data[name] = value
    method = asked.X or ("POST" if asked.d is not None or asked.F else "GET")
    answer = httpx.request(method, asked.url, headers=headers, content=asked.d, data=data or None,
                           files=files or None, trust_env=False, timeout=60)
    if asked.i:
        print(f"HTTP/1.1 {answer.status_code} {answer.reason_phrase}")
        for name, value in answer.headers.multi_items():
            print(f"{name}: {value}")
        print()
    sys.stdout.flush()
    sys.stdout.buffer.write(answer.content)
    '''
)


class MakeReader(Protocol):
    """``reader(has_curl=…)``: somebody with an empty folder; without curl, a few lines of Python stand in. ``environ``
    are variables that the page takes for set.
    """

    def __call__(self, *, has_curl: bool | None = None, environ: Mapping[str, str] = ...) -> Reader: ...


@pytest.fixture
def reader(tmp_path: Path) -> Iterator[MakeReader]:
    """Makes readers and, afterwards, ends everything they started."""
    with ExitStack() as stack:

        def make(*, has_curl: bool | None = None, environ: Mapping[str, str] = NOTHING) -> Reader:
            folder = tmp_path / "reader"
            folder.mkdir()
            knows = shutil.which("curl") is not None if has_curl is None else has_curl
            made = Reader(folder, has_curl=knows, environ=environ)
            stack.callback(made.close)
            return made

        yield make


@pytest.fixture(scope="session")
def pages() -> list[Path]:
    """Every page of documentation the project itself has."""
    return sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])
