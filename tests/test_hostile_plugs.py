"""Hostile folders and files: what was once got wrong about plugs and trust."""

import hashlib
import json
import os
import pickle  # noqa: TID251 - whether our errors can be
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from reconciler.choices import prepare
from reconciler.errors import BadLine, ConfigError, UserError
from reconciler.library import Workspace, reconcile
from tests.workspaces import answered, put, request, results, run, scratch

ROOT: Final = Path(__file__).parents[1]


@pytest.fixture
def root() -> Iterator[Path]:
    """A place for a workspace, in memory."""
    with scratch() as folder:
        yield folder / "w"


def test_a_batch_that_lies_in_quarantine_is_a_failure(root: Path) -> None:
    """Every pass that ends with 3 raises; a batch set aside by an earlier pass has not settled."""
    put(root, "4", input=[request(0), request(1)], output=[answered(0), answered(0)])
    run(root)
    report = run(root)
    assert report.exit_code == 3
    assert len(report.failures) == 1


def test_code_of_a_bracket_pattern_is_loaded_before_anything_is_done(root: Path, tmp_path: Path) -> None:
    """A table whose pattern does not match its own text is looked at too before the pass begins."""
    mine = tmp_path / "config.toml"
    mine.write_text('[[batch]]\nmatch = "[12]"\nprocessor = "no.such.module:f"\n', "utf-8")
    put(root, "0", input=[request(0)], output=[answered(0)])
    put(root, "1", input=[request(1)], output=[answered(1)])
    with pytest.raises(ConfigError):
        prepare(str(root), {}, environment={"RECONCILER_USER_CONFIG": str(mine)})


def spawned(code: str, *words: str | Path, path: Path, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Some Python in a process of its own, with one more folder on PYTHONPATH."""
    return subprocess.run(
        [sys.executable, *([] if code == "" else ["-c", code]), *map(str, words)],
        cwd=cwd,
        env={
            **os.environ,
            "PYTHONPATH": f"{ROOT}:{path}",
            "HOME": str(path),
            "XDG_CONFIG_HOME": str(path / "config"),
        },
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_two_entry_points_of_one_name_are_trusted_side_by_side(root: Path, tmp_path: Path) -> None:
    """A package may register one name in two groups; trust of both holds."""
    info = tmp_path / "acme-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: acme\nVersion: 1.0\n", "utf-8")
    (info / "entry_points.txt").write_text(
        "[reconciler.output_processors]\nacme = acme_out:f\n[reconciler.workers]\nacme = acme_work:f\n",
        "utf-8",
    )
    (tmp_path / "acme_out.py").write_text("def f(result): return 1\n", "utf-8")
    (tmp_path / "acme_work.py").write_text("def f(request): return {}\n", "utf-8")
    put(root, "1", input=[request(0)], output=[answered(0)])
    (root / "reconciler.toml").write_text('[output]\nprocessor = "acme"\n[local]\nworker = "acme"\n', "utf-8")
    trust = spawned("", "-m", "reconciler", "trust", root, path=tmp_path, cwd=root)
    assert trust.returncode == 0, trust.stderr
    done = spawned("", "-m", "reconciler", root, path=tmp_path, cwd=root)
    assert done.returncode == 0, done.stderr


def test_the_file_that_was_looked_at_is_the_one_that_runs(root: Path, tmp_path: Path) -> None:
    """Where the current folder is on sys.path (a prompt), its modules are not taken for installed ones."""
    installed, here = tmp_path / "installed", tmp_path / "here"
    for folder, value in ((installed, "installed"), (here, "here")):
        folder.mkdir()
        (folder / "twice_hooks.py").write_text(f"def f(result): return {value!r}\n", "utf-8")
    put(root, "1", input=[request(0)], output=[answered(0)])
    code = (
        "import sys, reconciler\n"
        "reconciler.reconcile(sys.argv[1], output_processor='twice_hooks:f', environment=False)"
    )
    done = spawned(code, root, path=installed, cwd=here)
    assert done.returncode == 0, done.stderr
    assert results(root, "1")[0]["value"] == "installed"


def test_a_store_with_a_list_for_code_is_told(root: Path, tmp_path: Path) -> None:
    """A trust.json whose entry holds no object of code is a clear error, not a traceback."""
    mine = tmp_path / "config.toml"
    mine.touch()
    put(root, "1", input=[request(0)])
    own = root / "reconciler.toml"
    own.write_text('[local]\nworker = "w.py:f"\n', "utf-8")
    (root / "w.py").write_text("def f(request): return {}\n", "utf-8")
    entry = {"settings": hashlib.sha256(own.read_bytes()).hexdigest(), "code": []}
    store = {"schema": 1, "workspaces": {str(own.resolve()): entry}}
    (tmp_path / "trust.json").write_text(json.dumps(store), "utf-8")
    with pytest.raises(ConfigError):
        prepare(str(root), {}, environment={"RECONCILER_USER_CONFIG": str(mine)})


def test_a_module_of_the_standard_library_is_not_taken_from_the_current_folder(
    root: Path, tmp_path: Path
) -> None:
    """`python -m reconciler` in a folder that holds a `typing.py` does not run it."""
    mark = tmp_path / "mark"
    (tmp_path / "typing.py").write_text(f"open({str(mark)!r}, 'w').close()\n", "utf-8")
    put(root, "1", input=[request(0)], output=[answered(0)])
    spawned("", "-m", "reconciler", root, path=tmp_path / "nowhere", cwd=tmp_path)
    assert not mark.exists()


def test_an_empty_part_of_the_search_path_is_not_the_current_folder(root: Path, tmp_path: Path) -> None:
    """`PYTHONPATH=$PYTHONPATH:/x` with nothing before it must not let a workspace lend its modules."""
    (tmp_path / "lurking_hooks.py").write_text("def f(result): return 1\n", "utf-8")
    put(root, "1", input=[request(0)], output=[answered(0)])
    done = subprocess.run(
        [sys.executable, "-m", "reconciler", str(root), "--output-processor", "lurking_hooks:f"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": f":{ROOT}"},
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 78


def test_errors_of_any_kind_cross_processes() -> None:
    """A StepFailed that holds any error of ours can be pickled."""
    error = BadLine("f", 3, "reason", hint="h")
    again = pickle.loads(pickle.dumps(error))  # noqa: S301 - our own bytes
    assert (again.message, again.hint, again.line) == (error.message, "h", 3)


def test_a_relative_path_of_the_users_file_begins_at_that_file(root: Path, tmp_path: Path) -> None:
    """Not at whatever folder the person happens to be in, which may hold anybody's code of that name."""
    mine, here = tmp_path / "mine", tmp_path / "here"
    for folder in (mine, here):
        folder.mkdir()
        (folder / "own_hooks.py").write_text(f"def f(result): return {folder.name!r}\n", "utf-8")
    (mine / "config.toml").write_text('[output]\nprocessor = "own_hooks.py:f"\n', "utf-8")
    put(root, "1", input=[request(0)], output=[answered(0)])
    code = (
        "import sys, os, reconciler\n"
        "os.environ['RECONCILER_USER_CONFIG'] = sys.argv[2]\n"
        "reconciler.reconcile(sys.argv[1])"
    )
    done = spawned(code, root, mine / "config.toml", path=tmp_path, cwd=here)
    assert done.returncode == 0, done.stderr
    assert results(root, "1")[0]["value"] == "mine"


def test_a_text_is_no_list_of_names(root: Path) -> None:
    """`only="12"` is refused; it does not mean batches 1 and 2."""
    for name in ("1", "2", "12"):
        put(root, name, input=[request(int(name))], output=[answered(int(name))])
    with pytest.raises(UserError):
        reconcile(root, "12", environment=False)
    assert not (root / "done").exists()


def test_a_pattern_is_no_name_of_a_batch(root: Path) -> None:
    """`Workspace.batch` takes a name; it does not plan whichever batch a pattern finds first."""
    put(root, "1", input=[request(0)], output=[answered(0)])
    batch = None
    with pytest.raises(Exception, match=r"\*"):
        batch = Workspace.open(root, environment=False).batch("*").plan()
    assert batch is None
