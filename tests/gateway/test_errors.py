"""What goes wrong in functions: what the caller is told, and what the operator reads."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from bff.gateway import problems
from tests.conftest import Running, eventually, save
from tests.gateway.byhand import gateway_by_hand
from tests.gateway.conftest import Served, ServeSamples, lay_out

SECRET = "secret detail 4711"


def problem(answer: httpx.Response, status: int, code: str) -> dict[str, Any]:
    """The document of an error, which must be well formed and tell nothing of the inside."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["cache-control"] == "no-store"
    document: dict[str, Any] = answer.json()
    assert document["type"] == f"/problems/{code}"
    assert document["status"] == status
    assert document["title"]
    assert document["detail"]
    for inside in (SECRET, "Traceback", ".py", "debug"):
        assert inside not in answer.text
    return document


def test_every_problem_has_a_page(served: Served) -> None:
    """``type`` is a link: it leads to a sentence about that kind of problem, and an unknown one to 404."""
    for path in ("/nowhere", "/fails?kind=raises", "/fails", "/item"):
        kind = served.get(path).json()["type"]
        page = served.get(kind)
        assert page.status_code == 200
        assert page.headers["content-type"].startswith("text/plain")
        assert page.text.count("\n") > 2
    assert problem(served.get("/problems/no-such"), 404, "not-found")


def test_every_kind_of_problem_has_a_page(served: Served) -> None:
    """Those of the door among them."""
    for code in problems.of_calls():
        assert served.get(f"/problems/{code}").text.startswith(problems.of_calls()[code].title), code


RAISES = ["raises", "group", "cancelled", "timeout", "stop iteration", "exit", "interrupt"]
RETURNS = ["object", "surrogate", "cycle", "deep", "status 999", "status 100", "status 777"]
RETURNS += ["crlf", "bad header name", "bad length"]


@pytest.mark.parametrize("kind", RAISES + RETURNS)
def test_a_failing_handler_is_a_500_and_a_line_in_the_log(served: Served, kind: str) -> None:
    """The caller learns that it was the function; the operator reads the cause; the gateway goes on."""
    answer = served.get(f"/fails?kind={quote(kind)}", headers={"x-request-id": f"fails-{quote(kind, '')}"})
    document = problem(answer, 500, "function-failed")
    assert document["fault"] == "function"
    assert "set-cookie" not in answer.headers
    line = served.log(request_id=answer.headers["x-request-id"])
    assert (line["level"], line["function"], line["status"]) == ("error", "fails", 500)
    assert line["error"]
    assert served.get("/hello").status_code == 200


@pytest.mark.parametrize("kind", ["raises", "object", "stop iteration", "exit"])
def test_a_failing_handler_in_a_thread_is_the_same(served: Served, kind: str) -> None:
    problem(served.get(f"/fails/sync?kind={quote(kind)}"), 500, "function-failed")
    assert served.get("/fails/sync?kind=fine").text == "fine"


def test_the_operator_sees_the_functions_own_line(served: Served) -> None:
    """The traceback in the log ends in the user's file, with the text of the line that failed."""
    answer = served.get("/fails?kind=raises")
    line = served.log(request_id=answer.headers["x-request-id"])
    told = "".join(line["traceback"])
    assert SECRET in told
    assert "fails.py" in told
    assert "the line the developer must be shown" in told


def test_what_does_not_fit_the_return_type_is_the_functions_fault(served: Served) -> None:
    """The caller learns which field, never the value."""
    document = problem(served.get("/typed"), 500, "function-failed")
    assert "title" in document["detail"]


def test_a_problem_a_function_raises_on_purpose_reaches_the_caller(served: Served) -> None:
    document = problem(served.get("/fails?kind=problem"), 404, "function-problem")
    assert (document["detail"], document["design"], document["fault"]) == ("No such design.", 7, "caller")
    document = problem(served.get("/fails?kind=http%20exception"), 403, "function-problem")
    assert document["detail"] == "Not yours."


def test_a_number_that_is_no_json_cannot_break_a_problem(served: Served) -> None:
    document = problem(served.get("/fails?kind=problem%20nan"), 404, "function-problem")
    assert document["value"] is None


def test_text_that_is_no_unicode_cannot_break_a_problem(tmp_path: Path) -> None:
    """Such text comes from odd file names; the caller still gets the status and a whole document."""
    running = Running(lay_out(tmp_path / "samples"), "serve").listening()
    try:
        answer = running.get("/fails?kind=problem%20surrogate")
        assert problem(answer, 404, "function-problem")["detail"] == "?"
        assert running.get("/hello").status_code == 200
    finally:
        assert running.stop() == 0


@pytest.mark.parametrize("kind", ["problem 200", "problem 100"])
def test_a_problem_is_always_an_error(served: Served, kind: str) -> None:
    """Whatever status was given, the caller never takes an error for a success."""
    assert served.get(f"/fails?kind={quote(kind)}").status_code == 500


@pytest.mark.parametrize("kind", ["missing crlf", "missing unicode"])
def test_names_of_missing_parts_cannot_split_the_head(served: Served, kind: str) -> None:
    answer = served.get(f"/fails?kind={quote(kind)}")
    assert answer.status_code == 200
    assert answer.headers["bff-complete"] == "false"
    assert "set-cookie" not in answer.headers
    assert answer.headers["cache-control"] == "no-store"


@pytest.mark.parametrize("kind", ["too long", "too short"])
def test_a_lie_about_the_length_is_seen_as_a_broken_answer(served: Served, kind: str) -> None:
    """What cannot be finished as announced is cut: the caller notices instead of reading rubbish."""
    with pytest.raises(httpx.RemoteProtocolError):
        served.get(f"/fails?kind={quote(kind)}")


# --- functions that cannot be loaded ---------------------------------------------------------------------

BROKEN = {
    "syntax": ("broken_syntax.py:5", "SyntaxError"),
    "import": ("broken_import.py:3", "a_package_nobody_has"),
    "body": ("broken_body.py:4", "KeyError"),
    "exit": ("broken_exit.py:5", "SystemExit"),
    "signature": ("broken_signature.py:4", "*parts"),
    "path/you": ("broken_path.py:4", "{who}"),
    "nothing": ("broken_nothing.py", "offers no handler"),
    "ready": ("broken_ready.py", "the cellar is empty"),
    "slow": ("broken_slow.py", "200 ms|0.2 s"),
}


@pytest.mark.parametrize("path", BROKEN)
def test_a_function_that_cannot_be_loaded(served: Served, path: str) -> None:
    """The caller gets a 500 that names the function and no more; the operator gets place and cause."""
    place, cause = BROKEN[path]
    function = place.partition(".")[0]
    since = served.lines_so_far
    document = problem(served.get(f"/broken/{path}"), 500, "function-not-loaded")
    assert document["detail"] == f"Function {function} could not be loaded."
    assert document["fault"] == "function"

    def is_told(line: str) -> bool:
        return place in line and any(each in line for each in cause.split("|"))

    served.wait_for(is_told, since=since)
    # Asked again, it is tried again: nothing is stuck.
    problem(served.get(f"/broken/{path}"), 500, "function-not-loaded")


def test_the_remedy_is_told_where_there_is_one(served: Served) -> None:
    since = served.lines_so_far
    served.get("/broken/import")
    served.wait_for(lambda line: "pip install a_package_nobody_has" in line, since=since)


def test_a_function_whose_file_is_gone(tmp_path: Path) -> None:
    """Deleted before anybody read it, as ``bff serve`` soon does: a 500 for the caller, the missing file's name for
    the operator.
    """
    with gateway_by_hand(lay_out(tmp_path / "samples")) as gateway:
        (gateway.folder / "functions" / "greet.py").unlink()
        problem(gateway.get("/greet/you"), 500, "function-not-loaded")
        gateway.advance(1)  # lines wait a moment for company
        eventually(lambda: "functions/greet.py" in gateway.output)
        assert gateway.get("/hello").status_code == 200


def test_a_warm_function_does_not_need_its_file(samples: ServeSamples) -> None:
    """A revision lives in memory: what happens to the disk under ``serve`` changes no answer."""
    running = samples()
    assert running.get("/greet/you").text == "you"
    (running.folder / "functions" / "greet.py").write_text("async def handle(name: str) -> str: return 'new'")
    assert running.get("/greet/you").text == "you"
    (running.folder / "functions" / "greet.py").unlink()
    assert running.get("/greet/you").text == "you"


# --- dev mode --------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def dev(module_samples: ServeSamples) -> Served:
    """The samples under ``bff dev``."""
    return module_samples("dev")


HTML = {"accept": "text/html,application/xhtml+xml,*/*;q=0.8"}


def test_a_browser_is_shown_the_functions_own_frame(dev: Served) -> None:
    """In dev the page shows file, line and text of the user's frame, marked, and scripts cannot run in it."""
    answer = dev.get("/fails?kind=raises", headers=HTML)
    assert answer.status_code == 500
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    page = answer.text
    assert str(dev.folder / "functions" / "fails.py") in page
    (marked,) = [line for line in page.splitlines() if line.startswith("<mark>") or "<mark>" in line]
    assert "the line the developer must be shown" in marked
    assert f"RuntimeError: {SECRET}" in page
    assert "bff/gateway" not in page
    assert "fails-dev-1" in page


def test_what_a_caller_sends_is_text_on_the_page(dev: Served) -> None:
    """Nothing of a request becomes markup on the developer's own page."""
    for path in ("/fails?kind=<script>", "/item?<script>=1", "/fails?%3Cscript%3E"):
        page = dev.get(path, headers=HTML).text
        assert "<script>" not in page


def test_programs_get_json_with_the_cause(dev: Served) -> None:
    answer = dev.get("/fails?kind=raises")
    assert answer.headers["content-type"] == "application/problem+json"
    document = answer.json()
    assert document["type"] == "/problems/function-failed"
    debug = "\n".join(document["debug"])
    assert "fails.py" in debug
    assert SECRET in debug


@pytest.mark.parametrize("path", BROKEN)
def test_a_load_failure_is_explained_in_dev(dev: Served, path: str) -> None:
    """Place, cause and remedy stand on the page and in the JSON alike."""
    place, cause = BROKEN[path]
    page = dev.get(f"/broken/{path}", headers=HTML)
    told = dev.get(f"/broken/{path}")
    for answer, text in ((page, page.text), (told, "\n".join(told.json()["debug"]))):
        assert answer.status_code == 500
        assert place in text
        assert any(each in text for each in cause.split("|"))


@pytest.mark.parametrize("kind", ["problem 200", "deep", "crlf", "group"])
def test_odd_failures_have_a_page_too(dev: Served, kind: str) -> None:
    page = dev.get(f"/fails?kind={quote(kind)}", headers=HTML)
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert page.status_code >= 400
    assert dev.get(f"/fails?kind={quote(kind)}").json()["debug"]


def test_a_traceback_shows_the_text_that_ran(dev: Served) -> None:
    """An old revision's frames never show the new file's text, even while both exist."""
    file = dev.folder / "functions" / "fails_sync.py"
    assert "4711" in "".join(dev.get("/fails/sync?kind=raises").json()["debug"])
    save(file, '"""Another docstring.\n\n\n"""\n\n' + file.read_text().replace("4711", "4712"))
    eventually(lambda: "4712" in "".join(dev.get("/fails/sync?kind=raises").json()["debug"]))
    page = dev.get("/fails/sync?kind=raises", headers=HTML).text
    assert "4712" in next(line for line in page.splitlines() if "<mark>" in line)
