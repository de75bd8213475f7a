"""What import statements mean: which local files follow, and which imports are made relative or refused."""

from __future__ import annotations

import ast
import sys
from textwrap import dedent

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bff.revisions.closure import ImportRefused, Parsed, parse

HAS = {"home", "_shared", "_lib", "_lib.money", "page", "page.parts", "page.sub", "page.sub.deep", "friendly"}
INSTALLED = {"friendly"}


def exists(name: str) -> bool:
    return name in HAS


def is_local(top: str) -> bool:
    return top == "functions" or (top in HAS and top not in INSTALLED)


def parsed(source: str, module: str = "home", *, is_package: bool = False) -> Parsed:
    return parse(
        dedent(source).encode(),
        filename=f"functions/{module}.py",
        module=module,
        is_package=is_package,
        folder="functions",
        exists=exists,
        is_local=is_local,
    )


def text(source: str, module: str = "home", *, is_package: bool = False) -> str:
    return ast.unparse(parsed(source, module, is_package=is_package).tree)


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("import _shared", "from . import _shared"),
        ("import _shared as s", "from . import _shared as s"),
        ("from _shared import X", "from ._shared import X"),
        ("from _shared import *", "from ._shared import *"),
        ("from functions._shared import X", "from ._shared import X"),
        ("from functions import _shared", "from . import _shared"),
        ("from functions import _shared, _lib as lib", "from . import _shared, _lib as lib"),
        ("import functions._shared as s", "from . import _shared as s"),
        ("import _lib.money as m", "from ._lib import money as m"),
        ("import functions._lib.money as m", "from ._lib import money as m"),
        ("from _lib.money import euros", "from ._lib.money import euros"),
        ("from functions import nobody", "from . import nobody"),
        ("from functions.nobody import x", "from .nobody import x"),
    ],
)
def test_absolute_imports_of_local_files_become_relative(written: str, meant: str) -> None:
    """However a local file is imported absolutely, the module that runs imports it relatively."""
    assert text(written) == meant


@pytest.mark.parametrize(
    "source",
    [
        "import json",
        "import os.path",
        "from json import loads as l",
        "import json.decoder as d, os",
        "from . import _shared",
        "from ._shared import X",
        "import friendly",
        "from friendly import WHO",
        "import friendly.inner",
        "x = lambda: 1 if 2 else 3",
    ],
)
def test_everything_else_stays_as_it_was_written(source: str) -> None:
    """Installed packages, Python's own and relative imports are not touched."""
    assert text(source) == source


def test_dots_are_counted_from_where_the_module_lies() -> None:
    """In a folder function the functions folder is one dot further up, in its parts further still."""
    assert text("import _shared", "page", is_package=True) == "from .. import _shared"
    assert text("import _shared", "page.parts") == "from .. import _shared"
    assert text("from page.parts import x", "page.parts") == "from ..page.parts import x"
    assert text("from _shared import X", "page.sub.deep") == "from ..._shared import X"


def test_one_statement_with_several_names_keeps_their_order() -> None:
    """Modules run in the order they are named in, the local one in its place among the others."""
    assert text("import os, _shared as s, sys") == "import os\nfrom . import _shared as s\nimport sys"


def test_the_prefix_of_the_folder_means_the_folder() -> None:
    """Who writes `functions.friendly` means the file, whatever package of that name is installed."""
    assert text("from functions.friendly import WHO") == "from .friendly import WHO"


def test_a_missing_part_of_a_local_package_is_missing_locally() -> None:
    """`from _lib.nothing import x` is told as missing from the folder, not as not installed."""
    assert text("from _lib.nothing import x") == "from ._lib.nothing import x"
    assert text("import _lib.nothing as n") == "from ._lib import nothing as n"


@pytest.mark.parametrize(
    ("module", "is_package", "source", "remedy"),
    [
        ("home", False, "import page.parts", "write `from .page import parts`"),
        ("home", False, "import functions._shared", "write `from . import _shared`"),
        ("home", False, "import functions._lib.money", "write `from ._lib import money`"),
        ("page", True, "import page.parts", "write `from ..page import parts`"),
        ("page.sub.deep", False, "import _lib.money", "write `from ..._lib import money`"),
        ("home", False, "import os, _lib.money", "write `from ._lib import money`"),
        ("home", False, "import functions.nobody", "write `from . import nobody`"),
    ],
)
def test_a_dotted_plain_import_of_local_files_is_refused(
    module: str, is_package: bool, source: str, remedy: str
) -> None:
    """`import a.b` would bind `a`; it is refused with the line it stands in and what to write instead."""
    with pytest.raises(ImportRefused) as caught:
        parsed(f"x = 1\n\n{source}\n", module, is_package=is_package)
    assert (caught.value.line, caught.value.remedy) == (3, remedy)
    assert "dotted absolute name" in str(caught.value)


@pytest.mark.parametrize("source", ["import functions", "import functions as f", "import os, functions"])
def test_the_folder_itself_cannot_be_imported(source: str) -> None:
    """It is no module here; `functions` in the working directory would be read from disk."""
    with pytest.raises(ImportRefused, match="names the functions folder itself") as caught:
        parsed(source, "page.parts")
    assert caught.value.remedy == "write `from .. import NAME`"


def test_an_installed_package_may_be_called_like_the_folder() -> None:
    """Then its names are left alone, and only those that are files of the folder are the folder's."""
    found = parse(
        b"import functions\nfrom functions import other\nfrom functions._shared import X",
        filename="functions/home.py",
        module="home",
        is_package=False,
        folder="functions",
        exists=exists,
        is_local=lambda top: top != "functions" and is_local(top),
    )
    assert ast.unparse(found.tree).splitlines() == [
        "import functions",
        "from functions import other",
        "from ._shared import X",
    ]


def test_what_is_above_a_missing_part_is_there() -> None:
    """`from ._lib.nothing import x` needs `_lib`, which may make `nothing` when it runs."""
    assert parsed("from ._lib.nothing.at_all import money").imports == ("_lib",)


def test_the_remedy_is_accepted() -> None:
    """What a refusal says to write names the same file, and is not refused itself."""
    with pytest.raises(ImportRefused) as caught:
        parsed("import page.parts", "page.sub.deep")
    remedy = caught.value.remedy.removeprefix("write `").rstrip("`")
    assert "page.parts" in parsed(remedy, "page.sub.deep").imports


NESTED = """
    from __future__ import annotations
    import typing
    from typing import TYPE_CHECKING
    if TYPE_CHECKING:
        from _shared import A
    else:
        from . import page
    try:
        from _lib import money
    except ImportError:
        import missing
    def handle():
        import _shared
        async def inner():
            for x in ():
                pass
            else:
                from page.sub import deep
    class C:
        match 1:
            case 1:
                with open("x") as f:
                    import _lib as lib
    while False:
        from functions import home
"""


def test_imports_are_found_wherever_a_statement_may_stand() -> None:
    """In functions, classes, branches, handlers, loops and cases; under TYPE_CHECKING too."""
    found = parsed(NESTED)
    assert set(found.imports) == {
        "_shared",
        "page",
        "_lib",
        "_lib.money",
        "page.sub",
        "page.sub.deep",
        "home",
    }
    assert "from _shared" not in ast.unparse(found.tree)
    assert "import _lib" in ast.unparse(found.tree)


def test_except_groups_are_looked_into() -> None:
    """`except*` holds statements like any other."""
    assert parsed("try:\n    pass\nexcept* OSError:\n    import _shared\n").imports == ("_shared",)


def test_rewriting_moves_no_line() -> None:
    """Tracebacks name the lines the author sees."""
    source = '"""Doc."""\nfrom __future__ import annotations\n\nimport os, _shared\n\nx = 1; import _lib\n\ny = 2\n'
    tree = parsed(source).tree
    lines = {type(node).__name__ + str(i): node.lineno for i, node in enumerate(tree.body)}
    assert [node.lineno for node in tree.body] == [1, 2, 4, 4, 6, 6, 8], lines
    for node in ast.walk(tree):
        if isinstance(node, ast.stmt):
            assert node.end_lineno is not None
            assert node.end_lineno >= node.lineno


def test_docstring_and_future_import_stay_first() -> None:
    """A rewritten module is still a module with a docstring whose annotations stay texts."""
    source = '"""Doc."""\nfrom __future__ import annotations\nimport _shared\ndef f(x: Nothing): ...\n'
    tree = parsed(source).tree
    assert ast.get_docstring(tree) == "Doc."
    code = compile(tree, "x", "exec", dont_inherit=True)
    names: dict[str, object] = {"__name__": "p.home", "__package__": "p"}
    with pytest.raises(ImportError):
        exec(code, names)
    assert names["__doc__"] == "Doc."
    exec(compile(ast.Module(tree.body[1:2] + tree.body[3:], []), "x", "exec", dont_inherit=True), names)
    assert names["f"].__annotations__ == {"x": "Nothing"}


@pytest.mark.parametrize("dots", ["..", "...", "...."])
def test_beyond_the_top_is_left_to_python(dots: str) -> None:
    """A relative import that leaves the folder names nothing here; running it raises with the line."""
    assert parsed(f"from {dots} import _shared").imports == ()


def test_long_expressions_do_not_overflow() -> None:
    """A generated table of thousands of sums is ordinary Python, and nests deeper than recursion may go."""
    depth = sys.getrecursionlimit() // 2
    source = "total = " + "+".join(["1"] * depth) + "\nimport _shared\n"
    assert parsed(source).imports == ("_shared",)


def test_what_is_not_python_raises_as_python_does() -> None:
    """The caller says where and why."""
    with pytest.raises(SyntaxError, match="invalid syntax"):
        parsed("def (:")


PARTS = st.sampled_from(
    ["_shared", "_lib", "_lib.money", "page", "page.parts", "json", "friendly", "nothing"]
)
STATEMENTS = st.one_of(
    PARTS.map("import {} as a".format),
    PARTS.map("from {} import x".format),
    PARTS.map("from functions.{} import x".format),
    PARTS.map("from .{} import x".format),
)


@given(st.lists(STATEMENTS, min_size=1, max_size=5), st.sampled_from(["home", "page.parts", "page.sub.deep"]))
def test_rewriting_is_done_once_and_for_all(statements: list[str], module: str) -> None:
    """What was made relative means the same files when it is read again, and is not touched again."""
    once = parsed("\n".join(statements), module)
    again = parsed(ast.unparse(once.tree), module)
    assert ast.unparse(again.tree) == ast.unparse(once.tree)
    assert set(again.imports) == set(once.imports)
    assert all(exists(name) for name in once.imports)
