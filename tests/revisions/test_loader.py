"""Loaded revisions live side by side, from memory alone, and behave as modules do."""

from __future__ import annotations

import copy
import enum
import inspect
import linecache
import pickle
import sys
import threading
import traceback
import typing
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from bff.revisions.loader import PREFIX, Loader, place_in
from bff.revisions.revision import Revision
from tests.revisions.conftest import Folder, module_of, ours


def test_two_revisions_keep_their_own_shared_state(folder: Folder) -> None:
    """Each has its own copy of the shared module, and of everything in it."""
    folder.write(home="from . import _state\ndef add(): _state.seen.append(1); return len(_state.seen)")
    old = folder.write(_state="seen = []\nversion = 1").package()
    new = folder.write(_state="seen = []\nversion = 2").package()
    assert (old.module().add(), old.module().add(), new.module().add()) == (1, 2, 1)
    assert (module_of(old, "_state").version, module_of(new, "_state").version) == (1, 2)
    assert old.name != new.name


def test_two_functions_do_not_share_module_state(folder: Folder) -> None:
    """Shared code is shared text: each function that imports it has a copy of its own."""
    folder.write(a="from ._state import seen", b="from ._state import seen", _state="seen = []")
    assert folder.module("a").seen is not folder.module("b").seen


def test_one_revision_may_be_loaded_twice(folder: Folder) -> None:
    """A new instance is made while the first one drains: same text, separate state, separate names."""
    revision = folder.write(home="state = []").revision()
    first, second = folder.loader.load(revision), folder.loader.load(revision)
    first.module().state.append(1)
    assert second.module().state == []
    folder.loader.drop(first)
    assert second.module().state == []
    assert folder.loader.load(revision).name == first.name, "a free name is used again"


def test_code_is_compiled_once(folder: Folder) -> None:
    """After eviction the kept code object runs again; nothing is parsed or compiled."""
    revision = folder.write(home="from ._s import f\ndef handle(): pass", _s="def f(): pass").revision()
    first = folder.loader.load(revision)
    codes = (first.module().handle.__code__, first.module().f.__code__)
    folder.loader.drop(first)
    assert revision.snapshot.trees == {}
    again = folder.loader.load(revision).module()
    assert again.handle.__code__ is codes[0]
    assert again.f.__code__ is codes[1]


def test_no_compile_event_when_warming_again(folder: Folder) -> None:
    """Python's own audit of compilation sees one per module, and none the second time."""
    seen: list[object] = []
    me = threading.get_ident()
    is_listening = [True]

    def listen(event: str, args: tuple[Any, ...]) -> None:
        if is_listening[0] and event == "compile" and threading.get_ident() == me:
            seen.append(args[1])

    sys.addaudithook(listen)  # cannot be taken off again: it falls silent below
    try:
        revision = folder.write(home="from . import _s", _s="").revision()
        seen.clear()
        folder.loader.drop(folder.loader.load(revision))
        assert len(seen) == 2
        folder.loader.drop(folder.loader.load(revision))
        assert len(seen) == 2
    finally:
        is_listening[0] = False


def test_nothing_is_read_from_disk_after_the_snapshot(folder: Folder) -> None:
    """The folder goes; loading, lazy imports in handlers and reads of data go on."""
    folder.add(
        {
            "home/__init__.py": """
                import importlib
                from importlib.resources import files
                def relative():
                    from .late import X
                    return X
                def by_name():
                    return importlib.import_module(".other", __package__).X
                def plugin():
                    return importlib.import_module(f"{__name__}.plugins.red").X
                def shared():
                    from .._deep import X
                    return X
                def data():
                    return (files(__package__) / "x.txt").read_text()
            """,
            "home/late.py": "X = 'late'",
            "home/other.py": "X = 'other'",
            "home/plugins/red.py": "X = 'red'",
            "home/x.txt": "data",
            "_deep.py": "X = 'deep'",
        }
    )
    revision = folder.revision()
    folder.vanish()
    module = folder.loader.load(revision, real_paths=True).module()
    calls = (module.relative, module.by_name, module.plugin, module.shared, module.data)
    assert [call() for call in calls] == ["late", "other", "red", "deep", "data"]


def test_a_lazy_import_gets_the_text_of_its_own_revision(folder: Folder) -> None:
    """Also when a newer one has been loaded since."""
    folder.add(
        {"home/__init__.py": "def get():\n    from .late import X\n    return X", "home/late.py": "X = 1"}
    )
    old = folder.module()
    new = folder.add({"home/late.py": "X = 2"}).module()
    assert (old.get(), new.get()) == (1, 2)


def test_import_cycles_and_star_imports_work(folder: Folder) -> None:
    """As among files on disk: cycles by module, stars by `__all__`, parts of packages included."""
    folder.add(
        {
            "home.py": "from _lib import *\nfrom . import _a\nvalue = _a.both()",
            "_lib/__init__.py": "__all__ = ['money', 'RATE']\nRATE = 2",
            "_lib/money.py": "from . import RATE\neuros = RATE * 3",
            "_a.py": "from . import _b\nx = 1\ndef both(): return x + _b.y",
            "_b.py": "from . import _a\ny = 2\ndef back(): return _a.x",
        }
    )
    module = folder.module()
    assert (module.RATE, module.money.euros, module.value) == (2, 6, 3)
    assert "RATE" in vars(module)


def test_one_shared_module_is_one_object_in_a_revision(folder: Folder) -> None:
    """However it is imported, by whatever name: one module, run once."""
    folder.add(
        {
            "home/__init__.py": """
                import _shared as a
                from .. import _shared as b
                from functions import _shared as c
                from . import parts
            """,
            "home/parts.py": "import functions._shared as d\nfrom .._shared import runs",
            "_shared.py": "import builtins\nruns = []\nruns.append(1)",
        }
    )
    module = folder.module()
    assert module.a is module.b is module.c is module.parts.d
    assert module.parts.runs == [1]


def test_a_module_is_importable_while_its_body_runs(folder: Folder) -> None:
    """Dataclasses, models, enums, type hints and pickle look their module up in sys.modules."""
    module = folder.write(
        home="""
            from __future__ import annotations
            import enum, pickle, sys, typing
            from dataclasses import dataclass, field
            from pydantic import BaseModel
            from _shared import Base
            assert sys.modules[__name__].__dict__ is globals()
            @dataclass(slots=True)
            class Point:
                x: int = 0
                other: Point | None = None
            class Colour(enum.Enum):
                RED = 1
            class User(BaseModel):
                name: str
                friend: User | None = None
                at: Point = Point()
                colour: Colour = Colour.RED
            class Kid(Base): ...
            hints = typing.get_type_hints(User)
            user = User(name="a", friend={"name": "b"})
        """,
        _shared="class Base: ...",
    ).module()
    assert set(typing.get_args(module.hints["friend"])) == {module.User, type(None)}
    for value in (module.Point(1, module.Point(2)), module.Colour.RED, module.user):
        assert pickle.loads(pickle.dumps(value)) == value
        assert copy.deepcopy(value) == value
    assert isinstance(module.Colour.RED, enum.Enum)
    assert inspect.getmodule(module.User) is module


def test_names_and_places_are_sane(folder: Folder) -> None:
    """What a module can find out about itself is what it would find on disk, but for the package's name."""
    folder.add(
        {"home/__init__.py": "from . import parts", "home/parts.py": "", "_shared.py": "", "flat.py": ""}
    )
    package = folder.package()
    module, parts = package.module(), module_of(package, "home.parts")
    assert package.name.startswith(PREFIX + package.revision.digest[:16])
    assert (module.__name__, module.__package__) == (f"{package.name}.home",) * 2
    assert (parts.__name__, parts.__package__) == (f"{package.name}.home.parts", f"{package.name}.home")
    assert module.__spec__ is not None
    assert module.__spec__.name == module.__name__
    assert module.__spec__.loader is module.__loader__ is package
    assert module.__spec__.submodule_search_locations == list(module.__path__) == []
    assert not hasattr(parts, "__path__")
    assert (
        module.__file__
        == module.__spec__.origin
        == f"functions@{package.revision.digest[:12]}/home/__init__.py"
    )
    flat = folder.module("flat")
    assert flat.__package__ == flat.__name__.partition(".")[0]
    assert "__file__" not in vars(sys.modules[flat.__package__])


def test_the_newest_dev_revision_has_real_paths(folder: Folder) -> None:
    """Debuggers need them; every other revision has virtual ones, code objects included."""
    folder.write(home="def handle():\n    return [x for x in (1,)]")
    revision = folder.revision()
    real = folder.loader.load(revision, real_paths=True).module()
    assert real.__file__ == real.handle.__code__.co_filename == str(folder.root / "home.py")
    virtual = folder.loader.load(revision).module()
    assert (
        virtual.__file__ == virtual.handle.__code__.co_filename == f"functions@{revision.digest[:12]}/home.py"
    )
    nested = [each for each in virtual.handle.__code__.co_consts if hasattr(each, "co_filename")]
    assert {each.co_filename for each in nested} <= {virtual.__file__}
    assert real.handle.__code__.co_filename == str(folder.root / "home.py"), "what runs is not touched"


FAILING = '''"""Doc."""
from _shared import helper

def handle():
    return helper(
        1,
    )
'''


@pytest.mark.parametrize("real_paths", [False, True])
def test_tracebacks_and_inspect_show_the_text_that_runs(folder: Folder, *, real_paths: bool) -> None:
    """Line numbers and source lines are those of the snapshot, with nothing on disk."""
    folder.write(home=FAILING, _shared="def helper(x):\n    raise ValueError(x)")
    revision = folder.revision()
    folder.vanish()
    module = folder.loader.load(revision, real_paths=real_paths).module()
    with pytest.raises(ValueError, match="1") as caught:
        module.handle()
    shown = "".join(traceback.format_exception(caught.value))
    assert 'home.py", line 5, in handle\n    return helper(\n' in shown
    assert '_shared.py", line 2, in helper\n    raise ValueError(x)\n' in shown
    assert inspect.getsource(module.handle) == FAILING[FAILING.index("def handle") :]
    assert inspect.getsource(module) == FAILING
    assert inspect.getdoc(module) == "Doc."
    linecache.checkcache()
    assert linecache.getline(module.__file__, 1, vars(module)) == '"""Doc."""\n'


def test_an_old_revision_shows_its_own_text(folder: Folder) -> None:
    """While the file on disk already says something else."""
    revision = folder.write(home="def handle():\n    raise ValueError('old')").revision()
    folder.write(home="\n\n\n\n# something else")
    module = folder.loader.load(revision).module()
    with pytest.raises(ValueError, match="old") as caught:
        module.handle()
    assert "    raise ValueError('old')\n" in "".join(traceback.format_exception(caught.value))


def test_the_package_answers_for_its_files(folder: Folder) -> None:
    """The dev page asks it for the text behind a traceback's file name."""
    package = folder.write(home="from . import _s", _s="x = 1").package(real_paths=True)
    assert sorted(package.filenames()) == [str(folder.root / "_s.py"), str(folder.root / "home.py")]
    assert package.source_of(str(folder.root / "_s.py")) == "x = 1"
    assert package.source_of(__file__) is None
    assert repr(package) == f"<Package home-00001 as {package.name}>"
    with pytest.raises(ImportError, match="has no source"):
        package.get_source(f"{package.name}.nothing")


def test_modules_not_in_the_snapshot_are_not_found(folder: Folder) -> None:
    """Neither by the name of another revision nor of none at all."""
    package = folder.write(home="", other="").package()
    for name in (
        f"{package.name}.other",
        f"{package.name}.home.parts",
        f"{PREFIX}feed.home",
        f"{PREFIX}feed",
    ):
        with pytest.raises(ModuleNotFoundError):
            __import__(name)


def test_a_namespace_folder_is_a_package_without_a_file(folder: Folder) -> None:
    """As Python makes them: parts can be imported, there is no `__file__`."""
    folder.add({"home.py": "from ._lib.money import euros\nfrom . import _lib", "_lib/money.py": "euros = 1"})
    module = folder.module()
    assert module.euros == module._lib.money.euros == 1
    assert list(module._lib.__path__) == []
    assert getattr(module._lib, "__file__", None) is None


def test_threads_may_import_lazily_all_at_once(folder: Folder) -> None:
    """Each module runs once for each instance, whoever comes first, in two instances of one revision too."""
    folder.add(
        {
            "home/__init__.py": "import importlib\nruns = []\ndef late(i): return importlib.import_module(f'{__name__}.m{i}')"
        }
    )
    folder.add({f"home/m{i}.py": "from . import runs\nruns.append(__name__)" for i in range(20)})
    revision = folder.revision()
    modules = [folder.loader.load(revision).module() for _ in range(2)]
    barrier = threading.Barrier(8)

    def work(which: int) -> None:
        barrier.wait()
        for i in range(20):
            assert modules[which % 2].late(i).__name__.endswith(f".m{i}")

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(8)))
    for module in modules:
        assert len(module.runs) == len(set(module.runs)) == 20


def test_dropping_while_other_threads_import(folder: Folder) -> None:
    """Loading, dropping and everybody else's imports go on at the same time."""
    folder.write(home="from . import _s", _s="").write(other="X = 1")
    stop = threading.Event()

    def churn() -> int:
        rounds = 0
        while not stop.is_set():
            for i in range(200):
                sys.modules[f"churned_{i}"] = sys
            for i in range(200):
                del sys.modules[f"churned_{i}"]
            rounds += 1
        return rounds

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        with ThreadPoolExecutor(1) as pool:
            churning = pool.submit(churn)
            try:
                revision = folder.revision()
                for _ in range(100):
                    folder.loader.drop(folder.loader.load(revision))
            finally:
                stop.set()
            assert churning.result(10) > 0
    finally:
        sys.setswitchinterval(interval)


def test_closing_the_loader_drops_everything(folder: Folder) -> None:
    """Whatever was still loaded is gone, and the import system knows nothing of it."""
    folder.write(home="", page="")
    with Loader() as second:
        package = second.load(folder.revision())
        assert package.name in sys.modules
    assert package.name not in sys.modules
    assert second not in sys.meta_path
    second.drop(package)  # once more is harmless


def test_dropping_twice_is_harmless(folder: Folder) -> None:
    """A name that has been given to another instance since is not touched."""
    revision = folder.write(home="").revision()
    first = folder.loader.load(revision)
    folder.loader.drop(first)
    folder.loader.drop(first)
    assert ours() == []
    with pytest.raises(KeyError):
        first.module()


def test_revisions_with_almost_the_same_name_stay_apart(folder: Folder) -> None:
    """Dropping `…_abc` leaves `…_abc_2` alone."""
    revision = folder.write(home="").revision()
    first, second = folder.loader.load(revision), folder.loader.load(revision)
    assert second.name == f"{first.name}_2"
    folder.loader.drop(first)
    assert ours() == [second.name, f"{second.name}.home"]


def test_a_revision_says_what_it_is(folder: Folder) -> None:
    """Its name and the beginning of its digest."""
    revision: Revision = folder.write(home="").revision()
    assert repr(revision) == f"<Revision home-00001 {revision.digest[:12]}>"


@pytest.mark.parametrize(
    ("filename", "place"),
    [
        ("functions@db3d8cf42e60/home.py", "functions/home.py"),
        ("functions@db3d8cf42e60/home/parts.py", "functions/home/parts.py"),
        ("/srv/shop/functions/home.py", "functions/home.py"),
        ("/srv/shop/functionsx/home.py", None),
        ("/usr/lib/python3/functions/home.py", None),
        ("functions@db3d8cf42e60", None),
        ("someone@example/home.py", None),
        ("<string>", None),
    ],
)
def test_files_of_functions_in_other_processes_are_known_by_their_names(
    filename: str, place: str | None
) -> None:
    """Virtual ones, and those below the folder."""
    assert place_in(filename, Path("/srv/shop/functions")) == place
