"""
What a module of the package reaches: the disk, the network, other processes, or code by its name.

A module is read, never run: what it reaches is found in its syntax tree, under whatever name it was imported,
assigned or asked for. `tests/proof/outside/seen.py` shows from outside that nothing gets past.
"""

import ast
from collections.abc import Iterator
from fnmatch import fnmatchcase
from typing import Final

import attrs

HARMLESS_OS: Final = frozenset(
    "DirEntry EX_OK PathLike W_OK R_OK X_OK _exit cpu_count devnull environ error fsdecode fsencode fspath "
    "get_terminal_size getenv geteuid getpid getppid getuid isatty kill linesep name sched_getaffinity sep "
    "stat_result strerror uname urandom".split(),
)
HARMLESS_OS_PATH: Final = frozenset(
    "basename commonpath commonprefix dirname isabs join normcase normpath sep split splitext".split(),
)
MODULES: Final = frozenset(
    # files
    "_io _sqlite3 bz2 dbm fcntl fileinput genericpath glob gzip io linecache lzma mmap nt ntpath pathlib "
    "posix posixpath shelve shutil sqlite3 tarfile tempfile zipfile aiofiles "
    # the network
    "_socket _ssl aiohttp ftplib http httpcore httpx imaplib poplib requests smtplib socket socketserver ssl "
    "telnetlib urllib urllib3 websockets xmlrpc "
    # other processes, and memory that is not ours
    "_posixsubprocess _winapi cffi ctypes multiprocessing pty subprocess webbrowser "
    # code
    "_frozen_importlib_external importlib pkgutil runpy zipimport".split()
)
"""Modules of which everything reaches out, but for what is HARMLESS."""

FUNCTIONS: Final = frozenset(
    "builtins.open builtins.__import__ builtins.eval builtins.exec builtins.compile builtins.globals "
    "builtins.locals builtins.vars builtins.__builtins__ codecs.open asyncio.open_connection "
    "asyncio.open_unix_connection asyncio.start_server asyncio.start_unix_server "
    "asyncio.create_subprocess_exec asyncio.create_subprocess_shell logging.FileHandler logging.basicConfig "
    "operator.attrgetter operator.methodcaller sys.modules concurrent.futures.ProcessPoolExecutor "
    "signal.set_wakeup_fd tokenize.open".split()
)
"""The same of modules that are harmless otherwise, and of what is there without an import."""

BUILTINS: Final = {name.removeprefix("builtins."): name for name in FUNCTIONS if name.startswith("builtins.")}
HARMLESS: Final = frozenset(
    "gzip.compress http.HTTPStatus* http.HTTPMethod* http.cookiejar.* importlib.abc* importlib.util "
    "importlib.machinery importlib.metadata importlib.resources importlib.resources.abc.Traversable "
    "multiprocessing.connection.Connection subprocess.DEVNULL subprocess.PIPE urllib.parse.* urllib.error.* "
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

ONLY_PATHS: Final = PATH_METHODS.keys() - frozenset(
    "exists glob is_dir is_file mkdir open rename replace resolve stat touch".split()
)
"""Methods that nothing but a path has: to mention one, without a call, is enough."""

NOT_PATHS: Final = frozenset({"disk", "effects", "fx", "look", "room"})
"""A call on one of these goes through the room, which is how files are meant to be reached."""


@attrs.frozen(order=True)
class Touch:
    """
    One place in a module that reaches out.

    Attributes:
        line: Where.
        what: What is reached.
        far: Unless it only hands a module on.
    """

    line: int
    what: str
    far: bool = True


def touches(source: str) -> tuple[Touch, ...]:
    """Every place in *source* that reaches out, in the order of its lines."""
    tree = ast.parse(source)
    names = _bound(tree)
    told = _told_of(tree)
    found = {
        touch
        for node in ast.walk(tree)
        for touch in _touched(node, names)
        if id(node) not in told or touch.far
    }
    return tuple(sorted(found))


def _bound(tree: ast.Module) -> dict[str, str]:
    """Each name that is bound to something from another module, with the dotted name that it stands for."""
    names = dict(BUILTINS)
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                top = alias.name.partition(".")[0]
                names[alias.asname or top] = alias.name if alias.asname else top
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names |= {alias.asname or alias.name: f"{node.module}.{alias.name}" for alias in node.names}
    # Other names for the same, until there are no more: `system = os`, `def f(system=os)`.
    while more := {left: dotted for left, dotted in _renamed(tree, names) if left not in names}:
        names |= more
    return names


def _renamed(tree: ast.Module, names: dict[str, str]) -> Iterator[tuple[str, str]]:
    """Other names that modules, and the class of paths, are given."""
    pairs: list[tuple[ast.expr | ast.arg, ast.expr | None]] = []
    for node in ast.walk(tree):
        match node:
            case ast.Assign(targets=targets, value=value):
                for target in targets:
                    if isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple):
                        pairs += zip(target.elts, value.elts, strict=False)
                    pairs.append((target, value))
            case ast.AnnAssign(target=only, value=value) | ast.NamedExpr(target=only, value=value):
                pairs.append((only, value))
            case ast.arguments(posonlyargs=first, args=args, defaults=defaults):
                pairs += zip(reversed([*first, *args]), reversed(defaults), strict=False)
                pairs += zip(node.kwonlyargs, node.kw_defaults, strict=True)
            case _:
                pass
    for left, right in pairs:
        dotted = None if right is None else _dotted(right, names)
        if dotted is not None and (_is_module(dotted) or dotted == "pathlib.Path"):
            name = left.arg if isinstance(left, ast.arg) else getattr(left, "id", "")
            if name:
                yield name, dotted


def _told_of(tree: ast.Module) -> set[int]:
    """References to modules that are judged with what is taken from them, or under their other name."""
    told: set[int] = set()
    for node in ast.walk(tree):
        match node:
            case ast.Attribute(value=value):
                told.add(id(value))
            case ast.Call(func=ast.Name(id="getattr" | "hasattr"), args=[value, ast.Constant(), *_]):
                told.add(id(value))
            case ast.Assign(value=value) | ast.AnnAssign(value=ast.expr() as value):
                told |= {id(each) for each in (value.elts if isinstance(value, ast.Tuple) else [value])}
            case ast.NamedExpr(value=value):
                told.add(id(value))
            case ast.arguments():
                told |= {id(each) for each in (*node.defaults, *node.kw_defaults)}
            case _:
                pass
    return told


def _touched(node: ast.AST, names: dict[str, str]) -> Iterator[Touch]:
    """What *node* itself reaches: one thing or nothing."""
    dotted = _dotted(node, names) if isinstance(node, ast.expr) else None
    match node:
        case ast.ImportFrom(module=str(module), names=[ast.alias(name="*")]) if _is_module(module):
            yield Touch(node.lineno, f"{module}.*")
        case ast.Name() | ast.Attribute() | ast.Call() if dotted is not None:
            if _reaches(dotted):
                yield Touch(node.lineno, dotted)
            elif _is_module(dotted) and isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
                yield Touch(node.lineno, dotted, far=False)
        case ast.Call() | ast.Attribute():
            method = _path_method(node, names)
            if method:
                yield Touch(node.lineno, f".{method}")
        case _:
            pass


def _path_method(node: ast.Call | ast.Attribute, names: dict[str, str]) -> str:
    """The method of a path that *node* calls, or mentions where only paths have it; empty when none."""
    match node:
        case ast.Call(func=ast.Name(id="getattr"), args=[_, ast.Constant(value=str(name)), *_]):
            return name if name in ONLY_PATHS else ""
        case ast.Call(func=ast.Attribute(attr=method, value=receiver)):
            takes = PATH_METHODS.get(method)
            fits = takes is not None and len(node.args) <= takes
            return method if fits and _may_be_path(method, receiver, node, names) else ""
        case ast.Attribute(attr=method, value=receiver):
            return method if method in ONLY_PATHS and _spelled_as_path(receiver) else ""
        case _:
            return ""


def _dotted(node: ast.expr, names: dict[str, str]) -> str | None:
    """The full dotted name of a reference to something imported, None for anything else."""
    match node:
        case ast.Name(id=name):
            return names.get(name)
        case ast.Attribute(value=value, attr=attr):
            base = _dotted(value, names)
            return None if base is None else f"{base}.{attr}"
        case ast.Call(func=ast.Name(id="getattr"), args=[value, asked, *_]):
            base = _dotted(value, names)
            name = str(asked.value) if isinstance(asked, ast.Constant) else "<computed>"
            return None if base is None else f"{base}.{name}"
        case ast.Call(func=func, args=[ast.Constant(value=str(module)), *_]):
            called = _dotted(func, names)
            return module if called in ("importlib.import_module", "builtins.__import__") else None
        case _:
            return None


def _is_module(dotted: str) -> bool:
    """Whether that is a module of which things are to be found that reach out."""
    return dotted in MODULES or dotted in ("os", "os.path", "sys", "builtins")


def _reaches(dotted: str) -> bool:
    """Whether a reference to *dotted* is one to something that reaches out."""
    module, _, name = dotted.partition(".")
    if dotted in FUNCTIONS or any(dotted.startswith(f"{each}.") for each in FUNCTIONS):
        return True
    if not name or any(fnmatchcase(dotted, each) for each in HARMLESS):
        return False
    if module == "os":
        part, _, leaf = name.partition(".")
        if part == "path":
            return bool(leaf) and leaf not in HARMLESS_OS_PATH
        return part not in HARMLESS_OS
    if dotted.startswith("pathlib.Path."):
        return name.rpartition(".")[2] in {*PATH_METHODS, "cwd", "home", "<computed>", "__dict__"}
    return module in MODULES and not dotted.startswith("pathlib.")


def _may_be_path(method: str, receiver: ast.expr, call: ast.Call, names: dict[str, str]) -> bool:
    """Whether the receiver of a call may be a path, as far as its spelling tells."""
    keywords = {keyword.arg for keyword in call.keywords}
    if method == "replace" and (keywords or not call.args):
        return False  # of a date, a code object, ...
    if _dotted(receiver, names) is not None:
        return False  # a function of a module, or a class: judged by its full name
    return _spelled_as_path(receiver)


def _spelled_as_path(receiver: ast.expr) -> bool:
    """Whether an expression may be a path: it is spelled neither as a room nor as a class of ours."""
    match receiver:
        case ast.Attribute(attr=spelled) | ast.Name(id=spelled):
            return spelled.lstrip("_").lower() not in NOT_PATHS and not spelled[:1].isupper()
        case ast.Call(func=ast.Name(id="super")):
            return False  # a room that is made of another
        case _:
            return True
