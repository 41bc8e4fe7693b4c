"""
Only the rooms touch files.

Every module of the package is read, never run: calls and references that reach the disk are found in its
syntax tree. What hides behind `getattr` or a renamed method is not seen; the review has to.
"""

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import attrs
import pytest

PACKAGE: Final = Path(__file__).parents[1] / "reconciler"

ROOMS: Final = frozenset(
    {
        "workspace/effects.py",
        "workspace/folders.py",
        "workspace/writing.py",
        "workspace/incoming.py",
        "workspace/reading.py",
        "workspace/live.py",
        "workspace/locking.py",
        "workspace/mounts.py",
        "workspace/together.py",
        "workspace/told.py",
        "testing/files.py",
    }
)
"""The modules that may do whatever they need."""

ALLOWED: Final[dict[str, dict[str, str]]] = {
    "cli/demo.py": {"tempfile.TemporaryDirectory": "the demo runs in a workspace that it makes and removes"},
    "workspace/exporting.py": {".expanduser": "a path that the user typed, not a file"},
    "workspace/template.py": dict.fromkeys(
        (".is_dir", ".is_file", ".iterdir", ".read_bytes"),
        "the template is a resource of the package, read only",
    ),
}
"""Module, then what it may reach, then why."""

HARMLESS_OS: Final = frozenset(
    "DirEntry EX_OK PathLike W_OK R_OK X_OK _exit cpu_count devnull environ error fsdecode fsencode fspath "
    "get_terminal_size getenv getpid getppid getuid isatty kill linesep name sched_getaffinity sep "
    "stat_result strerror uname urandom".split(),
)
HARMLESS_OS_PATH: Final = frozenset(
    "basename commonpath commonprefix dirname isabs join normcase normpath sep split splitext".split(),
)
FILE_MODULES: Final = frozenset({"fcntl", "glob", "io", "mmap", "pathlib", "shutil", "sqlite3", "tempfile"})
HARMLESS: Final = frozenset(
    "io.BufferedIOBase io.BytesIO io.IOBase io.RawIOBase io.SEEK_CUR io.SEEK_END io.SEEK_SET io.StringIO "
    "io.TextIOWrapper io.UnsupportedOperation pathlib.Path pathlib.PurePath pathlib.PurePosixPath "
    "shutil.get_terminal_size".split(),
)

PATH_METHODS: Final[dict[str, int]] = {
    "chmod": 1,
    "exists": 0,
    "expanduser": 0,
    "glob": 1,
    "hardlink_to": 1,
    "is_dir": 0,
    "is_file": 0,
    "is_symlink": 0,
    "iterdir": 0,
    "lstat": 0,
    "mkdir": 3,
    "open": 5,
    "read_bytes": 0,
    "read_text": 2,
    "readlink": 0,
    "rename": 1,
    "replace": 1,
    "resolve": 0,
    "rglob": 1,
    "rmdir": 0,
    "samefile": 1,
    "stat": 0,
    "symlink_to": 2,
    "touch": 2,
    "unlink": 0,
    "write_bytes": 1,
    "write_text": 3,
}
"""Methods of a path that reach the disk, with the most positional arguments of each (`str.replace`: two)."""

NOT_PATHS: Final = frozenset({"disk", "effects", "fx", "look", "room"})
"""A call on one of these goes through the room, which is how files are meant to be reached."""


@attrs.frozen(order=True)
class Touch:
    """One place in a module that reaches the disk."""

    line: int
    what: str


def touches(source: str) -> tuple[Touch, ...]:
    """Every place in *source* that reaches the disk, in the order of its lines."""
    tree = ast.parse(source)
    names = _imported(tree)
    return tuple(sorted({touch for node in ast.walk(tree) for touch in _touched(node, names)}))


def _imported(tree: ast.Module) -> dict[str, str]:
    """Each name that an import binds, with the dotted name that it stands for."""
    names = {"open": "builtins.open"}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                top = alias.name.partition(".")[0]
                names[alias.asname or top] = alias.name if alias.asname else top
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {alias.asname or alias.name: f"{node.module}.{alias.name}" for alias in node.names}
    return names


def _touched(node: ast.AST, names: dict[str, str]) -> Iterator[Touch]:
    """What *node* itself reaches on the disk: one thing or nothing."""
    if isinstance(node, ast.Name | ast.Attribute):
        dotted = _dotted(node, names)
        if dotted is not None and _reaches_disk(dotted):
            yield Touch(node.lineno, dotted)
    elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
        method, receiver = node.func.attr, node.func.value
        takes = PATH_METHODS.get(method)
        if takes is not None and len(node.args) <= takes and _may_be_path(method, receiver, node, names):
            yield Touch(node.lineno, f".{method}")


def _dotted(node: ast.expr, names: dict[str, str]) -> str | None:
    """The full dotted name of a reference to something imported, None for anything else."""
    match node:
        case ast.Name(id=name):
            return names.get(name)
        case ast.Attribute(value=value, attr=attr):
            base = _dotted(value, names)
            return None if base is None else f"{base}.{attr}"
        case _:
            return None


def _reaches_disk(dotted: str) -> bool:
    """Whether a reference to *dotted* is one to a file function."""
    module, _, name = dotted.partition(".")
    if dotted == "builtins.open":
        return True
    if not name or dotted in HARMLESS:
        return False
    if module == "os":
        part, _, leaf = name.partition(".")
        if part == "path":
            return bool(leaf) and leaf not in HARMLESS_OS_PATH
        return part not in HARMLESS_OS
    if dotted.startswith("pathlib.Path."):
        return name.rpartition(".")[2] in {*PATH_METHODS, "cwd", "home"}
    return module in FILE_MODULES and not dotted.startswith("pathlib.")


def _may_be_path(method: str, receiver: ast.expr, call: ast.Call, names: dict[str, str]) -> bool:
    """Whether the receiver of a call may be a path, as far as its spelling tells."""
    keywords = {keyword.arg for keyword in call.keywords}
    if method == "replace" and (keywords or not call.args):
        return False  # of a date, a code object, ...
    spelled = receiver.attr if isinstance(receiver, ast.Attribute) else getattr(receiver, "id", "")
    if spelled.lstrip("_").lower() in NOT_PATHS:
        return False
    if _dotted(receiver, names) is not None:
        return False  # a function of a module, or a class: judged by its full name
    return not spelled[:1].isupper()  # a class of the module's own, as in Workspace.open(...)


def _modules() -> list[Path]:
    return sorted(path for path in PACKAGE.rglob("*.py") if path.relative_to(PACKAGE).as_posix() not in ROOMS)


def _name(module: Path) -> str:
    return module.relative_to(PACKAGE).as_posix()


@pytest.mark.parametrize("module", _modules(), ids=_name)
def test_no_module_outside_the_rooms_reaches_the_disk(module: Path) -> None:
    """A module outside the rooms opens, lists, writes, moves and removes nothing unless allowed to."""
    allowed = ALLOWED.get(_name(module), {})

    assert [
        f"reconciler/{_name(module)}:{touch.line}: {touch.what} belongs into reconciler/workspace/effects.py"
        for touch in touches(module.read_text("utf-8"))
        if touch.what not in allowed
    ] == []


@pytest.mark.parametrize("name", sorted(ALLOWED))
def test_no_permission_outlives_its_use(name: str) -> None:
    """Each permission names a module that exists and something that this module really reaches."""
    used = {touch.what for touch in touches((PACKAGE / name).read_text("utf-8"))}

    assert used >= set(ALLOWED[name])


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        pytest.param("open('x')", "builtins.open", id="open"),
        pytest.param("import io\nio.open('x')", "io.open", id="io-open"),
        pytest.param("import os\nos.rename('a', 'b')", "os.rename", id="os-function"),
        pytest.param("import os as system\nsystem.fsync(3)", "os.fsync", id="renamed-module"),
        pytest.param("from os import unlink as drop\ndrop('a')", "os.unlink", id="renamed-function"),
        pytest.param("import os.path\nos.path.exists('a')", "os.path.exists", id="os-path"),
        pytest.param("from os import path\npath.getsize('a')", "os.path.getsize", id="from-os-import-path"),
        pytest.param("import os\nlist(map(os.stat, ()))", "os.stat", id="passed-on-without-a-call"),
        pytest.param("import shutil\nshutil.rmtree('a')", "shutil.rmtree", id="shutil"),
        pytest.param("import tempfile\ntempfile.mkdtemp()", "tempfile.mkdtemp", id="tempfile"),
        pytest.param("import sqlite3\nsqlite3.connect('a')", "sqlite3.connect", id="sqlite"),
        pytest.param("from pathlib import Path\nPath.cwd()", "pathlib.Path.cwd", id="cwd"),
        pytest.param("from pathlib import Path\nPath('a').read_bytes()", ".read_bytes", id="path-call"),
        pytest.param("def f(path):\n    path.write_text('x', encoding='utf-8')", ".write_text", id="write"),
        pytest.param("def f(self):\n    self.root.joinpath('a').open('rb')", ".open", id="path-open"),
        pytest.param("def f(a, b):\n    a.replace(b)", ".replace", id="path-replace"),
        pytest.param("def f(a):\n    (a / 'b').mkdir(parents=True, exist_ok=True)", ".mkdir", id="mkdir"),
        pytest.param("def f(a):\n    return [p for p in a.iterdir() if p]", ".iterdir", id="iterdir"),
    ],
)
def test_what_reaches_the_disk_is_found(source: str, expected: str) -> None:
    """Each way to reach a file is found, under whatever name it was imported."""
    assert [touch.what for touch in touches(source)] == [expected]


@pytest.mark.parametrize(
    "source",
    [
        pytest.param("import os\nos.environ.get('HOME')\nos.getpid()", id="the-process"),
        pytest.param("import os\nos.path.join('a', 'b')", id="path-arithmetic"),
        pytest.param("from pathlib import Path\nPath('a') / 'b'", id="building-a-path"),
        pytest.param("import io\nio.BytesIO(b'x')", id="memory"),
        pytest.param("'a-b'.replace('-', '_')", id="str-replace"),
        pytest.param("def f(when):\n    return when.replace(tzinfo=None)", id="date-replace"),
        pytest.param("def f(fx, path):\n    fx.unlink(path)\n    fx.stat()", id="through-the-room"),
        pytest.param("class W: ...\nW.open('x')", id="a-class-of-ours"),
        pytest.param("import attrs\nattrs.evolve(1)", id="another-module"),
    ],
)
def test_what_stays_in_memory_is_not_blamed(source: str) -> None:
    """Values, path arithmetic and calls on the room itself are nobody's effect."""
    assert touches(source) == ()
