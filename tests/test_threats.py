"""
Defences that are the absence of something: no server, no shell, no network at import, no formula in a table.

What is absent is looked for twice: in the text of every module, and by the interpreter's own audit events
while the product works on hostile content.
"""

import ast
import csv
import io
import tomllib
from functools import cache
from pathlib import Path
from typing import Final

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from reconciler.codec.registry import COLUMNS as REGISTRY
from reconciler.codec.registry import decode, encode_line
from reconciler.model.rows import ResultRow, Standing
from reconciler.processors.tables import csv_blocks
from tests.cli.calling import ROOT, python
from tests.workspaces import answered, failed, put, request

PACKAGE: Final = ROOT / "reconciler"
DEPENDENCIES: Final = frozenset(
    "attrs click httpx json-repair jsonschema-rs msgspec platformdirs rich structlog tenacity"
    " watchdog".split()
)
"""What is installed with the package. One more is one more party to trust: say why in its decision record."""

WATCHED: Final = """
import sys
seen = []
reaching = ("socket.connect", "socket.bind", "socket.getaddrinfo", "socket.sendto", "urllib.", "http.")
starting = ("subprocess.", "os.system", "os.exec", "os.posix_spawn", "os.spawn", "os.fork", "pty.")
def hook(event, arguments):
    if event.startswith(reaching + starting):
        seen.append(f"{event} {arguments!r:.200}")
sys.addaudithook(hook)
"""
"""Writes down what reaches the network or starts a program."""

STARTERS: Final = {
    "crew.py": "worker processes: this very program, its arguments a list of our own words",
    "executor/ahead.py": "the same",
    "watching/hooks.py": "the program that its user has named for events, without a shell",
}
SERVERS: Final = {"testing": "the fake provider, on loopback, by `reconcile fake-provider` and in tests"}
SENDERS: Final = {"watching/systemd.py": "a datagram to the service manager; it listens to nobody"}


@cache
def texts_of() -> dict[str, str]:
    """The text of every module of the package, by its path below it."""
    return {
        path.relative_to(PACKAGE).as_posix(): path.read_text("utf-8")
        for path in sorted(PACKAGE.rglob("*.py"))
    }


def named_in(text: str) -> set[str]:
    """Every module, attribute and keyword that a module names."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(text)):
        match node:
            case ast.Import(names=aliases):
                names |= {alias.name for alias in aliases}
            case ast.ImportFrom(module=str(module), names=aliases):
                names |= {module, *(f"{module}.{alias.name}" for alias in aliases)}
            case ast.Attribute(value=ast.Name(id=name), attr=attr):
                names |= {f"{name}.{attr}", f".{attr}"}
            case ast.Attribute(attr=attr):
                names.add(f".{attr}")
            case ast.keyword(arg=str(arg)):
                names.add(f"{arg}=")
    return names


def naming(*words: str) -> set[str]:
    """The modules that name any of these; what holds none of the letters is not taken apart."""
    letters = [word.rpartition(".")[2] for word in words]
    return {
        path
        for path, text in texts_of().items()
        if any(each in text for each in letters) and not named_in(text).isdisjoint(words)
    }


def test_nothing_listens() -> None:
    """T13: no module but the fake provider knows a server or makes a socket: there is no dashboard."""
    found = naming(
        *("uvicorn", "starlette", "http.server", "socketserver", "wsgiref", "socket"),
        *(".start_server", ".create_server", ".start_unix_server"),
    )
    assert {path for path in found if path.partition("/")[0] not in SERVERS} == set(SENDERS)
    assert found, "the look finds the fake provider's server"


def test_no_shell_is_started() -> None:
    """T15: no module starts a shell, and those that start a process are known."""
    shells = ("shell=", "os.system", "os.popen", "pty.spawn", ".create_subprocess_shell")
    assert naming(*shells, "subprocess.getoutput") == set()
    assert naming("subprocess", "multiprocessing") == set(STARTERS)


def test_hostile_content_starts_and_reaches_nothing(tmp_path: Path) -> None:
    """T13, T15: ids that would be commands to a shell are settled without any program or socket."""
    root = tmp_path / "w"
    evil = "$(touch pwned); `id` | sh & ../../x\n"
    asked = [{**request(n), "custom_id": f"{evil}{n}"} for n in range(3)]
    ended = [
        {**line, "custom_id": f"{evil}{n}"} for n, line in enumerate([answered(0), answered(1), failed(2)])
    ]
    put(root, "1", input=asked, output=ended)
    code = f"{WATCHED}\nfrom reconciler.cli.main import main\ncode = main(sys.argv[1:])\n"
    code += "main(['results', sys.argv[1]])\nprint('seen:', seen)\n"
    said = python(f"{code}sys.exit(code)", root, "--output-processor", "files")
    assert (said.code, said.out.splitlines()[-1]) == (0, "seen: []"), said
    assert [*tmp_path.rglob("pwned")] == []
    assert (root / "done" / "1").is_dir()


def test_an_import_reaches_no_network() -> None:
    """T20: importing every module of the package asks no name, opens no connection, and starts no program."""
    every = [
        f"reconciler.{path.removesuffix('.py').removesuffix('/__init__').replace('/', '.')}"
        for path in texts_of()
        if path not in ("__init__.py", "__main__.py")
    ]
    code = (
        "import importlib\nfor name in sys.argv[1:]:\n    importlib.import_module(name)\nprint('seen:', seen)"
    )
    said = python(f"{WATCHED}{code}", *every)
    assert (said.code, said.out.splitlines()[-1:]) == (0, ["seen: []"]), said.err
    assert len(every) > 150


def test_what_is_watched_is_seen() -> None:
    """The look into the interpreter sees a connection and a program where there are some."""
    code = (
        "import socket, subprocess\n"
        "try:\n    socket.create_connection(('127.0.0.1', 1), 1)\nexcept OSError:\n    pass\n"
        "subprocess.run(['true'])\nprint(sorted({each.split()[0] for each in seen}))"
    )
    said = python(f"{WATCHED}{code}")
    assert {"socket.connect", "subprocess.Popen"} <= set(ast.literal_eval(said.out)), said


def test_dependencies_are_few_and_known() -> None:
    """T20: what is installed with the package is the list above."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    named = {each.partition(">")[0].partition("<")[0].partition("=")[0] for each in project["dependencies"]}
    assert named == DEPENDENCIES


BEGINNINGS: Final = "'=+-@\t\r\n\uff1d\uff0b\uff0d\uff20"
texts = st.builds(str.__add__, st.text(BEGINNINGS, max_size=4), st.text(max_size=30))


@settings(max_examples=50)
@given(st.lists(texts, min_size=1, max_size=20))
@example(["=1+1", "'=1+1", "\uff1dcmd", "a\r=1+1", "a\n=1+1", 'a",=1+1', "\r"])
def test_no_text_is_a_formula(found: list[str]) -> None:
    """T19: no cell of text begins as a formula does; one apostrophe less is the text, and nothing is lost."""
    found = [text for text in found if text.isprintable() or text.encode("utf-8", "ignore").decode() == text]
    rows = [ResultRow(custom_id=text, outcome=Standing.ANSWERED, text=text) for text in found]
    data = b"".join(csv_blocks(rows, ["custom_id", "text"])).decode()
    _, *lines = csv.reader(io.StringIO(data, newline=""))
    assert len(lines) == len(found)
    for text, cells in zip(found, lines, strict=True):
        for cell in cells:
            assert cell in (text, f"'{text}")
            assert not cell.startswith(tuple(BEGINNINGS[1:]))


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@x", "batch_1", "a\r=1+1"])
def test_no_cell_of_a_registry_is_a_formula(text: str) -> None:
    """T19: words of providers in a registry are no formulas either, and are read back as they were."""
    line = encode_line([text] * len(REGISTRY))
    assert line[:1] not in (b"=", b"+", b"-", b"@")
    (row,) = decode((",".join(REGISTRY) + "\n").encode() + line, "x.csv")
    assert row["batch_id"] == text
