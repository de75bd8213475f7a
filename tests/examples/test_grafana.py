"""The dashboard and the alerts, with a real Prometheus that scrapes a real gateway."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from bff.telemetry.catalogue import METRICS
from tests import prometheus
from tests.conftest import Running, eventually, write
from tests.prometheus import promtool

FOLDER = Path(__file__).parents[2] / "examples/grafana"
RULES = FOLDER / "bff.rules.yaml"
DASHBOARD = json.loads((FOLDER / "bff.dashboard.json").read_text())
PANELS = [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]
TRACE = "0af7651916cd43dd8448eb211c80319c"
RARE = {
    "Error budget, how fast it burns",  # an hour's worth of it
    "Releases",
    "Verdicts on canaries",
    "Instances that ended by themselves",
    "Code that does not load",
    "The loop was blocked",
}
"""Panels of what does not happen here."""

ROUTES = """
services: {{users: {{url: "{url}"}}}}
functions: {{apart: {{isolation: process}}}}
triggers: {{orders: {{function: event, filters: [{{exact: {{type: order}}}}]}}}}
events: {{path: /events}}
routes:
  - {{path: /page, function: page}}
  - {{path: /kept, function: kept, cache: {{ttl: 1m}}}}
  - {{path: /apart, function: apart}}
  - {{path: /fails, function: fails}}
"""
FUNCTIONS = {
    "page": """
        from bff import Context, gather, optional
        async def handle(ctx: Context) -> str:
            users = ctx.services.users
            await gather(users.get("/ok"), users.get("/ok"), optional(users.get("/bad"), default=None))
            return "page"
        """,
    "kept": "async def handle() -> str:\n    return 'kept'\n",
    "apart": "def handle() -> str:\n    return 'apart'\n",
    "fails": "async def handle() -> str:\n    raise RuntimeError('no')\n",
    "event": "from bff import CloudEvent\nasync def handle(event: CloudEvent) -> None:\n    return None\n",
}


class Upstream(BaseHTTPRequestHandler):
    """Answers well, or 503."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.send_response(200 if self.path == "/ok" else 503)
        self.send_header("content-length", "2")
        self.end_headers()
        self.wfile.write(b"ok")

    def log_message(self, *_: Any) -> None:
        """Nothing."""


@pytest.fixture(scope="module")
def running(
    module_gateway: Callable[..., Running], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Running]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Upstream) as upstream:
        threading.Thread(target=upstream.serve_forever, daemon=True).start()
        folder = tmp_path_factory.mktemp("grafana")
        routes = ROUTES.format(url=f"http://127.0.0.1:{upstream.server_port}")
        files = {f"functions/{name}.py": text for name, text in FUNCTIONS.items()}
        gateway = module_gateway(write(folder, {"routes.yaml": routes, **files}))
        visit(gateway)
        yield gateway
        upstream.shutdown()


def visit(gateway: Running) -> None:
    """Something of everything: pages, cold and warm, failures, an event."""
    for path in ("/page", "/page", "/kept", "/kept", "/apart", "/fails", "/nowhere"):
        gateway.get(path, headers={"traceparent": f"00-{TRACE}-00f067aa0ba902b7-01"})
    event = {"ce-specversion": "1.0", "ce-id": "1", "ce-source": "/t", "ce-type": "order"}
    assert gateway.client.post("/events", headers=event).status_code == 202


@pytest.fixture(scope="module")
def scraping(running: Running, tmp_path_factory: pytest.TempPathFactory) -> Iterator[prometheus.Server]:
    target = running.admin.removeprefix("http://")
    with prometheus.server(tmp_path_factory.mktemp("prometheus"), target, RULES) as made:
        # Two scrapes with everything in them, for a rate.
        eventually(
            lambda: made.query('rate(bff_event_deliveries_total{outcome="delivered"}[5m])'),
            within=60,
            every=0.1,
        )
        yield made


def scraped(running: Running, accept: str = "") -> httpx.Response:
    return httpx.get(f"{running.admin}/metrics", headers={"accept": accept}, trust_env=False)


def expressions() -> list[tuple[str, str]]:
    """Every query of the dashboard, as Grafana would send it, and its panel."""
    found = [(panel["title"], target["expr"]) for panel in PANELS for target in panel["targets"]]
    found += [("annotations", each["expr"]) for each in DASHBOARD["annotations"]["list"]]
    replaced = {"$__rate_interval": "5m", "$__interval": "5m"}
    return [(title, _without_variables(expr, replaced)) for title, expr in found]


def _without_variables(expression: str, replaced: dict[str, str]) -> str:
    for name, value in replaced.items():
        expression = expression.replace(name, value)
    return re.sub(r"\$(?:function|revision|service)\b", ".*", expression)


def test_promtool_has_nothing_to_say_about_a_scrape(running: Running) -> None:
    """Names, units, help, types: https://prometheus.io/docs/practices/naming/."""
    text = scraped(running).text
    assert 'bff_requests_total{fault=""' in text
    ran = promtool("check", "metrics", stdin=text)
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "", "")


def test_openmetrics_is_spoken_where_it_is_asked_for(running: Running) -> None:
    """With exemplars, read by a strict reader; text for everybody else."""
    answer = scraped(running, "application/openmetrics-text;version=1.0.0,text/plain;q=0.5")
    assert answer.headers["content-type"].startswith("application/openmetrics-text; version=1.0.0")
    families = {family.name: family for family in text_string_to_metric_families(answer.text)}
    traces = {
        sample.exemplar.labels["trace_id"]
        for sample in families["bff_request_duration_seconds"].samples
        if sample.exemplar is not None
    }
    assert traces == {TRACE}
    plain = scraped(running, "text/html, */*")
    assert plain.headers["content-type"].startswith("text/plain; version=0.0.4")
    assert TRACE not in plain.text


def test_every_metric_of_the_dashboard_and_the_rules_is_in_a_scrape(running: Running) -> None:
    """And every one that we have but a few is on the dashboard."""
    known = set(re.findall(r"^# TYPE (\w+) ", scraped(running).text, re.MULTILINE))
    queries = "\n".join(expr for _, expr in expressions())
    named = set(re.findall(r"\b(?:bff|process|python)_\w+", queries + RULES.read_text()))
    plain = {re.sub(r"_(?:bucket|sum|count)$", "", name) for name in named} - {"bff_requests_failed"}
    assert plain <= known, plain - known
    assert {each.name for each in METRICS} <= plain


def test_the_rules_warn_of_what_they_should_and_of_nothing_else() -> None:
    """Fast and slow burns, and everything that needs somebody, on made-up series."""
    checked = promtool("check", "rules", str(RULES))
    assert checked.returncode == 0, checked.stderr
    tested = promtool("test", "rules", "bff.rules.test.yaml", folder=FOLDER)
    assert tested.returncode == 0, tested.stdout + tested.stderr
    alerts = set(re.findall(r"alert: (\w+)", RULES.read_text()))
    cases = (FOLDER / "bff.rules.test.yaml").read_text()
    assert all(re.search(rf"alertname: {name}\n +eval_time: \w+\n +exp_alerts:\n", cases) for name in alerts)


def test_prometheus_scrapes_and_evaluates_every_rule(scraping: prometheus.Server) -> None:
    """Loaded from the file as it is; none fails; and the failing function's burn is seen."""

    def evaluated() -> Any:
        groups = scraping.asked("rules")["groups"]
        rules = [rule for group in groups for rule in group["rules"]]
        return rules if all(rule["health"] != "unknown" for rule in rules) else None

    rules = eventually(evaluated, within=60)
    assert {rule["health"] for rule in rules} == {"ok"}
    written = RULES.read_text()
    assert len(rules) == written.count("- alert:") + written.count("- record:")
    burns = eventually(
        lambda: scraping.query('function:bff_requests_failed:ratio_rate5m{function="fails"}'), within=60
    )
    assert burns[0]["metric"]["function"] == "fails"


@pytest.mark.parametrize("title", [panel["title"] for panel in PANELS])
def test_every_panel_shows_something(scraping: prometheus.Server, title: str) -> None:
    """Prometheus understands its queries, and unless it is about what does not happen here, has an answer."""
    queries = [expr for panel, expr in expressions() if panel == title]
    assert queries

    def shows() -> bool:
        answers = [scraping.query(expr) for expr in queries]  # each of them must be understood
        return any(answers)

    if title in RARE:
        shows()
    else:
        eventually(
            shows, within=60, every=0.2
        )  # a scrape that came too late takes everything away until the next


def test_prometheus_keeps_the_exemplars(scraping: prometheus.Server, running: Running) -> None:
    """It asks for OpenMetrics by itself; the trace of a request leads from a bucket to its waterfall."""

    def kept() -> Any:
        visit_again = running.get("/page", headers={"traceparent": f"00-{TRACE}-00f067aa0ba902b7-01"})
        assert visit_again.status_code == 200
        return scraping.asked(
            "query_exemplars",
            query="bff_request_duration_seconds_bucket",
            start="2020-01-01T00:00:00Z",
            end="2100-01-01T00:00:00Z",
        )

    found = eventually(kept, within=60, every=0.5)
    assert {each["labels"]["trace_id"] for series in found for each in series["exemplars"]} == {TRACE}


def test_the_annotations_are_a_query(scraping: prometheus.Server) -> None:
    """Releases as marks on every panel."""
    for title, expr in expressions():
        if title == "annotations":
            scraping.query(expr)


def test_random_urls_add_no_series(running: Running) -> None:
    """Over real HTTP; ten thousand of them in the metrics' own tests."""
    running.get("/nowhere")
    before = len(scraped(running).text.splitlines())
    for number in range(200):
        running.client.request(f"X{number}", f"/nowhere/{number}?q={number}")
        running.get(f"/nowhere/{number}")
    after = scraped(running).text.splitlines()
    assert len(after) - before < 30  # of OTHER methods, statuses of theirs, and what a later scrape knows
    assert not [line for line in after if "nowhere" in line]


def test_states_are_those_of_now(running: Running) -> None:
    """Instances by state, breakers, memory of processes."""
    running.get("/apart")
    text = scraped(running).text
    assert re.search(
        r'^bff_instances\{function="page",revision="page-00001",state="idle"\} 1.0$', text, re.MULTILINE
    )
    assert re.search(
        r'^bff_service_breaker_state\{endpoint="127.0.0.1:\d+",service="users",state="\w', text, re.MULTILINE
    )
    [memory] = re.findall(
        r'^bff_instance_memory_bytes\{function="apart",revision="apart-00001"\} (\S+)$', text, re.MULTILINE
    )
    assert float(memory) > 2**20
    assert re.search(r"^process_resident_memory_bytes \d", text, re.MULTILINE)
    assert re.search(r"^bff_event_loop_lag_seconds_count [1-9]", text, re.MULTILINE)
