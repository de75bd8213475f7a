"""A load that fails says where in the author's own file, why and what to do, and leaves no trace."""

from __future__ import annotations

import linecache
import logging
import sys

import pytest

from bff.revisions.loader import MAX_MESSAGE, PREFIX
from tests.revisions.conftest import Folder, ours


@pytest.mark.parametrize("real_paths", [False, True])
@pytest.mark.parametrize(
    ("home", "where", "why"),
    [
        ("x = 1\nx / 0", "functions/home.py:2", "ZeroDivisionError: division by zero"),
        ("def f():\n    raise OSError('no')\nf()", "functions/home.py:2", "OSError: no"),
        ("import json\n\njson.loads('{')", "functions/home.py:3", "JSONDecodeError: Expecting property name"),
        ("from . import _shared\n_shared.fail()", "functions/_shared.py:2", "KeyError: 'x'"),
        ("raise ExceptionGroup('two', [OSError(), KeyError()])", "functions/home.py:1", "two (2 sub-exceptions)"),
        ("raise GeneratorExit", "functions/home.py:1", "GeneratorExit"),
        ("import asyncio\nraise asyncio.CancelledError", "functions/home.py:2", "CancelledError"),
        ("from ._shared import nobody", "functions/home.py:1", "cannot import name 'nobody' from '_shared'"),
        ("from .. import beyond", "functions/home.py:1", "beyond top-level package"),
    ],
)  # fmt: skip
def test_the_place_is_the_last_line_of_the_authors_own(
    folder: Folder, home: str, where: str, why: str, *, real_paths: bool
) -> None:
    """Not the library's line that raised, and not ours."""
    folder.write(home=home, _shared="def fail():\n    {}['x']")
    failure = folder.broken(real_paths=real_paths)
    assert failure.where == where
    assert why in failure.why
    assert PREFIX not in failure.report()
    assert failure.function == "home"
    assert ours() == []


@pytest.mark.parametrize("real_paths", [False, True])
@pytest.mark.parametrize(
    ("source", "where", "why"),
    [
        ("x = 1\nreturn x", "functions/{}.py:2:1", "SyntaxError: 'return' outside function"),
        ("\n\nawait x", "functions/{}.py:3:1", "SyntaxError: 'await' outside function"),
        ("def f(a, a): ...", "functions/{}.py:1", "SyntaxError: duplicate argument 'a'"),
        ("from __future__ import braces", "functions/{}.py:1", "SyntaxError: not a chance"),
    ],
)
@pytest.mark.parametrize("name", ["home", "_shared"])
def test_what_only_the_compiler_refuses_has_its_line_too(
    folder: Folder, name: str, source: str, where: str, why: str, *, real_paths: bool
) -> None:
    """The line that is wrong, not the one that imports it."""
    files = {"home": "\n\nfrom . import _shared", "_shared": ""} | {name: source}
    failure = folder.write(**files).broken(real_paths=real_paths)
    assert failure.where.startswith(where.format(name))
    assert failure.why.startswith(why)


def test_a_package_that_is_not_installed_has_a_remedy(folder: Folder) -> None:
    """How to install it, by the name of its top."""
    failure = folder.write(home="import nobody_has.this").broken()
    assert failure.report() == (
        "functions/home.py:1: ModuleNotFoundError: No module named 'nobody_has'\n"
        "  remedy: install it (`pip install nobody_has`), or import local files relatively"
    )


@pytest.mark.parametrize(
    ("source", "missing"),
    [
        ("from ._nothing import x", "_nothing"),
        ("from ._lib.nothing import x", "_lib.nothing"),
        ("from _lib.nothing import x", "_lib.nothing"),
        ("from functions._lib.nothing import x", "_lib.nothing"),
    ],
)
def test_a_local_file_that_is_missing_has_another(folder: Folder, source: str, missing: str) -> None:
    """Nobody is told to install a file of their own."""
    failure = folder.add({"home.py": source, "_lib/__init__.py": ""}).broken()
    assert failure.report() == (
        f"functions/home.py:1: ModuleNotFoundError: No module named '{missing}'\n"
        "  remedy: create the file, or correct the name in functions/"
    )


def test_a_name_nobody_has_is_missing_from_the_folder(folder: Folder) -> None:
    """Also where the working directory has another folder of that name, as this one has."""
    failure = folder.write(home="from functions import nobody").broken()
    assert failure.why.startswith("ImportError: cannot import name 'nobody' from 'functions'")


def test_exiting_is_a_failure_of_the_function(folder: Folder) -> None:
    """`sys.exit()` in a module does not end the gateway."""
    failure = folder.write(home="import sys\nsys.exit(3)").broken()
    assert failure.report() == (
        "functions/home.py:2: SystemExit: 3\n  remedy: a function's module must not exit the process"
    )


@pytest.mark.parametrize("error", [KeyboardInterrupt, MemoryError])
def test_an_interrupt_is_not_swallowed(folder: Folder, error: type[BaseException]) -> None:
    """Ctrl-C in `bff check`, and memory that ran out, are nobody's mistake; nothing stays loaded."""
    folder.write(home=f"raise {error.__name__}")
    with pytest.raises(error):
        folder.package()
    assert ours() == []


def test_the_cause_is_kept(folder: Folder) -> None:
    """For the log: the author's own exception is `__cause__`."""
    failure = folder.write(home="raise LookupError('x')").broken()
    assert isinstance(failure.__cause__, LookupError)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("def __str__(self): raise OSError", "Odd: (its message cannot be shown: OSError)"),
        ("def __str__(self): return 3", "Odd: (its message cannot be shown: TypeError)"),
        ("def __str__(self): return ''", "Odd"),
        ("def __str__(self): return 'ends: '", "Odd: ends: "),
        ("def __str__(self): return 'lone \\udcff'", "Odd: lone \\udcff"),
        ("def __str__(self): return 'two\\nlines'", "Odd: two\nlines"),
        ("def __str__(self): return 'x' * 10**7", "Odd: " + "x" * MAX_MESSAGE + "…"),
    ],
)
def test_messages_may_be_anything(folder: Folder, text: str, why: str) -> None:
    """An exception that cannot be shown, or hardly, still has a report that can be printed."""
    failure = folder.write(home=f"class Odd(Exception):\n    {text}\nraise Odd").broken()
    assert failure.why == why
    assert failure.report().encode("utf-8")
    assert failure.where == "functions/home.py:3"


def test_a_failure_leaves_no_trace(folder: Folder) -> None:
    """Modules, their parts, loggers and cached lines of a failed load are gone; the next one works."""
    folder.write(
        home="""
            import logging, sys, types
            from . import _shared
            logging.getLogger(__name__)
            sys.modules[__name__ + ".blocked"] = None
            sys.modules[__name__ + ".odd"] = 3
            raise ValueError
        """,
        _shared="import logging; logging.getLogger(__name__ + '.deep')",
    )
    lines, loggers = set(linecache.cache), set(logging.Logger.manager.loggerDict)
    folder.broken()
    assert ours() == []
    assert set(linecache.cache) == lines
    assert set(logging.Logger.manager.loggerDict) == loggers
    folder.write(home="X = 1")
    assert folder.module().X == 1


def test_a_failed_load_can_be_tried_again(folder: Folder) -> None:
    """The same revision, once what it needs is there."""
    revision = folder.write(home="import os\nX = os.environ['BFF_TEST_READY']").revision()
    with pytest.raises(Exception, match="could not be loaded"):
        folder.loader.load(revision)
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("BFF_TEST_READY", "yes")
        assert folder.loader.load(revision).module().X == "yes"


def test_a_body_may_put_another_object_in_its_place(folder: Folder) -> None:
    """The old trick of a module that replaces itself works, and is dropped like any other."""
    folder.write(
        home="from . import _lazy\nX = _lazy.anything",
        _lazy="""
        import sys
        class Lazy:
            __slots__ = ()
            def __getattr__(self, name): return name
        sys.modules[__name__] = Lazy()
    """,
    )
    package = folder.package()
    assert package.module().X == "anything"
    folder.loader.drop(package)
    assert [name for name in sys.modules if name.startswith(PREFIX)] == []


def test_recursion_without_end_names_the_line(folder: Folder) -> None:
    """A thousand frames make a short report."""
    failure = folder.write(home="def f():\n    return f()\nf()").broken()
    assert failure.where == "functions/home.py:2"
    assert failure.why.startswith("RecursionError")
