"""What the pages point at is there: files and headings, commands, environment variables, headers."""

from __future__ import annotations

import re
from pathlib import Path

from typer.main import get_command

from bff.cli.commands import app

ROOT = Path(__file__).parents[2]
_CODE = re.compile(r"^```.*?^```$|`[^`\n]+`", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")


def sources() -> str:
    """Everything a variable or a header may be defined in."""
    files = [*ROOT.glob("bff/**/*.py"), *ROOT.glob("demo/*.py"), ROOT / "routes.yaml", ROOT / "Dockerfile"]
    return "\n".join(file.read_text("utf-8") for file in files)


def anchors(page: Path) -> set[str]:
    """The fragments of a page's headings, as they are made where repositories are shown."""
    headings = re.findall(r"^#+ (.+)$", page.read_text("utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}


def test_every_relative_link_leads_somewhere(pages: list[Path]) -> None:
    """To a file or folder of the repository and, where it names one, to a heading of that page."""
    dead = []
    for page in pages:
        for link in _LINK.findall(_CODE.sub("", page.read_text("utf-8"))):
            if link.startswith(("http://", "https://")):
                continue
            name, _, fragment = link.partition("#")
            target = (page.parent / name).resolve() if name else page
            if not target.exists():
                dead.append(f"{page.name}: {link}")
            elif fragment and fragment not in anchors(target):
                dead.append(f"{page.name}: {link}: no such heading")
    assert not dead


def test_every_page_can_be_reached_from_the_readme(pages: list[Path]) -> None:
    """By following links; none is an orphan."""
    reached, waiting = set(), [ROOT / "README.md"]
    while waiting:
        page = waiting.pop()
        if page in reached or page.suffix != ".md" or not page.is_file():
            continue
        reached.add(page)
        links = _LINK.findall(_CODE.sub("", page.read_text("utf-8")))
        waiting += [(page.parent / link.partition("#")[0]).resolve() for link in links if "://" not in link]
    assert {page.relative_to(ROOT) for page in set(pages) - reached} == set()


def test_every_command_and_option_named_exists(pages: list[Path]) -> None:
    """``bff COMMAND --option`` in any page is one that ``bff --help`` knows, and none is left unnamed."""
    commands = getattr(get_command(app), "commands")  # noqa: B009 - typed as a plain command
    unknown, named = [], set()
    for page in pages:
        for code in _CODE.findall(page.read_text("utf-8")):
            for name, rest in re.findall(r"(?<!from )(?<![\w./-])bff ([a-z]+)\b([^`\n]*)", code):
                if name not in commands:
                    unknown.append(f"{page.name}: bff {name}")
                    continue
                named.add(name)
                below = getattr(commands[name], "commands", {}).values()  # where a group has its options
                parameters = [each for command in (commands[name], *below) for each in command.params]
                known = {option for each in parameters for option in each.opts} | {"--help"}
                asked = set(re.findall(r"(?<!\S)(--[a-z-]+)", rest.partition("|")[0]))
                unknown += [f"{page.name}: bff {name} {option}" for option in sorted(asked - known)]
    assert not unknown
    assert named == set(commands)


def test_every_environment_variable_named_is_read(pages: list[Path]) -> None:
    """A variable in a page's text or commands is one the code or the image knows."""
    known = sources()
    example = {"API_KEY", "NAME", "USERS_URL", "USERS_CONNECTIONS", "PIN", "GREETING", "FIRST", "SIGNED_BY"}
    example |= {"BFF_TOKEN"}  # of who runs the commands that the console shows
    for page in pages:
        for code in _CODE.findall(page.read_text("utf-8")):
            if code.startswith("```") and not code.startswith(("```sh", "```console")):
                continue
            for name in re.findall(
                r"(?<![\w.-])\$?\{?([A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+|PORT)(?=[=}`\s:]|$)", code
            ):
                assert name in known or name in example, f"{page.name}: {name}"


def test_every_header_named_is_sent_or_read(pages: list[Path]) -> None:
    """``Bff-…``, ``X-…`` and the other fields that the pages speak of are in the code, in any spelling."""
    known = sources().lower()
    pattern = r"`((?:Bff|X)-[A-Za-z-]+|Server-Timing|Retry-After|Cache-Control|Vary|Allow|Date|Forwarded)\b"
    for page in pages:
        for name in re.findall(pattern, page.read_text("utf-8")):
            # KrakenD's own field may be spoken of; nothing of ours begins so.
            assert name.lower() in known, f"{page.name}: {name}"


def test_no_page_names_a_machine(pages: list[Path]) -> None:
    """No absolute path of somebody's disk, no package index."""
    for page in pages:
        text = page.read_text("utf-8")
        assert not re.search(r"(?<![\w.])/(home|root|work|Users|tmp)/", text), page.name
        assert not re.search(r"://\S*/simple\b|--(?:extra-)?index", text), page.name
