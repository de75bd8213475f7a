"""What a function imports is measured as a tree, and nothing about the imports themselves is changed.

By a clock that the imported modules move: what a machine under load does meanwhile changes nothing.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from textwrap import dedent
from types import ModuleType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bff.measured import Imported
from bff.revisions import snapshot
from bff.revisions.loader import Loader
from bff.revisions.revision import Revision
from bff.runtime.imports import ImportWatch

Packages = Callable[..., Path]


class Hand(ModuleType):
    """What slow modules import as ``hand`` to say how long they took. Each reading takes a millionth of a second."""

    def __init__(self) -> None:
        super().__init__("hand")
        self.seconds = 0.0

    def now(self) -> float:
        self.seconds += 1e-6
        return self.seconds


@pytest.fixture(autouse=True)
def hand() -> Iterator[Hand]:
    made = sys.modules["hand"] = Hand()
    yield made
    del sys.modules["hand"]


def now() -> float:
    hand: Any = sys.modules["hand"]
    return hand.now()  # type: ignore[no-any-return]


@pytest.fixture
def packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Packages]:
    """``packages({"dear/__init__.py": "…"})``: installed packages of the test's own."""
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    before = set(sys.modules)

    def install(files: dict[str, str]) -> Path:
        for name, text in files.items():
            path = tmp_path / "site" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(dedent(text), "utf-8")
        importlib.invalidate_caches()
        return tmp_path / "site"

    yield install
    for name in set(sys.modules) - before:
        del sys.modules[name]


def load(folder: Path, **functions: str) -> tuple[Imported, float]:
    """The tree of ``home``, and the seconds its own modules took to compile."""
    (folder / "functions").mkdir(exist_ok=True)
    for name, text in functions.items():
        (folder / "functions" / f"{name}.py").write_text(dedent(text), "utf-8")
    taken = snapshot.take(folder / "functions", "home")
    with Loader() as loader, ImportWatch(now, loader) as watch:
        loader.load(Revision("home-00001", "home", taken, 0.0))
    return watch.tree(), watch.compiling


def shape(module: Imported) -> object:
    """Names only."""
    return {child.name: shape(child) for child in module.children}


SLOW = "import hand\nhand.seconds += 0.02\n"


def test_the_tree_is_that_of_the_imports(tmp_path: Path, packages: Packages) -> None:
    """Each module stands below the one that asked for it first, own ones by the names their author knows."""
    packages({"dear/__init__.py": "", "dear/part.py": "import dear_too", "dear_too.py": ""})
    tree, compiling = load(
        tmp_path, home="from . import _shared\nimport dear.part\n", _shared="import dear_too"
    )
    assert shape(tree) == {"home": {"_shared": {"dear_too": {}}, "dear": {}, "dear.part": {}}}
    assert compiling > 0
    [home] = tree.children
    assert [(child.is_own, child.line) for child in home.children] == [(True, 1), (False, 2), (False, 2)]


def test_a_module_that_is_there_already_costs_nothing(tmp_path: Path, packages: Packages) -> None:
    """That is how a warm-up after an eviction differs from the first."""
    packages({"dear.py": SLOW})
    first, _ = load(tmp_path, home="import dear")
    again, compiling = load(tmp_path, home="import dear")
    assert first.cumulative > 0.02 > again.cumulative
    assert shape(again) == {"home": {}}
    assert compiling > 0  # another snapshot


def test_time_belongs_to_the_module_that_spends_it(tmp_path: Path, packages: Packages) -> None:
    """Its own is what is left without what it imported; the whole is the sum of both."""
    packages({"outer.py": f"import inner\n{SLOW}", "inner.py": SLOW})
    tree, _ = load(tmp_path, home="import outer")
    [home] = tree.children
    [outer] = home.children
    [inner] = outer.children
    assert inner.own == inner.cumulative >= 0.02
    assert 0.02 <= outer.own < outer.cumulative
    assert outer.cumulative == pytest.approx(outer.own + inner.cumulative)
    assert home.own < 0.02
    assert tree.cumulative == pytest.approx(home.cumulative)


def test_the_dearest_import_is_told_with_its_line(tmp_path: Path, packages: Packages) -> None:
    """One line's modules of one package are one import, called after the dearest; own bodies count too."""
    packages(
        {"dear/__init__.py": "", "dear/part.py": f"import deep\n{SLOW}", "deep.py": SLOW, "cheap.py": ""}
    )
    tree, _ = load(tmp_path, home=f"import cheap\n{SLOW}\nfrom dear import part\n")
    first, second, third = tree.most_expensive()
    assert (first.name, first.importer, first.line) == ("dear.part", "home", 5)
    assert first.seconds >= 0.04
    assert (second.name, second.importer) == ("home", "")
    assert third.name == "cheap"


def test_modules_have_the_loader_they_would_have_had(tmp_path: Path, packages: Packages) -> None:
    """Nobody who looks at a module later can tell that it was measured."""
    packages(
        {"dear/__init__.py": "import importlib.resources as r\nDATA = (r.files(__name__) / 'x').read_text()"}
    )
    (tmp_path / "site/dear/x").write_text("data", "utf-8")
    load(tmp_path, home="import dear, _colorize" if sys.version_info >= (3, 13) else "import dear")
    dear = sys.modules["dear"]
    assert dear.DATA == "data"
    assert dear.__spec__ is not None
    assert type(dear.__loader__).__name__ == type(dear.__spec__.loader).__name__ == "SourceFileLoader"
    assert importlib.reload(dear) is dear
    assert not any(isinstance(finder, ImportWatch) for finder in sys.meta_path)


def test_asking_whether_a_module_is_there_does_not_import_it(tmp_path: Path, packages: Packages) -> None:
    """And the spec such a question gives works like any other, also later."""
    packages({"dear.py": "x = 1\n"})
    tree, _ = load(
        tmp_path,
        home="""
        import importlib.util
        spec = importlib.util.find_spec("dear")
        source = spec.loader.get_source("dear")
        assert source == "x = 1\\n"
        """,
    )
    assert shape(tree) == {"home": {}}


def test_lazy_loaders_stay_lazy(tmp_path: Path, packages: Packages) -> None:
    """:class:`importlib.util.LazyLoader` stands before the measured one."""
    packages({"dear.py": "import sys\nsys.dear_ran = True\nx = 1\n"})
    load(
        tmp_path,
        home="""
        import importlib.util, sys
        spec = importlib.util.find_spec("dear")
        spec.loader = importlib.util.LazyLoader(spec.loader)
        dear = importlib.util.module_from_spec(spec)
        sys.modules["dear"] = dear
        spec.loader.exec_module(dear)
        assert not hasattr(sys, "dear_ran")
        assert dear.x == 1
        assert sys.dear_ran
        del sys.dear_ran
        """,
    )


def test_what_fails_fails_as_it_would(tmp_path: Path, packages: Packages) -> None:
    """A missing package and a broken one raise their own errors, and leave the watch in order."""
    packages({"broken.py": "1 / 0", "dear.py": ""})
    tree, _ = load(
        tmp_path,
        home="""
        try:
            import not_there_at_all
        except ModuleNotFoundError as error:
            assert error.name == "not_there_at_all"
        try:
            import broken
        except ZeroDivisionError:
            pass
        import dear
        """,
    )
    assert shape(tree) == {"home": {"broken": {}, "dear": {}}}


def test_other_threads_import_unwatched(packages: Packages) -> None:
    """Only what the thread that warms imports is measured."""
    packages({"theirs.py": "", "ours.py": ""})
    with Loader() as loader, ImportWatch(now, loader) as watch:
        thread = threading.Thread(target=importlib.import_module, args=("theirs",))
        thread.start()
        thread.join()
        importlib.import_module("ours")
    assert shape(watch.tree()) == {"ours": {}}
    assert "theirs" in sys.modules


def test_c_code_and_built_in_modules_are_measured_too(packages: Packages) -> None:
    """Some of them run as they are made rather than executed."""
    names = [name for name in ("_zoneinfo", "_xxtestfuzz", "_testcapi") if name not in sys.modules]
    found = [name for name in names if importlib.util.find_spec(name) is not None]
    with Loader() as loader, ImportWatch(now, loader) as watch:
        for name in found:
            importlib.import_module(name)
    assert [child.name for child in watch.tree().children] == found


def test_a_folder_without_init_is_no_module(tmp_path: Path, packages: Packages) -> None:
    """Namespace packages run nothing; what lies in them does."""
    packages({"space/inner.py": ""})
    tree, _ = load(tmp_path, home="import space.inner")
    assert shape(tree) == {"home": {"space.inner": {}}}


TREES = st.recursive(
    st.builds(Imported, name=st.text(min_size=1), cumulative=st.floats(0, 10), is_own=st.booleans()),
    lambda below: st.builds(
        lambda name, own, is_own, children: Imported(
            name=name,
            cumulative=own + sum(child.cumulative for child in children),
            is_own=is_own,
            children=tuple(children),
        ),
        st.text(min_size=1),
        st.floats(0, 10),
        st.booleans(),
        st.lists(below, max_size=4),
    ),
    max_leaves=12,
)


@given(TREES)
def test_every_second_of_a_tree_is_some_modules_own(tree: Imported) -> None:
    """No time is counted twice, and none is lost."""
    assert sum(module.own for _, module in tree.walk()) == pytest.approx(tree.cumulative, abs=1e-6)


@given(st.lists(TREES, max_size=4))
def test_what_an_own_modules_lines_cost_is_no_more_than_the_whole(children: list[Imported]) -> None:
    """The bills of a tree add up to at most what it took: nothing is on two of them."""
    root = Imported(
        cumulative=sum(child.cumulative for child in children), is_own=True, children=tuple(children)
    )
    assert sum(bill.seconds for bill in root.bills()) <= root.cumulative * (1 + 1e-9) + 1e-6
