"""Dropping a revision gives its memory back: nothing of Python's or the libraries' holds on to it."""

from __future__ import annotations

import contextvars
import gc
import linecache
import logging
import os
import sys
import threading
import traceback
import weakref
from collections.abc import Callable
from typing import Any, Generic, Optional, TypeVar, Union

import pytest
from pydantic import BaseModel, TypeAdapter

from tests.revisions.conftest import Folder, module_of, ours

CYCLES = 1000 if os.environ.get("BFF_SOAK") else 100
BODIES = {
    "plain": """
        class Thing: ...
        def handle(): return Thing()
        handle()
    """,
    "models": """
        from __future__ import annotations
        from typing import Annotated, Generic, Optional, TypeVar
        from pydantic import BaseModel, Field, TypeAdapter, field_validator
        T = TypeVar("T")
        class Thing(BaseModel):
            name: str = "x"
            other: Optional[Thing] = None
            many: list[Later] = []
            @field_validator("name")
            @classmethod
            def check(cls, value: str) -> str: return value
        class Later(BaseModel):
            n: Annotated[int, Field(ge=1)] = 1
        class Box(BaseModel, Generic[T]):
            inside: T
            maybe: Optional[T] = None
        Boxed = Box[Thing]
        adapter = TypeAdapter(list[Optional[Thing]] | dict[str, Box[Thing]])
        adapter.validate_python([{"other": {"name": "y"}, "many": [{}]}])
        Boxed(inside={"name": "z"}).model_dump_json()
        Thing.model_json_schema()
        adapter.json_schema()
        def handle(ctx, thing: Thing, more: Optional[list[Thing]] = None) -> Optional[Box[Thing]]: ...
    """,
    "typing": """
        import typing
        from typing import *
        T = TypeVar("T")
        class Thing: ...
        class Proto(Protocol[T]):
            def go(self, x: Thing) -> T: ...
        class Gen(Generic[T]): ...
        kinds = (Optional[Thing], Union[Thing, int], list[Thing], List[Thing], Callable[[Thing], Thing],
                 Gen[Thing], Dict[str, Gen[Optional[Thing]]], Annotated[Thing, "x"], type[Thing], Thing | None,
                 Literal["a"], ClassVar[Thing], Tuple[Thing, ...], NewType("New", Thing))
        class Row(NamedTuple):
            thing: Thing
        class Dict_(TypedDict):
            thing: Thing
        def handle(a: "Thing", b: "Optional[Gen[Thing]]") -> "Row": ...
        hints = typing.get_type_hints(handle)
        typing.get_type_hints(Dict_)
    """,
    "dataclasses": """
        import dataclasses, enum
        @dataclasses.dataclass(frozen=True, slots=True)
        class Thing:
            x: int = 0
            y: "Thing | None" = None
        class Colour(enum.Enum):
            RED = Thing()
        class Flags(enum.IntFlag):
            A = 1
            B = 2
        both = Flags.A | Flags.B
        dataclasses.asdict(Thing(1, Thing(2)))
        Made = dataclasses.make_dataclass("Made", [("thing", Thing)])
        def handle(): ...
    """,
    "abcs": """
        import abc, collections.abc
        class Base(abc.ABC):
            @abc.abstractmethod
            def go(self): ...
        class Thing(Base):
            def go(self): ...
        class Duck:
            def go(self): ...
        Base.register(Duck)
        collections.abc.Sized.register(Thing)
        isinstance(Duck(), Base), isinstance(Thing(), collections.abc.Mapping), issubclass(Thing, Base)
        def handle(): ...
    """,
    "functools": """
        import functools
        class Thing:
            @functools.cached_property
            def x(self): return self
            @functools.lru_cache
            def y(self): return self
        @functools.lru_cache(maxsize=None)
        def cached(thing): return thing
        @functools.singledispatch
        def show(x): ...
        @show.register
        def _(x: Thing): return x
        thing = Thing()
        thing.x, thing.y(), cached(thing), show(thing)
        @functools.wraps(cached)
        def handle(): ...
    """,
    "logging": """
        import logging, warnings
        class Thing(logging.Filter):
            def filter(self, record): return True
        log = logging.getLogger(__name__)
        log.addFilter(Thing())
        child = log.getChild("deep.er")
        child.addHandler(logging.NullHandler())
        child.info("x")
        with warnings.catch_warnings():
            warnings.simplefilter("always")
            warnings.catch_warnings(record=True)
        def handle(): ...
    """,
    "contexts": """
        import contextvars, threading, weakref
        class Thing: ...
        var = contextvars.ContextVar("var", default=Thing())
        token = var.set(Thing())
        local = threading.local()
        local.thing = Thing()
        registry = weakref.WeakValueDictionary(x=Thing())
        contextvars.copy_context().run(lambda: var.set(Thing()))
        def handle(): return var.get()
    """,
    "generators": """
        import asyncio, contextlib
        class Thing:
            def __del__(self): pass
        def numbers():
            thing = Thing()
            yield thing
        held = numbers()
        next(held)
        async def stream():
            yield Thing()
        @contextlib.contextmanager
        def managed():
            yield Thing()
        asyncio.iscoroutinefunction(stream)
        lock = asyncio.Lock()
        def handle(): ...
    """,
    "errors": """
        class Thing(Exception): ...
        try:
            raise Thing
        except Thing as error:
            kept = error
        def handle(): raise kept
    """,
    "pickled": """
        import copy, pickle
        class Thing:
            def __init__(self): self.me = self
        copy.deepcopy(Thing())
        pickle.loads(pickle.dumps(Thing()))
        def handle(): ...
    """,
    "starlette": """
        from starlette.applications import Starlette
        from starlette.responses import JSONResponse
        from starlette.routing import Route
        class Thing(JSONResponse): ...
        async def page(request): return Thing({})
        app = Starlette(routes=[Route("/", page)])
    """,
}  # fmt: skip


@pytest.mark.parametrize("body", list(BODIES))
def test_a_dropped_revision_can_be_collected(folder: Folder, body: str) -> None:
    """Module, shared module, classes and functions are gone after drop and one collection."""
    folder.write(
        home=BODIES[body] + "\n        from ._shared import Shared, helper",
        _shared="""
        class Shared: ...
        def helper(): return Shared
    """,
    )
    # As on the loader thread: what a body sets in its context goes with the job's context.
    package = contextvars.copy_context().run(folder.package)
    module, shared = package.module(), module_of(package, "_shared")
    kept: dict[str, weakref.ref[Any]] = {"module": weakref.ref(module), "shared": weakref.ref(shared)}
    for where in (module, shared):
        for name, value in vars(where).items():
            if getattr(value, "__module__", "").startswith(package.name) and isinstance(
                value, type | Callable
            ):
                kept[name] = weakref.ref(value)
    assert len(kept) > 3
    folder.loader.drop(package)
    del package, module, shared, where, value
    gc.collect()
    assert [name for name, ref in kept.items() if ref() is not None] == []


def test_what_was_made_of_its_types_is_freed_with_it(folder: Folder) -> None:
    """`Optional[Model]` asked for outside of it, a TypeAdapter and a validated value hold until dropped."""
    package = folder.write(
        home="from pydantic import BaseModel\nclass Thing(BaseModel):\n    x: int = 1"
    ).package()
    thing = package.module().Thing
    kinds = [Optional[thing], Union[thing, int], list[thing]]  # noqa: UP007, UP045 - the caches of typing are the point
    adapters = [TypeAdapter(kind) for kind in kinds]
    value = adapters[0].validate_python({"x": 2})
    ref = weakref.ref(thing)
    folder.loader.drop(package)
    gc.collect()
    assert ref() is not None
    del thing, kinds, adapters, value, package
    gc.collect()
    assert ref() is None


T = TypeVar("T")


class Box(BaseModel, Generic[T]):
    inside: T


def boxed(thing: Any) -> list[weakref.ref[Any]]:
    """A model of somebody else's, made for a class; in a frame that ends, since pydantic looks at locals."""
    made = Box[dict[str, list[type[thing]]] | None]
    return [weakref.ref(thing), weakref.ref(made)]


def test_generic_models_of_others_stay(folder: Folder) -> None:
    """Only what mentions the revision's classes leaves pydantic's cache, however deep they stand in it."""
    numbers = Box[int]
    package = folder.write(home="class Thing:\n    def go(self): ...").package()
    refs = boxed(package.module().Thing)
    folder.loader.drop(package)
    del package
    gc.collect()
    assert [ref() for ref in refs] == [None, None]
    assert Box[int] is numbers


def test_a_failed_load_can_be_collected_too(folder: Folder) -> None:
    """Once its failure is forgotten: the traceback is what holds the frames."""
    seen: list[weakref.ref[Any]] = []
    sys.bff_test_seen = seen  # type: ignore[attr-defined]
    try:
        folder.write(
            home="import sys, weakref\nclass Thing: ...\nsys.bff_test_seen.append(weakref.ref(Thing))\n1/0"
        )
        failure: Exception | None = folder.broken()
        assert seen[0]() is not None
        failure = None
        assert failure is None
        gc.collect()
        assert seen[0]() is None
    finally:
        del sys.bff_test_seen  # type: ignore[attr-defined]


def test_the_snapshot_goes_with_its_revision(folder: Folder) -> None:
    """The loader keeps neither bytes nor compiled code of revisions that nobody else knows of."""
    revision = folder.write(home="X = 1").revision()
    for _ in range(2):
        folder.loader.drop(folder.loader.load(revision))
    code = weakref.ref(revision.snapshot.codes["home"])
    del revision
    gc.collect()
    assert code() is None


CYCLED = """
    import logging
    from typing import Optional
    from dataclasses import dataclass
    from pydantic import BaseModel
    from . import parts
    from .._shared import Base
    log = logging.getLogger(__name__)
    log.getChild("child")
    class Model(BaseModel):
        name: str
        other: Optional["Model"] = None
    @dataclass
    class Row(Base):
        x: int = 1
    def handle(x: Optional[Model] = None):
        from .late import late
        raise ValueError(late)
"""


def _cycle(folder: Folder, load: Callable[[], Any]) -> None:
    package = load()
    try:
        package.module().handle()
    except ValueError as error:
        traceback.format_exception(error)  # fills linecache
    folder.loader.drop(package)


@pytest.mark.parametrize("fresh", [False, True], ids=["same revision", "new revisions"])
def test_many_cycles_leave_nothing(folder: Folder, *, fresh: bool) -> None:
    """Modules, cached lines, loggers, threads and objects: no more afterwards than before."""
    folder.add(
        {
            "home/__init__.py": CYCLED,
            "home/parts.py": "",
            "home/late.py": "late = 1",
            "_shared.py": "class Base: ...",
        }
    )
    revision = folder.revision()
    saves = iter(range(10_000))

    def load() -> Any:
        if fresh:
            folder.add({"_shared.py": f"class Base: ...\nsave = {next(saves)}"})
            return folder.package()
        return folder.loader.load(revision)

    def measured() -> tuple[int, ...]:
        gc.collect()
        tables = (sys.modules, linecache.cache, logging.Logger.manager.loggerDict, sys.path_importer_cache)
        return (*map(len, tables), threading.active_count(), len(sys.meta_path))

    def objects() -> int:
        gc.collect()
        return len(gc.get_objects())

    for _ in range(20):
        _cycle(folder, load)
    tables, before = measured(), objects()
    for _ in range(CYCLES):
        _cycle(folder, load)
    assert measured() == tables
    assert objects() - before < CYCLES / 2, "less than one object for each two cycles"
    assert ours() == []


def test_loggers_of_others_stay(folder: Folder) -> None:
    """Only what the revision named is forgotten, its placeholders included."""
    before = dict(logging.Logger.manager.loggerDict)
    other = logging.getLogger("bff_test_other.home")
    try:
        package = folder.write(home="import logging\nlog = logging.getLogger(__name__ + '.a.b')").package()
        assert package.name in logging.Logger.manager.loggerDict
        folder.loader.drop(package)
        assert logging.Logger.manager.loggerDict["bff_test_other.home"] is other
        mine = set(logging.Logger.manager.loggerDict) - set(before)
        assert mine == {"bff_test_other", "bff_test_other.home"}
    finally:
        for name in ("bff_test_other", "bff_test_other.home"):
            logging.Logger.manager.loggerDict.pop(name, None)
