"""/openapi.json and /docs: what front-end teams get from the gateway's address alone."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from openapi_spec_validator import validate

from bff import vendor
from tests.conftest import GatewayFactory, Running, eventually, save

HELLO = (
    '"""Says hello."""\nasync def handle(name: str = "you") -> dict[str, str]:\n    return {"hello": name}\n'
)
ROUTES = "routes:\n- {path: /hello, function: hello}\n- {path: '/broken/{x}', function: broken}\n"

Project = Callable[[Mapping[str, str | bytes]], Path]


@pytest.fixture
def project(write_project: Project) -> Project:
    def lay_out(more: Mapping[str, str | bytes]) -> Path:
        return write_project(
            {
                "routes.yaml": ROUTES,
                "functions/hello.py": HELLO,
                "functions/broken.py": "import nothing_of_this_name\n",
                **more,
            }
        )

    return lay_out


def document(running: Running) -> dict[str, object]:
    answer = running.get("/openapi.json")
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/json")
    whole = answer.json()
    validate(whole)
    return whole  # type: ignore[no-any-return]


@pytest.fixture(scope="module")
def shop(module_gateway: GatewayFactory, module_project: Project) -> Running:
    """One that is asked and left as it is."""
    files = {"functions/hello.py": HELLO, "functions/broken.py": "import nothing_of_this_name\n"}
    return module_gateway(module_project({"routes.yaml": "openapi: {title: 'Shop <b>'}\n" + ROUTES, **files}))


def test_the_document_describes_every_route(shop: Running) -> None:
    """A function that cannot be loaded is told by its path, and nothing was warmed for it."""
    paths = document(shop)["paths"]
    assert set(paths) == {"/hello", "/broken/{x}"}
    assert paths["/hello"]["get"]["summary"] == "Says hello"  # type: ignore[index]
    assert "could not be loaded" in paths["/broken/{x}"]["get"]["description"]  # type: ignore[index]
    assert not shop.logs("warmed up")


def test_a_save_changes_the_document(project: Project, gateway: GatewayFactory) -> None:
    """Within a second or so: one look serves however many ask."""
    folder = project({})
    running = gateway(folder, "dev")
    assert running.get("/hello").json() == {"hello": "you"}
    assert document(running)["paths"]["/hello"]["get"]["summary"] == "Says hello"  # type: ignore[index]
    save(folder / "functions/hello.py", HELLO.replace("Says hello", "Greets"))
    eventually(lambda: document(running)["paths"]["/hello"]["get"]["summary"] == "Greets")  # type: ignore[index]


def test_serve_can_keep_it_to_itself_and_dev_never_does(project: Project, gateway: GatewayFactory) -> None:
    folder = project({"routes.yaml": "openapi: {public: false}\n" + ROUTES})
    hidden, shown = gateway(folder, "serve"), gateway(folder, "dev")
    for path in ("/openapi.json", "/docs", "/docs/swagger-ui.css"):
        assert hidden.get(path).status_code == 404
        assert shown.get(path).status_code == 200


def test_a_route_of_the_user_s_keeps_its_path(project: Project, gateway: GatewayFactory) -> None:
    running = gateway(project({"routes.yaml": ROUTES + "- {path: /docs, function: hello}\n"}), "serve")
    assert running.get("/docs").json() == {"hello": "you"}
    assert running.get("/openapi.json").status_code == 200


def test_the_page_needs_nothing_from_elsewhere(shop: Running) -> None:
    """Strict policy, no inline script or style, and every file it names is there with the right type."""
    page = shop.get("/docs")
    policy = page.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "http" not in policy
    assert "<title>Shop &lt;b&gt;</title>" in page.text
    assert "<style" not in page.text
    assert not re.search(r"<script(?![^>]*\ssrc=)", page.text)
    named = re.findall(r'(?:src|href)="([^"]+)"', page.text)
    assert len(named) == 4
    for path in named:
        answer = shop.get(path)
        assert answer.status_code == 200
        assert answer.headers["x-content-type-options"] == "nosniff"
    assert shop.get("/docs/manifest.json").status_code == 404
    assert shop.get("/docs/..%2fmanifest.json").status_code == 400


def test_vendored_files_are_what_the_manifest_says() -> None:
    """Unmodified: each file of the folder has the digest that was noted when it came, and a licence is there."""
    root = Path(vendor.__file__).parent
    manifest = json.loads((root / "manifest.json").read_text())
    assert {path.name for path in root.iterdir() if path.is_dir() and path.name != "__pycache__"} == set(
        manifest
    )
    for name, package in manifest.items():
        assert package["licence"]
        assert package["version"]
        assert "LICENSE" in package["files"]
        found = {path.name: path.read_bytes() for path in (root / name).iterdir()}
        assert {file: hashlib.sha256(content).hexdigest() for file, content in found.items()} == package[
            "files"
        ]
