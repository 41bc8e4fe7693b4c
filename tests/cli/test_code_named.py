"""
How code is found by the name that a person gives it, what of it needs no trust, and what cannot be loaded.

The code of these tests leaves a mark when it is imported.
"""

import os
from pathlib import Path
from typing import Final

import pytest

from tests.cli.calling import call, put_held, put_settled, python, spawn
from tests.cli.trusting import NAMING, put_all, spawn_with, trusted, write_code, write_settings
from tests.workspaces import files, results


@pytest.fixture
def mark(tmp_path: Path) -> Path:
    """What the code leaves when it is imported."""
    return tmp_path / "mark"


@pytest.fixture
def code(workspace: Path, mark: Path) -> Path:
    """A file of code inside the workspace."""
    path = workspace / "hooks.py"
    write_code(path, mark)
    return path


# Code that needs no trust


def user_settings(text: str) -> Path:
    """The person's own settings file."""
    path = Path(os.environ["XDG_CONFIG_HOME"]) / "reconciler" / "config.toml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, "utf-8")
    return path


@pytest.mark.parametrize("level", ["user", "environment", "flag"])
def test_the_persons_own_word_needs_no_trust(  # noqa: PLR0913, PLR0917 - two tables and what they are held against
    level: str,
    workspace: Path,
    tmp_path: Path,
    mark: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Code that the user's file, the environment or a flag names runs as it is."""
    put_settled(workspace)
    path = tmp_path / "own.py"
    write_code(path, mark, "own")
    words: list[str] = []
    if level == "user":
        user_settings(f'[output]\nprocessor = "{path}:handle"\n')
    elif level == "environment":
        monkeypatch.setenv("RECONCILER_OUTPUT_PROCESSOR", f"{path}:handle")
    else:
        words = ["--output-processor", f"{path}:handle"]
    assert call(capsys, workspace, *words).code == 0
    assert results(workspace, "1")[0]["value"] == "own"


def test_a_relative_path_of_a_flag_begins_where_the_person_is(
    workspace: Path,
    tmp_path: Path,
    mark: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """And one of the workspace's own file begins at the workspace."""
    here = tmp_path / "here"
    write_code(here / "hooks.py", mark, "here")
    write_code(workspace / "hooks.py", mark, "workspace")
    monkeypatch.chdir(here)
    put_settled(workspace, "1")
    assert call(capsys, workspace, "--output-processor", "hooks.py:handle").code == 0
    write_settings(workspace, NAMING["processor"].format("hooks.py"))
    assert call(capsys, "trust", workspace).code == 0
    put_settled(workspace, "2")
    assert call(capsys, workspace).code == 0
    assert [results(workspace, name)[0]["value"] for name in ("1", "2")] == ["here", "workspace"]


def test_code_finds_what_lies_beside_it(
    workspace: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A file that is named has its own path in `__file__`."""
    put_settled(workspace)
    (tmp_path / "word").write_text("aside", "utf-8")
    source = (
        "from pathlib import Path\ndef use(result):\n    return Path(__file__).with_name('word').read_text()"
    )
    (tmp_path / "beside.py").write_text(source, "utf-8")
    assert call(capsys, workspace, "--output-processor", f"{tmp_path}/beside.py:use").code == 0
    assert {line["value"] for line in results(workspace, "1")} == {"aside"}


def test_no_compiled_copy_is_left(workspace: Path, code: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A `.py` file leaves no `__pycache__` beside it, whose content nobody would have looked at."""
    put_settled(workspace)
    trusted(workspace, code, capsys)
    assert spawn(workspace, PYTHONDONTWRITEBYTECODE=None, PYTHONPYCACHEPREFIX=None).code == 0
    assert results(workspace, "1")[0]["value"] == "mine"
    assert list(workspace.rglob("__pycache__")) == []


# Modules and entry points


@pytest.fixture
def library(tmp_path: Path, mark: Path) -> Path:
    """A folder on PYTHONPATH, with a module and a package that registers it."""
    folder = tmp_path / "library"
    write_code(folder / "acme_hooks.py", mark, "acme")
    info = folder / "acme-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: acme\nVersion: 1.0\n", "utf-8")
    (info / "entry_points.txt").write_text(
        "[reconciler.output_processors]\nacme = acme_hooks:handle\n"
        "[reconciler.error_processors]\nacme-judge = acme_hooks:judge\n"
        "[reconciler.workers]\nacme-work = acme_hooks:work\n",
        "utf-8",
    )
    return folder


@pytest.mark.parametrize("name", ["acme_hooks:handle", "acme"])
def test_installed_code_is_found_by_module_and_by_entry_point(
    name: str, workspace: Path, library: Path
) -> None:
    """`module:function` of an installed module, or the name that its package registers."""
    put_settled(workspace)
    said = spawn_with(library, workspace, "--output-processor", name)
    assert (said.code, said.err) == (0, "")
    assert results(workspace, "1")[0]["value"] == "acme"


def test_every_setting_has_its_entry_points(workspace: Path, library: Path) -> None:
    """Workers and error processors register under groups of their own."""
    put_all(workspace)
    flags = ("--error-processor", "acme-judge", "--worker", "acme-work", "--provider", "local")
    said = spawn_with(library, workspace, *flags)
    assert (said.code, said.err) == (0, "")
    assert results(workspace, "2")[0]["text"] == "acme"


def test_entry_points_named_by_a_workspace_need_trust(workspace: Path, library: Path, mark: Path) -> None:
    """A short name is code like any other; a new version of the package ends trust."""
    put_settled(workspace)
    write_settings(workspace, '[output]\nprocessor = "acme"\n')
    assert spawn_with(library, workspace).code == 78
    assert spawn_with(library, "trust", workspace).code == 0
    assert not mark.exists()
    assert spawn_with(library, workspace).code == 0
    write_code(library / "acme_hooks.py", mark, "new")
    assert spawn_with(library, workspace).code == 78


def test_an_entry_point_that_nobody_registers_is_refused(workspace: Path, library: Path) -> None:
    """78, with the names that are registered for that setting and no others."""
    said = spawn_with(library, workspace, "--output-processor", "acmee")
    assert said.code == 78
    assert "neither built in nor an entry point" in said.err
    assert "entry points in reconciler.output_processors: acme\n" in said.err


@pytest.mark.parametrize("how", ["flag", "environment", "trusted-file"])
def test_the_current_folder_is_not_searched_for_modules(
    how: str, workspace: Path, tmp_path: Path, mark: Path
) -> None:
    """`python -m reconciler` in a folder full of modules takes none of them."""
    here = tmp_path / "here"
    write_code(here / "lurking.py", mark)
    for name in ("attrs", "msgspec", "tomllib", "click"):
        write_code(here / f"{name}.py", mark)
    put_settled(workspace)
    words = ["--output-processor", "lurking:handle"] if how == "flag" else []
    told = "lurking:handle" if how == "environment" else None
    verb = "run"
    if how == "trusted-file":
        write_settings(workspace, NAMING["processor"].format("lurking"))
        verb = "trust"
    said = spawn(verb, workspace, *words, cwd=here, RECONCILER_OUTPUT_PROCESSOR=told)
    assert said.code == 78
    assert "names the module 'lurking', which is not installed" in said.err
    assert not mark.exists()


SHOWN: Final = """
import sys
from reconciler.cli.main import main
code = main(sys.argv[1:])
print([each for each in sys.path if each.startswith(sys.argv[1])])
sys.exit(code)
"""


def test_no_workspace_gets_onto_the_search_path(
    workspace: Path, code: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A file of code is loaded by itself: its folder is not searched for further modules."""
    put_settled(workspace)
    trusted(workspace, code, capsys)
    said = python(SHOWN, workspace)
    assert (said.code, said.out.splitlines()[-1]) == (0, "[]")


# Code that cannot be loaded


@pytest.mark.parametrize(
    ("text", "words"),
    [
        pytest.param("raise RuntimeError('broken')", "importing it raised RuntimeError: broken", id="raises"),
        pytest.param("def f(:\n", "importing it raised SyntaxError", id="syntax"),
        pytest.param("raise SystemExit(3)", "importing it raised SystemExit: 3", id="exits"),
        pytest.param("import no_such_module_at_all", "ModuleNotFoundError", id="import"),
        pytest.param("x = 1", "has no function handle", id="no-function"),
        pytest.param("handle = 7", "has no function handle", id="no-callable"),
        pytest.param("def handle(): ...", "must take (result), or (batch, context)", id="no-parameter"),
        pytest.param("def handle(a, b, c): ...", "must take (result), or (batch, context)", id="three"),
        pytest.param("\udcff", "SyntaxError", id="no-utf-8"),
    ],
)
def test_code_that_cannot_be_loaded_is_named(
    text: str, words: str, workspace: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """78 with the reason, before anything is done; no traceback of ours."""
    put_settled(workspace)
    path = tmp_path / "broken.py"
    path.write_bytes(text.encode("utf-8", "surrogateescape"))
    before = files(workspace)
    said = call(capsys, workspace, "--output-processor", f"{path}:handle")
    assert (said.code, said.out, files(workspace)) == (78, "", before)
    assert f"output.processor names {path}:handle" in said.err
    assert words in said.err
    assert "Traceback" not in said.err


@pytest.mark.parametrize("parameters", ["", "a, b", "*, request"])
def test_a_worker_takes_a_request(
    parameters: str, workspace: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """One that does not would fail every request: 78, and nothing is begun."""
    put_held(workspace)
    path = tmp_path / "mine.py"
    path.write_text(f"def work({parameters}): ...", "utf-8")
    before = files(workspace)
    said = call(capsys, workspace, "--provider", "local", "--worker", f"{path}:work")
    assert (said.code, said.out, files(workspace)) == (78, "", before)
    assert f"local.worker names {path}:work: " in said.err
    assert "must take (request)" in said.err


@pytest.mark.parametrize(
    ("name", "words"),
    [
        pytest.param("nowhere.py:f", "there is no such file", id="no-file"),
        pytest.param("no_such_module:f", "which is not installed", id="no-module"),
        pytest.param("json.no_such:f", "which is not installed", id="no-submodule"),
        pytest.param("sys:exit", "which is not installed", id="built-in-module"),
        pytest.param(":f", "write module:function", id="no-target"),
        pytest.param("module:", "write module:function", id="no-attribute"),
        pytest.param("a name", "neither built in nor an entry point", id="no-entry-point"),
        pytest.param("/:f", "which is not installed", id="root"),
    ],
)
def test_a_name_that_leads_nowhere_is_refused(
    name: str, words: str, workspace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """78, with what is wrong with it."""
    put_held(workspace)
    said = call(capsys, workspace, "--worker", name)
    assert said.code == 78
    assert words in said.err


def test_a_folder_is_no_code(workspace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Even when it is called like a file of code."""
    (workspace / "folder.py").mkdir()
    said = call(capsys, workspace, "--worker", f"{workspace}/folder.py:f")
    assert (said.code, "there is no such file" in said.err) == (78, True)
