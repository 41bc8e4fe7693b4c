"""
Only the rooms touch files, speak to the network, or begin processes.

Every module of the package is read, never run (`tests/touches.py`): what reaches out is found in its syntax
tree. Whether the reading misses something is seen from outside, in `tests/proof/outside/`.
"""

from fnmatch import fnmatchcase
from pathlib import Path
from typing import Final

import pytest

from tests.touches import touches

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

_WORKERS: Final = {
    "subprocess.Popen": "workers are processes of their own; they hold rooms of their own",
    "multiprocessing.connection.*": "a pipe to a worker",
}
_LAZY: Final = {"importlib.import_module": "a module of ours, or of an extra, when it is first wanted"}

ALLOWED: Final[dict[str, dict[str, str]]] = {
    "__init__.py": _LAZY,
    "cli/demo.py": {"tempfile.TemporaryDirectory": "the demo runs in a workspace that it makes and removes"},
    "combined.py": {"importlib.util.find_spec": "whether an extra is installed"},
    "crew.py": _WORKERS,
    "executor/ahead.py": _WORKERS,
    "loading.py": {
        "importlib.import_module": "code that its user trusts",
        "importlib.util.*": "the same, from a file",
        "sys.modules": "the same: such a module has to stand there",
    },
    "native/__init__.py": {"importlib.import_module": "C code of the package itself, which may not be there"},
    "pricing/book.py": {
        "importlib.resources.files": "the list of prices is a resource of the package, read only",
        ".read_text": "the same",
    },
    "processors/repair.py": {"importlib.metadata.version": "which version of an extra repairs JSON"},
    "processors/parquet.py": _LAZY,
    "providers/__init__.py": _LAZY,
    "providers/http.py": {"httpx.*": "the room for the network", "ssl.SSLContext": "what it believes"},
    "providers/http_live.py": {"httpx.*": "the part of the room for the network that asks live"},
    "results.py": _LAZY,
    "testing/__init__.py": _LAZY,
    "testing/exchange.py": {"socket.*": "the fake provider hangs up"},
    "testing/server.py": {"socket.*": "the fake provider listens"},
    "watching/hooks.py": {"subprocess.*": "a program that is told of events, which its user has named"},
    "watching/systemd.py": {"socket.*": "a datagram to the service manager"},
    "workspace/code.py": {
        "importlib.metadata.entry_points": "which plugins are installed",
        "importlib.machinery.PathFinder*": "where code lies that settings name",
    },
    "workspace/exporting.py": {".expanduser": "a path that the user typed, not a file"},
    "workspace/template.py": {
        **dict.fromkeys(
            (".is_dir", ".iterdir", ".read_bytes"),
            "the template is a resource of the package, read only",
        ),
        "importlib.resources.files": "the same",
    },
}
"""Module, then what it may reach, then why."""


def _modules() -> list[Path]:
    return sorted(path for path in PACKAGE.rglob("*.py") if path.relative_to(PACKAGE).as_posix() not in ROOMS)


def _name(module: Path) -> str:
    return module.relative_to(PACKAGE).as_posix()


@pytest.mark.parametrize("module", _modules(), ids=_name)
def test_no_module_outside_the_rooms_reaches_out(module: Path) -> None:
    """A module outside the rooms touches no file, no network and no process unless allowed to."""
    allowed = ALLOWED.get(_name(module), {})

    assert [
        f"reconciler/{_name(module)}:{touch.line}: {touch.what} belongs into a room"
        for touch in touches(module.read_text("utf-8"))
        if not any(fnmatchcase(touch.what, each) for each in allowed)
    ] == []


@pytest.mark.parametrize("name", sorted(ALLOWED))
def test_no_permission_outlives_its_use(name: str) -> None:
    """Each permission names a module that exists and something that this module really reaches."""
    used = {touch.what for touch in touches((PACKAGE / name).read_text("utf-8"))}

    assert [each for each in ALLOWED[name] if not any(fnmatchcase(what, each) for what in used)] == []


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
        pytest.param("import os\nsystem = os\nsystem.rename('a', 'b')", "os.rename", id="assigned-module"),
        pytest.param("import os\na, system = 1, os\nsystem.rmdir('a')", "os.rmdir", id="unpacked-module"),
        pytest.param("import os\none = os\ntwo = one\ntwo.unlink('a')", "os.unlink", id="twice-assigned"),
        pytest.param("import os\ndef f(*, by=os):\n    by.link('a', 'b')", "os.link", id="default-module"),
        pytest.param("import os\ngetattr(os, 'unlink')('a')", "os.unlink", id="getattr"),
        pytest.param(
            "import os\nname = input()\ngetattr(os, name)('a')", "os.<computed>", id="getattr-computed"
        ),
        pytest.param("import os\nos.__dict__['unlink']('a')", "os.__dict__", id="module-dict"),
        pytest.param("import os\ndo(os)", "os", id="module-passed-on"),
        pytest.param("from os import *", "os.*", id="star"),
        pytest.param("import posix\nposix.unlink('a')", "posix.unlink", id="the-module-below-os"),
        pytest.param("from genericpath import exists\nexists('a')", "genericpath.exists", id="below-os-path"),
        pytest.param("f = open\nf('x')", "builtins.open", id="open-renamed"),
        pytest.param("import builtins\nbuiltins.open('x')", "builtins.open", id="builtins"),
        pytest.param("__builtins__['open']('x')", "builtins.__builtins__", id="dunder-builtins"),
        pytest.param("exec(text)", "builtins.exec", id="exec"),
        pytest.param("import sys\nsys.modules['os'].unlink('a')", "sys.modules", id="sys-modules"),
        pytest.param("import codecs\ncodecs.open('x')", "codecs.open", id="codecs"),
        pytest.param("import gzip\ngzip.open('x')", "gzip.open", id="gzip"),
        pytest.param("import zipfile\nzipfile.ZipFile('x')", "zipfile.ZipFile", id="zipfile"),
        pytest.param("from sqlite3 import dbapi2\ndbapi2.connect('a')", "sqlite3.dbapi2.connect", id="dbapi"),
        pytest.param("from pathlib import Path as P\nQ = P\nQ.cwd()", "pathlib.Path.cwd", id="path-renamed"),
        pytest.param("def f(p):\n    write = p.write_text\n    write('x')", ".write_text", id="bound-method"),
        pytest.param("def f(p):\n    getattr(p, 'unlink')()", ".unlink", id="getattr-of-a-path"),
        pytest.param("def f(ps, p):\n    return map(p.hardlink_to, ps)", ".hardlink_to", id="handed-method"),
        pytest.param(
            "import operator\noperator.methodcaller('unlink')", "operator.methodcaller", id="operator"
        ),
        pytest.param(
            "import socket\nsocket.create_connection(('a', 1))", "socket.create_connection", id="socket"
        ),
        pytest.param("import ssl as s\ns.create_default_context()", "ssl.create_default_context", id="ssl"),
        pytest.param(
            "from urllib import request\nrequest.urlopen('x')", "urllib.request.urlopen", id="urllib"
        ),
        pytest.param(
            "import http.client\nhttp.client.HTTPConnection('x')", "http.client.HTTPConnection", id="http"
        ),
        pytest.param("from httpx import get\nget('x')", "httpx.get", id="httpx"),
        pytest.param(
            "import asyncio\nasyncio.open_connection('x', 1)", "asyncio.open_connection", id="asyncio"
        ),
        pytest.param("import subprocess\nsubprocess.run(['rm', 'a'])", "subprocess.run", id="subprocess"),
        pytest.param("import os\nos.system('rm a')", "os.system", id="shell"),
        pytest.param(
            "import multiprocessing as m\nm.Process()", "multiprocessing.Process", id="multiprocessing"
        ),
        pytest.param("import ctypes\nctypes.CDLL(None)", "ctypes.CDLL", id="ctypes"),
        pytest.param("import logging\nlogging.FileHandler('x')", "logging.FileHandler", id="log-file"),
        pytest.param("def f(a):\n    return [p for p in a.iterdir() if p]", ".iterdir", id="iterdir"),
    ],
)
def test_what_reaches_out_is_found(source: str, expected: str) -> None:
    """Each way to reach a file, the network or a process is found, under whatever name it goes."""
    assert expected in {touch.what for touch in touches(source)}


@pytest.mark.parametrize(
    "source",
    ["importlib.import_module('os').unlink('a')", "__import__('os').unlink('a')"],
    ids=["import-module", "dunder-import"],
)
def test_what_is_imported_by_name_is_found(source: str) -> None:
    """Leave to import does not cover what is done with the module."""
    assert "os.unlink" in {touch.what for touch in touches(f"import importlib\n{source}")}


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
