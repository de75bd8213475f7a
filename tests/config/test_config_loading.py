"""load(): what a valid file becomes, and the questions a Config answers."""

from __future__ import annotations

import subprocess
import sys
from ipaddress import ip_network
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from pydantic import ValidationError

from bff.config import (
    Config,
    ConfigInvalid,
    CorsConfig,
    FunctionConfig,
    GatewayConfig,
    RouteConfig,
    ServiceConfig,
    discover,
    load,
)
from bff.config.names import suggest
from bff.config.section import Section

if TYPE_CHECKING:
    from tests.config.conftest import Project


@pytest.mark.parametrize(
    "text",
    ["", "# nothing yet\n", "{}\n", "services:\nfunctions:\nroutes:\ngateway:\ntelemetry:\ndefaults:\n"],
)
def test_an_empty_file_is_all_defaults(project: Project, text: str) -> None:
    config = project.load(text)
    assert config == Config(folder=project.folder / "functions").read_from(
        project.path, config.functions_found
    )
    assert (config.gateway.max_body, config.gateway.max_head, config.gateway.keep_alive_timeout) == (
        2**20,
        32 * 2**10,
        75.0,
    )
    assert config.defaults.timeout == config.defaults.warm_up_timeout == 10.0
    assert list(config.functions_found) == ["files", "home", "render"]


def test_every_key_arrives(project: Project) -> None:
    config = project.load(
        """\
$schema: ./routes.schema.json
folder: functions
gateway:
  trusted_proxies: [10.0.0.0/8, "::1"]
  max_body: 2MB
  max_head: 65536
  head_timeout: 1s
  keep_alive_timeout: 1m
  drain_timeout: 1m30s
  cors: {origins: "HTTP://Localhost:5173", credentials: true, headers: [X-One], expose: X-Two, max_age: 1h}
telemetry: {access_log: false, metrics: false, log_level: debug, log_sample: 50%, log_key: k, log_format: json,
  recorder: {memory: 1MiB, slow: 2s, bodies: 1KiB}}
defaults: {timeout: 1s, warm_up_timeout: 2s}
services:
  users: {url: "http://users:8080/v1/", timeout: 300ms, headers: {Authorization: x}, max_connections: 3, keep_alive: 1s}
functions:
  home: {timeout: 3s, warm_up_timeout: 4s, env: {A: b}, cancel_on_disconnect: true, stream_idle_timeout: 5s,
         stream_timeout: 6s, threads: 7}
  files:
routes:
  - {path: "/a/{b}", methods: [get, post], function: home, timeout: 2s, max_body: 1KiB,
     forward_headers: [Accept-Language], forward_cookies: [Session]}
"""
    )
    assert config.gateway == GatewayConfig(
        trusted_proxies=(ip_network("10.0.0.0/8"), ip_network("::1")),
        max_body=2_000_000,
        max_head=65536,
        head_timeout=1.0,
        keep_alive_timeout=60.0,
        drain_timeout=90.0,
        cors=CorsConfig(
            origins=("http://localhost:5173",),
            credentials=True,
            headers=("x-one",),
            expose=("x-two",),
            max_age=3600.0,
        ),
    )
    assert config.telemetry.model_dump() == {
        "access_log": False, "metrics": False, "log_level": "debug", "log_sample": 0.5,
        "log_key": config.telemetry.log_key, "log_format": "json",
        "recorder": {"enabled": True, "memory": 2**20, "slow": 2.0, "bodies": 1024},
        "traces": None,
        "server_timing": None,
        "trace_headers": (),
    }  # fmt: skip
    users = config.services["users"]
    assert (users.url, users.timeout, users.max_connections, users.keep_alive) == (
        "http://users:8080/v1",
        0.3,
        3,
        1.0,
    )
    home = config.function("home")
    assert (home.timeout, home.warm_up_timeout, home.cancel_on_disconnect) == (3.0, 4.0, True)
    assert (home.stream_idle_timeout, home.stream_timeout, home.threads) == (5.0, 6.0, 7)
    assert config.functions["files"] == FunctionConfig()
    (route,) = config.routes
    assert (route.methods, route.timeout, route.max_body) == (("GET", "POST"), 2.0, 1024)
    assert (route.forward_headers, route.forward_cookies) == (("accept-language",), ("Session",))
    assert route.pattern.parameters == ("b",)


def test_timeouts_and_limits_are_the_least_that_apply(project: Project) -> None:
    config = project.load(
        """\
defaults: {timeout: 5s, warm_up_timeout: 6s}
gateway: {max_body: 10B}
functions: {home: {timeout: 20s, warm_up_timeout: 1s}}
routes:
  - {path: /a, function: home}
  - {path: /b, function: home, timeout: 2s, max_body: 20B}
  - {path: /c, function: files}
  - {path: /d, function: files, timeout: 30s}
"""
    )
    assert [config.timeout_of(route) for route in config.routes] == [20.0, 2.0, 5.0, 30.0]
    assert [config.max_body_of(route) for route in config.routes] == [10, 20, 10, 10]
    assert (config.warm_up_timeout("home"), config.warm_up_timeout("files")) == (1.0, 6.0)
    assert (config.function_timeout("home"), config.function_timeout("files")) == (20.0, 5.0)
    assert config.function("files") == FunctionConfig()


def test_a_config_cannot_be_changed(project: Project) -> None:
    config = project.load("services: {a: {url: 'http://a'}}\nfunctions: {home: {env: {A: b}}}\n")
    with pytest.raises(ValidationError):
        config.folder = Path()  # type: ignore[misc]
    for mapping in (
        config.services,
        config.functions,
        config.functions["home"].env,
        config.services["a"].headers,
    ):
        with pytest.raises(TypeError):
            mapping["new"] = None  # type: ignore[index]
        assert config.model_dump_json()


def test_code_can_build_configuration_without_a_file() -> None:
    config = Config(
        services={"a": ServiceConfig(url="http://a", timeout=0.5)},
        functions={"home": FunctionConfig(env={"A": "b"}, timeout=2.0)},
        routes=(RouteConfig(path="/a", function="home"),),
    )
    assert config.timeout_of(config.routes[0]) == 2.0
    assert config.functions["home"].env["A"].get_secret_value() == "b"
    assert repr(config) == "<Config routes.yaml: 1 services, 0 functions, 1 routes>"


def test_the_folder_is_seen_from_the_file(project: Project) -> None:
    project.add("lib/pages/start.py")
    config = project.load("folder: lib/pages\nroutes: [{path: /, function: start}]\n")
    assert config.folder == project.folder / "lib/pages"
    assert config.functions_found == {"start": project.folder / "lib/pages/start.py"}
    assert config.path == project.path


def test_a_project_without_a_functions_folder_is_valid(tmp_path: Path) -> None:
    (tmp_path / "routes.yaml").write_text("services: {a: {url: 'http://a'}}\n")
    assert load(tmp_path / "routes.yaml").functions_found == {}


def test_functions_are_files_and_packages_and_nothing_else(tmp_path: Path) -> None:
    for name in (
        "home.py",
        "page/__init__.py",
        "_shared.py",
        "__init__.py",
        "Upper.py",
        "my-page.py",
        "data.json",
        "class.py",
        ".x.py",
    ):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    for name in ("__pycache__", "empty", "folder.py", "_lib"):
        (tmp_path / name).mkdir()
    (tmp_path / "linked.py").symlink_to(tmp_path / "home.py")
    (tmp_path / "dangling.py").symlink_to(tmp_path / "nowhere")
    found = discover(tmp_path)
    assert list(found) == ["home", "linked", "page"]
    assert found["page"] == tmp_path / "page/__init__.py"
    assert found["home"] == tmp_path / "home.py"


def test_a_name_in_both_forms_is_refused(project: Project) -> None:
    project.add("functions/home/__init__.py")
    sentence = "there are both home.py and home/__init__.py; remove or rename one of them"
    with pytest.raises(ConfigInvalid, match=sentence):
        discover(project.folder / "functions")
    assert project.lines("routes: [{path: /, function: home}]\n") == [f"functions/home.py: {sentence}"]


def test_a_folder_that_is_not_there_has_no_functions(tmp_path: Path) -> None:
    assert discover(tmp_path / "nowhere") == {}


def test_a_file_in_place_of_the_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "functions").touch()
    with pytest.raises(ConfigInvalid, match="is a file; functions live in a folder"):
        discover(tmp_path / "functions")


def test_names_are_suggested_when_they_are_close() -> None:
    assert suggest("hme", ["home", "files"]) == "; did you mean home?"
    assert suggest("Max-Body", ["max_body"]) == "; did you mean max_body?"
    assert suggest("zzz", ["home", "files"]) == suggest("home", []) == ""


def test_importing_the_room_leaves_yaml_alone() -> None:
    code = "import sys, bff.config; print([m for m in sys.modules if 'yaml' in m])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_thousand_functions_load_in_one_pass(project: Project) -> None:
    """Ten times the routes must not cost a hundred times the comparisons: counted, not timed."""
    for n in range(1000):
        project.add(f"functions/f{n}.py")
    routes = "".join(f"  - {{path: '/f{n}/{{id}}', function: f{n}}}\n" for n in range(1000))
    config = project.load("routes:\n" + routes)
    assert len(config.routes) == 1000
    assert config.routes[999].function == "f999"


def empty(section: type[Section]) -> Section | None:
    try:
        return section()
    except ValidationError:  # it asks for a key, or for one of several
        return None


@pytest.mark.parametrize(
    "section",
    [each for each in sorted(Section.__subclasses__(), key=lambda each: each.__name__) if empty(each)],
)
def test_a_plain_section_is_what_an_empty_one_is(section: type[Section]) -> None:
    """It is made without a validator, so nothing checks its defaults but this. Only the whole is always read."""
    assert section is Config or section.plain() == section()
