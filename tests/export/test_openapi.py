"""One document from what many functions say: valid, stable, and the same whoever was there first."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from openapi_spec_validator import validate

from bff.config import RouteConfig
from bff.config.auth import DemandConfig, SchemeConfig
from bff.export.openapi import METHODS, About, Operations, document
from bff.export.passing import passing
from bff.gateway import problems
from bff.sdk.describe import Described

PAGE: dict[str, Any] = {"type": "object", "properties": {"n": {"type": "integer"}}}


def described(schema: dict[str, Any] | None = None, **said: Any) -> Described:
    if schema is None:
        return Described(answers={"200": {"description": "The answer."}}, **said)
    content = {"application/json": {"schema": {"$ref": "#/components/schemas/Page"}}}
    answers = {"200": {"description": "The answer.", "content": content}}
    return Described(answers=answers, schemas={"Page": schema}, **said)


def route(path: str, *methods: str, owner: str = "home", said: Described | None = None) -> Operations:
    return Operations(path=path, methods=methods or ("GET",), owner=owner, described=said or described())


def made(
    *routes: Operations, about: About | None = None, schemes: Mapping[str, SchemeConfig] | None = None
) -> dict[str, Any]:
    whole = document(routes, about or About(), kinds=problems.of_calls(), schemes=schemes or {})
    validate(whole)
    return whole


def in_path(*names: str) -> tuple[dict[str, Any], ...]:
    return tuple({"name": n, "in": "path", "required": True, "schema": {"type": "string"}} for n in names)


def test_no_routes_are_a_valid_document() -> None:
    assert made()["paths"] == {}


def test_the_head_says_what_it_was_told_and_nothing_else() -> None:
    assert made()["info"] == {"title": "bff", "version": "0"}
    about = About(
        title="Shop",
        version="2",
        description="All of it.",
        contact="The team",
        contact_url="https://example.org/team",
        license="MIT",
    )
    assert made(about=about)["info"] == {
        "title": "Shop",
        "version": "2",
        "description": "All of it.",
        "contact": {"name": "The team", "url": "https://example.org/team"},
        "license": {"name": "MIT", "identifier": "MIT"},
    }


def test_a_wildcard_is_written_as_openapi_can() -> None:
    said = described(parameters=in_path("rest"))
    assert list(made(route("/files/{rest:path}", said=said))["paths"]) == ["/files/{rest}"]


def test_routes_of_one_shape_share_a_path_under_the_first_one_s_names() -> None:
    """OpenAPI takes ``/a/{x}`` and ``/a/{y}`` for the same path twice."""
    whole = made(
        route("/a/{y}", "POST", said=described(parameters=in_path("y"))),
        route("/a/{x}", "GET", said=described(parameters=in_path("x"))),
    )
    assert list(whole["paths"]) == ["/a/{x}"]
    assert [whole["paths"]["/a/{x}"][m]["parameters"][0]["name"] for m in ("get", "post")] == ["x", "x"]


def test_operation_ids_depend_on_method_and_path_alone() -> None:
    """Adding a route changes no other's id; the same state gives the same text, in whatever order it came."""
    paths = ["/", "/a", "/a/{b}", "/a/b", "/a-b", "/{rest:path}", "/a/{b}/", "/ä"]
    routes = [route(p, "GET", "POST", said=described(parameters=in_path(*_names(p)))) for p in paths]
    alone = {r.path: _ids(made(r)) for r in routes}
    for count in (2, len(routes)):
        for chosen in itertools.islice(itertools.permutations(routes, count), 60):
            whole = made(*chosen)
            assert _ids(whole) == set().union(*(alone[r.path] for r in chosen))
    assert _ids(made(routes[2])) == {"get_a_by_b", "post_a_by_b"}


def _names(path: str) -> list[str]:
    return [part.strip("{}").partition(":")[0] for part in path.split("/") if part.startswith("{")]


def _ids(whole: dict[str, Any]) -> set[str]:
    return {item["operationId"] for path in whole["paths"].values() for item in path.values()}


def test_ids_that_would_be_the_same_are_told_apart() -> None:
    """Hardly possible, but an id that stands twice makes the document invalid."""
    whole = made(route("/a/by_b"), route("/a/{b}", said=described(parameters=in_path("b"))))
    assert _ids(whole) == {"get_a_by_b", "get_a_by_b.2"}


def test_schemas_that_agree_are_one_and_those_that_differ_carry_their_function_s_name() -> None:
    other = {"type": "object", "properties": {"n": {"type": "string"}}}
    same = made(
        route("/a", owner="a", said=described(PAGE)), route("/b", owner="b", said=described(dict(PAGE)))
    )
    assert set(same["components"]["schemas"]) == {"Page", "Problem"}
    differ = made(route("/a", owner="a", said=described(PAGE)), route("/b", owner="b", said=described(other)))
    assert set(differ["components"]["schemas"]) == {"a.Page", "b.Page", "Problem"}
    content = differ["paths"]["/b"]["get"]["responses"]["200"]["content"]["application/json"]
    assert content["schema"] == {"$ref": "#/components/schemas/b.Page"}


def test_methods_openapi_does_not_know_are_left_out() -> None:
    item = made(route("/a", "GET", "PURGE"))["paths"]["/a"]
    assert set(item) == {"get"}
    assert set(item) <= set(METHODS)


def test_a_body_of_get_is_left_out() -> None:
    """RFC 9110 §9.3.1: content of a GET has no meaning; the function may be routed for POST too."""
    body = {"required": True, "content": {"application/json": {}}}
    item = made(route("/a", "GET", "POST", said=described(body=body)))["paths"]["/a"]
    assert "requestBody" not in item["get"]
    assert item["post"]["requestBody"] == body


def test_every_answer_carries_our_fields_and_every_refusal_is_a_problem() -> None:
    whole = made(route("/a", said=described(PAGE, missable=("news", "notices"))))
    operation = whole["paths"]["/a"]["get"]
    assert set(operation["responses"]) == {"200", "4XX", "5XX"}
    answer = operation["responses"]["200"]
    assert "`news`, `notices`" in answer["description"]
    assert set(answer["headers"]) == {
        *("Bff-Revision", "Bff-Complete", "Bff-Missing", "Server-Timing", "X-Request-Id")
    }
    for name, told in answer["headers"].items():
        assert told == {"$ref": f"#/components/headers/{name}"}
        assert len(whole["components"]["headers"][name]["description"]) > 20, name
    for status in ("4XX", "5XX"):
        refusal = whole["components"]["responses"][operation["responses"][status]["$ref"].rpartition("/")[2]]
        assert set(refusal["content"]) == {"application/problem+json"}


def test_only_what_checks_values_can_refuse_them() -> None:
    checking = made(route("/a", said=described(validates=True)))
    assert "422" in checking["paths"]["/a"]["get"]["responses"]
    assert "ValidationProblem" in checking["components"]["schemas"]
    trusting = made(route("/a"))
    assert "422" not in trusting["paths"]["/a"]["get"]["responses"]
    assert "ValidationFailed" not in trusting["components"]["responses"]


@pytest.mark.parametrize("summary", ["", "A page"])
def test_every_operation_has_words_and_a_tag_that_is_declared(summary: str) -> None:
    whole = made(route("/a", owner="a", said=described(summary=summary)))
    operation = whole["paths"]["/a"]["get"]
    assert operation["summary"] == operation["description"] == (summary or "GET /a")
    assert operation["tags"] == [whole["tags"][0]["name"]] == ["a"]


def test_what_callers_have_to_show_is_told() -> None:
    """Only schemes that a route demands are declared; a public route says that it asks nothing."""
    schemes = {
        "users": {"jwt": {"issuer": "i", "audience": "a", "jwks": "k.json"}},
        "partners": {"api_keys": {"header": "X-Key"}},
        "mesh": {"certificate": {}},
        "unused": {"certificate": {}},
    }
    demands = {
        "/open": None,
        "/one": {"any": "users", "scopes": ["pay"]},
        "/any": {"any": ["partners", "mesh"], "optional": True},
    }
    routes = [
        route(path) if demand is None else replace(route(path), demand=DemandConfig.model_validate(demand))
        for path, demand in demands.items()
    ]
    configs = {name: SchemeConfig.model_validate(raw) for name, raw in schemes.items()}
    whole = made(*routes, schemes=configs)
    assert whole["security"] == []
    assert "security" not in whole["paths"]["/open"]["get"]
    assert set(whole["paths"]["/open"]["get"]["responses"]) == {"200", "4XX", "5XX"}
    assert set(whole["paths"]["/one"]["get"]["responses"]) == {"200", "401", "403", "4XX", "5XX"}
    assert "WWW-Authenticate" in whole["components"]["responses"]["Unauthenticated"]["headers"]
    assert whole["paths"]["/one"]["get"]["security"] == [{"users": ["pay"]}]
    assert whole["paths"]["/any"]["get"]["security"] == [{"partners": []}, {"mesh": []}, {}]
    assert whole["components"]["securitySchemes"] == {
        "mesh": {"type": "mutualTLS", "description": "The certificate is checked by a proxy in front."},
        "partners": {"type": "apiKey", "in": "header", "name": "x-key"},
        "users": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"},
    }


def test_what_passes_through_is_told_plainly() -> None:
    """Path, methods and what is asked of callers; that the rest is the service's to describe."""
    config = RouteConfig(path="/shop/{rest:path}", service="shop")
    through = Operations(
        path=config.path, methods=config.methods, owner="shop", described=passing(config), passes=True
    )
    item = made(through)["paths"]["/shop/{rest}"]
    assert set(item) == set(METHODS)
    assert "unread" in item["post"]["description"]
    assert item["get"]["parameters"][0]["description"] == "May hold slashes."
    assert set(item["get"]["responses"]) == {"2XX", "3XX", "4XX", "5XX"}
    assert set(item["get"]["responses"]["2XX"]["headers"]) == {"X-Request-Id"}
    assert item["post"]["requestBody"]["content"] == {"*/*": {}}
    assert "requestBody" not in item["get"]


def test_a_page_that_may_unfold_has_its_records_beside_it() -> None:
    whole = made(route("/a", said=described(PAGE, unfolds=True)))
    content = whole["paths"]["/a"]["get"]["responses"]["200"]["content"]
    assert set(content) == {"application/json", "application/x-ndjson", "text/event-stream"}
    assert {"UnfoldingPart", "UnfoldingEnd"} <= set(whole["components"]["schemas"])
    assert "UnfoldingPart" not in made(route("/a", said=described(PAGE)))["components"]["schemas"]


def test_a_model_that_is_called_like_one_of_ours_carries_its_functions_name() -> None:
    said = Described(answers={"200": {"description": "The answer."}}, schemas={"Problem": PAGE})
    schemas = made(route("/a", owner="maths", said=said))["components"]["schemas"]
    assert schemas["maths.Problem"] == PAGE
    assert schemas["Problem"]["title"] == "Problem"


def test_every_kind_of_problem_is_named_with_its_page() -> None:
    told = made()["components"]["schemas"]["Problem"]["x-problems"]
    assert [each["code"] for each in told] == list(problems.of_calls())
    assert {each["type"] for each in told} == {f"/problems/{code}" for code in problems.of_calls()}
    assert {each["status"] for each in told if each["code"] == "not-found"} == {404}


def test_five_hundred_routes_are_told_in_one_document() -> None:
    """How long that takes is the benchmark's to say."""
    routes = [
        route(
            f"/api/{number}/{{id}}",
            "GET",
            "POST",
            owner=f"f{number}",
            said=described(PAGE, parameters=in_path("id")),
        )
        for number in range(500)
    ]
    whole = document(routes, About(), kinds={})
    assert len(_ids(whole)) == 1000
    assert set(whole["components"]["schemas"]) == {"Page", "Problem"}


def test_a_limited_route_says_so() -> None:
    """With what a caller reads to slow down; other routes have no word of it."""
    whole = made(replace(route("/a"), is_limited=True), route("/b"))
    limited, free = (whole["paths"][path]["get"]["responses"] for path in ("/a", "/b"))
    assert {"RateLimit", "RateLimit-Policy"} <= set(limited["200"]["headers"])
    assert "Retry-After" in whole["components"]["responses"]["TooMany"]["headers"]
    assert "429" not in free
    assert "RateLimit" not in free["200"]["headers"]
    assert "RateLimit" not in made(route("/b"))["components"]["headers"]


def test_what_answers_in_its_own_words_may_refuse_in_them() -> None:
    """An application's or a service's 404 is of any media type; the gateway's own are problems all the same."""
    whole = made(replace(route("/a", said=described(answers_alone=True)), is_limited=True), route("/b"))
    theirs, ours = (whole["paths"][path]["get"]["responses"] for path in ("/a", "/b"))
    responses = whole["components"]["responses"]
    for status in ("4XX", "5XX", "429"):
        told = responses[theirs[status]["$ref"].rpartition("/")[2]]
        assert set(told["content"]) == {"application/problem+json", "*/*"}, status
    told = responses[ours["4XX"]["$ref"].rpartition("/")[2]]
    assert set(told["content"]) == {"application/problem+json"}
    assert "TooMany" not in responses
    assert "Retry-After" in responses["TooManyThere"]["headers"]
