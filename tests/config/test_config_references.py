"""References: what they become, what is wrong with them, and that nothing that came in is ever shown."""

from __future__ import annotations

import copy
import json
import os
import traceback
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from bff.config import ConfigInvalid, load
from bff.config.references import ReferenceBroken, References

if TYPE_CHECKING:
    from tests.config.conftest import Project

SECRET = "hunter2-s3cr3t"


def expand(text: str, folder: Path = Path("/nowhere"), **environ: str) -> str:
    return References(environ=environ, folder=folder).expand(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("${A}", "one"),
        ("x${A}y${B}z", "xoneytwoz"),
        ("${NOPE:-d}", "d"),
        ("${NOPE:-}", ""),
        ("${EMPTY}", ""),
        ("${EMPTY:-d}", "d"),
        ("${A:-d}", "one"),
        ("${NOPE:-http://x:80/}", "http://x:80/"),
        ("$${A}", "${A}"),
        ("$$${A}", "$${A}"),
        ("$A $ $$", "$A $ $$"),
        ("${NEST}", "${A}"),
        ("plain", "plain"),
    ],
)
def test_references_are_followed_once(text: str, expected: str) -> None:
    assert expand(text, A="one", B="two", EMPTY="", NEST="${A}") == expected


@pytest.mark.parametrize(
    ("text", "messages"),
    [
        ("${NOPE}", ["the variable NOPE is not set; set it, or write ${NOPE:-default}"]),
        ("${A} ${B}", ["the variable A is not set", "the variable B is not set"]),
        ("${A", ["not closed with }"]),
        ("${}", ["not a reference"]),
        ("${A-b}", ["not a reference"]),
        ("${A:?b}", ["not a reference"]),
        ("${a b}", ["not a reference"]),
        ("${A:-${B}}", ["cannot hold another one"]),
        ("${file:nope}", ["the secret file 'nope' does not exist"]),
        ("${file:}", ["the secret file '' is not a regular file"]),
        ("${file:/dev/zero}", ["the secret file '/dev/zero' is not a regular file"]),
        ("${file:a\0b}", ["the secret file 'a\\x00b'"]),
    ],
)
def test_a_reference_that_leads_nowhere_is_named(text: str, messages: list[str], tmp_path: Path) -> None:
    with pytest.raises(ReferenceBroken) as caught:
        expand(text, tmp_path)
    assert len(caught.value.messages) == len(messages)
    for message, part in zip(caught.value.messages, messages, strict=True):
        assert part in message


@pytest.mark.parametrize(
    ("content", "expected"),
    [(b"x", "x"), (b"x\n", "x"), (b"x\r\n", "x"), (b"x\n\n", "x\n"), (b"", ""), (b"x\r", "x\r")],
)
def test_a_secret_file_loses_one_newline_at_its_end(content: bytes, expected: str, tmp_path: Path) -> None:
    (tmp_path / "token").write_bytes(content)
    assert expand("${file:token}", tmp_path) == expected
    assert expand(f"${{file:{tmp_path}/token}}") == expected


def test_a_secret_file_is_text_of_modest_size(tmp_path: Path) -> None:
    (tmp_path / "binary").write_bytes(b"\xff" + SECRET.encode())
    (tmp_path / "big").write_bytes(b"x" * (2**20 + 1))
    os.mkfifo(tmp_path / "pipe")
    for name, why in (
        ("binary", "is not UTF-8 text"),
        ("big", "is larger than 1 MiB"),
        ("pipe", "is not a regular file"),
    ):
        with pytest.raises(ReferenceBroken, match=f"'{name}' {why}") as caught:
            expand(f"${{file:{name}}}", tmp_path)
        assert SECRET not in str(caught.value)


def test_a_value_without_quotes_takes_the_type_of_what_it_became(project: Project) -> None:
    text = "services:\n  a: {url: 'http://a'}\n  b:\n    url: ${U}\n    max_connections: ${N}\n    timeout: ${T}\n"
    config = project.load(text + "telemetry:\n  metrics: ${M}\n", U="http://b/", N="7", T="2s", M="false")
    assert config.services["b"].url == "http://b"
    assert config.services["b"].max_connections == 7
    assert config.services["b"].timeout == 2.0
    assert config.telemetry.metrics is False


def test_numbers_and_flags_work_in_the_quotes_that_flow_style_demands(project: Project) -> None:
    text = 'services: {a: {url: "${U}", max_connections: "${N}"}}\ntelemetry: {metrics: "${M}"}\n'
    config = project.load(text, U="https://a:8443/x", N="7", M="false")
    assert (config.services["a"].max_connections, config.telemetry.metrics) == (7, False)


@pytest.mark.parametrize(
    ("written", "became"),
    [
        ("0042", "0042"),
        ("1e5", "1e5"),
        ("true", "true"),
        ("'x'", "x"),
        ("${PIN}", "0007"),
        ('"${PIN}"', "0007"),
        ("${E}", ""),
        ("''", ""),
    ],
)
def test_settings_stay_the_text_they_were(project: Project, written: str, became: str) -> None:
    config = project.load(f"functions:\n  home:\n    env:\n      A: {written}\n", PIN="0007", E="")
    assert config.functions["home"].env["A"].get_secret_value() == became


def test_the_process_environment_is_read_unless_another_is_given(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BFF_TEST_URL", "http://from-environ")
    project.add("routes.yaml", "services:\n  a:\n    url: ${BFF_TEST_URL}\n")
    assert load(project.path).services["a"].url == "http://from-environ"


SHY = f"""\
folder: ${{FOLDER}}
gateway:
  max_body: ${{SIZE}}
  cors: {{origins: ["${{ORIGIN}}"], headers: ["x-ok"]}}
services:
  users: {{url: "http://${{HOST}}", headers: {{authorization: "Bearer ${{file:token}}", x-literal: "{SECRET}-literal"}}}}
functions:
  home: {{env: {{KEY: "${{file:token}}", PLAIN: "{SECRET}-plain"}}, threads: "${{N}}"}}
routes:
  - {{path: "/${{HOST}}", function: "${{F}}", methods: "${{METHOD}}", forward_cookies: ["${{HOST}}"]}}
"""


def test_what_came_through_a_reference_is_used_and_never_shown(project: Project) -> None:
    project.add("token", SECRET + "\n")
    project.add(f"{SECRET}-folder/home.py")
    environ = {
        "FOLDER": f"{SECRET}-folder", "SIZE": "987654321", "ORIGIN": f"http://{SECRET}", "HOST": SECRET,
        "N": "777", "F": "home", "METHOD": "HUNTERMETHOD",
    }  # fmt: skip
    config = project.load(SHY, **environ)
    assert config.services["users"].headers["authorization"].get_secret_value() == f"Bearer {SECRET}"
    assert config.services["users"].url == f"http://{SECRET}"
    assert config.gateway.max_body == 987654321
    assert config.function("home").threads == 777
    assert config.routes[0].path == f"/{SECRET}"
    parts = [
        config,
        config.gateway,
        config.gateway.cors,
        *config.services.values(),
        *config.functions.values(),
        *config.routes,
    ]
    for part in [*parts, copy.copy(config), config.model_copy()]:
        assert part is not None
        shown = " ".join(
            [
                repr(part),
                str(part),
                str(part.model_dump()),
                part.model_dump_json(),
                str(list(part.__rich_repr__())),
            ]
        )
        for secret in (SECRET, "987654321", "777", "HUNTERMETHOD"):
            assert secret not in shown
    assert json.loads(config.model_dump_json())["gateway"]["max_body"] == "**********"


def test_what_was_written_in_the_file_is_shown(project: Project) -> None:
    config = project.load("services: {users: {url: 'http://users'}}\ngateway: {max_body: 2MiB}\n")
    assert "http://users" in repr(config.services["users"])
    assert config.model_dump()["gateway"]["max_body"] == 2 * 2**20


WRONG_EVERYWHERE = """\
folder: ${S}
gateway:
  max_body: ${S}
  max_head: ${S}
  head_timeout: ${S}
  trusted_proxies: ["${S}", "10.0.0.${ONE}/8"]
  cors: {origins: ["http://${S}/"], credentials: "${S}", headers: ["${S} "], max_age: "${S}", expose: ["${S} x"]}
telemetry: {log_level: "${S}", log_format: "${S}", metrics: "${S}", access_log: "${NUMBER}"}
services:
  users: {url: "${S}", timeout: "${NUMBER}", max_connections: "${S}", keep_alive: "${S}", headers: {a: "${S}\\n"}}
  more: {url: "http://u:${S}@x", headers: {b: "${file:token}\\r"}}
  odd: "${S}"
functions:
  home: {threads: "${NUMBER}", timeout: "${S}", env: "${S}"}
  files: "${S}"
routes:
  - {path: "${S}", function: home, methods: ["${S}", "${S}"]}
  - {path: "/{${S}}", function: "${S}", methods: ["${S} x"], max_body: "${S}", timeout: "${NUMBER}"}
  - {path: "/${ONE}", function: "${S}", methods: ["${M}"], forward_headers: ["${S} ", "${C}", "${C}"]}
  - {path: "/${ONE}", function: "${NUMBER}", methods: ["${M}"], forward_cookies: ["${S}", "${S}"]}
  - {path: "/{a:${S}}", function: home, forward_cookies: ["${S} "], forward_headers: ["${M}", "${M}"]}
  - "${S}"
"""


def test_no_mistake_ever_repeats_what_came_through_a_reference(project: Project) -> None:
    project.add("token", SECRET)
    environ = {"S": SECRET, "NUMBER": "98765", "ONE": "171", "M": "XSECRETM", "C": "Cookie"}
    project.add("routes.yaml", WRONG_EVERYWHERE.replace("folder: ${S}", ""))
    for text in (WRONG_EVERYWHERE, WRONG_EVERYWHERE.replace("folder: ${S}", "$schema: ${S}")):
        project.add("routes.yaml", text)
        with pytest.raises(ConfigInvalid) as caught:
            load(project.path, environ=environ)
        error = caught.value
        said = "".join(traceback.format_exception(error)) + json.dumps([m.as_dict() for m in error.mistakes])
        said += repr(error) + repr(error.mistakes)
        assert len(error.mistakes) > 30
        assert (
            error.__context__ is None
        )  # a reporter that walks the chain finds no pydantic error with its input
        for secret in (SECRET, SECRET.upper(), "98765", "171", "XSECRETM", "xsecretm"):
            assert secret not in said


def test_a_broken_reference_is_the_only_mistake_of_its_value(project: Project) -> None:
    text = (
        "folder: ${NOPE}\nservices:\n  a: {url: '${NOPE}', timeout: '${NOPE}'}\n"
        "functions:\n  home: {env: {A: '${NOPE}'}}\nroutes:\n  - {path: '${NOPE}', function: '${NOPE}'}\n"
    )
    mistakes = project.mistakes(text)
    assert [m.key for m in mistakes] == [
        "folder", "services.a.url", "services.a.timeout", "functions.home.env.A", "routes[0].path", "routes[0].function",
    ]  # fmt: skip
    assert all("the variable NOPE is not set" in m.message for m in mistakes)
