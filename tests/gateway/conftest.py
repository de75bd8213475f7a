"""The samples of ``tests/functions`` behind one gateway that a module's tests share."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Mapping
from hashlib import sha256
from pathlib import Path

import pytest

from tests.conftest import GatewayFactory, Running
from tests.gateway import upstream
from tests.gateway.byhand import ByHand, gateway_by_hand
from tests.gateway.upstream import Passing, PassingByHand

SAMPLES = Path(__file__).parent.parent / "functions"

ROUTES = """\
gateway:
  max_body: 64KiB
  max_head: 16KiB
  head_timeout: 60s
  drain_timeout: {drain}
{gateway}
auth:
  friends: {{api_keys: {{keys: {{ali: {{digest: "sha256:{digest}"}}}}}}}}
defaults: {{timeout: 60s, warm_up_timeout: 60s}}
functions:
  patient: {{env: {{NOTES: "{notes}"}}}}
  patient_cancelled: {{env: {{NOTES: "{notes}"}}, cancel_on_disconnect: true}}
  stream: {{env: {{NOTES: "{notes}"}}, stream_idle_timeout: 60s}}
  events: {{env: {{NOTES: "{notes}"}}, stream_heartbeat: 100ms}}
  events_short: {{env: {{NOTES: "{notes}"}}, stream_timeout: 300ms}}
  page: {{env: {{NOTES: "{notes}"}}}}
  talk: {{env: {{NOTES: "{notes}"}}, websocket: {{max_message: 128KiB}}}}
  talk_small: {{env: {{NOTES: "{notes}"}}, websocket: {{max_message: 16KiB, max_frame: 8KiB}}}}
  talk_pinged: {{env: {{NOTES: "{notes}"}}, websocket: {{ping: 300ms}}}}
  talk_idle: {{env: {{NOTES: "{notes}"}}, stream_idle_timeout: 200ms}}
  talk_short: {{env: {{NOTES: "{notes}"}}, stream_timeout: 200ms}}
  talk_two: {{env: {{NOTES: "{notes}"}}, concurrency: 2}}
  broken_slow: {{warm_up_timeout: 200ms}}
routes:
- {{path: /hello, function: hello}}
- {{path: /raw/hurried, methods: [POST], function: raw, timeout: 300ms}}
- {{path: /hello/posted, methods: [POST], function: hello}}
- {{path: /whoami, function: whoami}}
- {{path: "/greet/{{name}}", function: greet}}
- {{path: "/tree/{{name:path}}", function: greet}}
- {{path: /item, methods: [POST, PUT], function: item}}
- {{path: /anything, methods: POST, function: anything}}
- {{path: /raw, methods: [POST], function: raw}}
- {{path: /patient, methods: [GET, POST], function: patient}}
- {{path: /patient/cancelled, methods: [POST], function: patient_cancelled}}
- {{path: /sleepy, methods: [GET, POST], function: sleepy, timeout: 300ms}}
- {{path: /sleepy/sync, function: sleepy_sync, timeout: 300ms}}
- {{path: /stream, methods: [GET, POST], function: stream}}
- {{path: /stream/hurried, function: stream, timeout: 300ms}}
- {{path: /stream/sync, function: stream_sync}}
- {{path: /events, function: events}}
- {{path: /events/hurried, function: events, timeout: 300ms}}
- {{path: /events/short, function: events_short}}
- {{path: /page, function: page}}
- {{path: /page/errors, function: page, errors: true}}
- {{path: /page/hurried, function: page, timeout: 300ms}}
- {{path: /page/kept, function: page, cache: {{ttl: 1m}}}}
- {{path: /talk, function: talk}}
- {{path: /talk/hurried, function: talk, timeout: 300ms}}
- {{path: /talk/guarded, function: talk, auth: friends}}
- {{path: /talk/small, function: talk_small}}
- {{path: /talk/pinged, function: talk_pinged}}
- {{path: /talk/idle, function: talk_idle}}
- {{path: /talk/short, function: talk_short}}
- {{path: /talk/two, function: talk_two}}
- {{path: /talk/two/hurried, function: talk_two, timeout: 300ms}}
- {{path: /fails, function: fails}}
- {{path: /fails/sync, function: fails_sync}}
- {{path: /typed, function: typed}}
- {{path: "/site/{{rest:path}}", methods: [GET, POST], function: site}}
- {{path: "/bare/{{rest:path}}", methods: [GET, POST], function: bare}}
- {{path: /bare/sleeps, function: bare, timeout: 300ms}}
- {{path: /broken/syntax, function: broken_syntax}}
- {{path: /broken/import, function: broken_import}}
- {{path: /broken/body, function: broken_body}}
- {{path: /broken/exit, function: broken_exit}}
- {{path: /broken/signature, function: broken_signature}}
- {{path: "/broken/path/{{who}}", function: broken_path}}
- {{path: /broken/nothing, function: broken_nothing}}
- {{path: /broken/ready, function: broken_ready}}
- {{path: /broken/slow, function: broken_slow}}
"""


class Served(Running):
    """A gateway with the samples. ``notes`` is where the functions write what happened to them."""

    notes: Path

    def noted(self, tag: str) -> list[str]:
        """What ``patient`` wrote under this tag."""
        file = self.notes / f"{tag}.txt"
        return file.read_text().split() if file.exists() else []

    def let_go(self, tag: str) -> None:
        """Let ``patient`` finish, or ``stream`` go one step on."""
        (self.notes / tag).touch()


ServeSamples = Callable[..., Served]


def lay_out(folder: Path, section: str = "", drain: str = "2s") -> Path:
    """A project folder with every sample; ``section`` is more of its gateway section, indented by two.

    No limit here is short but where running into it is the story: a machine may stall for seconds, anywhere.
    """
    functions = folder / "functions"
    functions.mkdir(parents=True)
    (folder / "notes").mkdir()
    for file in (*SAMPLES.glob("*.py"), *(SAMPLES / "broken").glob("*.py")):
        shutil.copy(file, functions)
    (folder / "routes.yaml").write_text(
        ROUTES.format(
            gateway=section,
            drain=drain,
            notes=folder / "notes",
            digest=sha256(b"sesame").hexdigest(),
        )
    )
    return folder


def _served(
    start: GatewayFactory, folder: Path, mode: str, section: str, env: Mapping[str, str], drain: str = "2s"
) -> Served:
    running = start(lay_out(folder, section, drain), mode, env=env)
    running.__class__ = Served
    running.notes = folder / "notes"
    return running


@pytest.fixture(scope="module")
def module_samples(module_gateway: GatewayFactory, tmp_path_factory: pytest.TempPathFactory) -> ServeSamples:
    """``module_samples("serve", section="  cors: …")``: the samples, served for a whole module."""

    def serve(mode: str = "serve", *, section: str = "", env: Mapping[str, str] | None = None) -> Served:
        folder = tmp_path_factory.mktemp("project") / "samples"
        return _served(module_gateway, folder, mode, section, env or {})

    return serve


@pytest.fixture
def samples(gateway: GatewayFactory, tmp_path: Path) -> ServeSamples:
    """The same for one test."""

    def serve(
        mode: str = "serve", *, section: str = "", env: Mapping[str, str] | None = None, drain: str = "2s"
    ) -> Served:
        return _served(gateway, tmp_path / "samples", mode, section, env or {}, drain)

    return serve


@pytest.fixture(scope="module")
def served(module_samples: ServeSamples) -> Served:
    """``bff serve`` with the samples, shared by a module's tests."""
    return module_samples("serve")


@pytest.fixture(scope="module")
def by_hand(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ByHand]:
    """The samples behind a gateway whose time stands still unless it is moved. Heads and bodies have 300 ms."""
    folder = lay_out(tmp_path_factory.mktemp("project") / "samples", "  body_timeout: 300ms\n")
    routes = folder / "routes.yaml"
    routes.write_text(routes.read_text().replace("head_timeout: 60s", "head_timeout: 300ms"))
    with gateway_by_hand(folder) as gateway:
        gateway.notes = folder / "notes"
        yield gateway


@pytest.fixture(scope="module")
def passing_by_hand(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PassingByHand]:
    """The routes of ``passing`` behind a gateway whose time stands still unless it is moved."""
    service = upstream.Upstream()
    folder = upstream.lay_out(tmp_path_factory.mktemp("project") / "passing", service)
    with gateway_by_hand(folder, PassingByHand) as gateway:
        gateway.upstream = service
        yield gateway
    service.close()


@pytest.fixture(scope="module")
def passing(module_gateway: GatewayFactory, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Passing]:
    """``bff serve`` with routes of services that the module's tests play themselves."""
    service = upstream.Upstream()
    folder = upstream.lay_out(tmp_path_factory.mktemp("project") / "passing", service)
    running = module_gateway(folder, "serve")
    running.__class__ = Passing
    running.upstream = service
    yield running
    service.close()
