"""Hostile workers, folders and files: what was once got wrong about local runs, plugs and trust."""

import asyncio
import hashlib
import json
import os
import pickle  # noqa: TID251 - whether our errors can be
import signal
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import pytest

from reconciler.choices import prepare
from reconciler.errors import BadLine, ConfigError, PermanentError, TransientError, UserError
from reconciler.library import Workspace, reconcile
from reconciler.model.exchange import Request
from reconciler.model.report import State
from tests.crashing import end_state, killed_at, mend, normal, whole
from tests.scenarios import LOCALLY, Scenario, begin, fresh, one_pass
from tests.workers import Noted, answer, begun, chat, ids, names, noted, progress
from tests.workspace.faults import in_child
from tests.workspaces import answered, failed, put, request, results, run, scratch

ROOT: Final = Path(__file__).parents[1]


def make_mixed(root: Path) -> None:
    """A batch that is answered here and ends with an output file and an error file."""
    begin(root)
    put(root, "1", input=[request(n) for n in range(4)])


def test_killed_between_the_two_answer_files_it_goes_on() -> None:
    """Killed anywhere, a batch with both kinds of ends is settled by the next passes; it is never held."""
    scenario = Scenario(make_mixed, one_pass(**LOCALLY), LOCALLY)
    wanted, changes = end_state(scenario)
    stuck = []
    for point in range(1, changes + 1):
        with fresh(scenario) as root:
            assert killed_at(point, scenario.act, root, whole)
            mend(scenario, root, wanted)
            if normal(root) != wanted:
                stuck.append(point)
    assert stuck == []


def make_all_retried(root: Path) -> None:
    """A batch whose every request fails and is called again."""
    begin(root)
    put(root, "1", input=[request(2)])


def test_killed_after_a_child_was_made_the_summary_is_kept() -> None:
    """Where every failure went over to a child, the manifest holds the summary whatever was killed when."""
    scenario = Scenario(make_all_retried, one_pass(**LOCALLY), LOCALLY)
    wanted, changes = end_state(scenario)
    differing = []
    for point in range(1, changes + 1):
        with fresh(scenario) as root:
            assert killed_at(point, scenario.act, root, whole)
            mend(scenario, root, wanted)
            if normal(root) != wanted:
                differing.append(point)
    assert differing == []


@pytest.fixture
def root() -> Iterator[Path]:
    """A place for a workspace, in memory."""
    with scratch() as folder:
        yield folder / "w"


@pytest.fixture
def log(root: Path) -> Path:
    """Where calls are written down."""
    return root.parent / "calls"


class Own(BaseException):
    """What some libraries raise to cancel."""


def raising(error: BaseException) -> Callable[[Request], Any]:
    """A worker's answer that is an exception."""

    def then(asked: Request) -> Any:
        if asked.custom_id == "q-1":
            raise error
        return chat("fine")

    return then


@pytest.mark.parametrize(
    "error",
    [
        pytest.param(TransientError("\ud800"), id="transient-half-pair"),
        pytest.param(PermanentError("\udcff.txt"), id="permanent-half-pair"),
        pytest.param(TransientError(ValueError("no text")), id="transient-of-an-exception"),  # type: ignore[arg-type]
        pytest.param(asyncio.CancelledError(), id="cancelled"),
        pytest.param(Own("x"), id="base-exception"),
        pytest.param(GeneratorExit(), id="generator-exit"),
    ],
)
def test_whatever_a_worker_raises_is_one_failure(error: BaseException, root: Path, log: Path) -> None:
    """What a worker raises fails its own request; the pass goes on and ends with a report."""
    put(root, "1", input=[request(n) for n in range(3)])
    assert answer(root, Noted(log, raising(error)), max_attempts=1).exit_code == 0
    assert ids(root / "done/1/batch_error_1.jsonl") == ["q-1"]


HANGING: Final = """
import sys
from pathlib import Path
from tests.workers import answer, chat

def plain(asked):
    if asked.custom_id == "q-1":
        raise {error}
    return chat("fine")

async def loop(asked):
    return plain(asked)

sys.exit(answer(Path(sys.argv[1]), {worker}, max_attempts=1).exit_code)
"""


@pytest.mark.parametrize(
    ("error", "worker"),
    [("StopIteration", "plain"), ("KeyboardInterrupt", "plain"), ("KeyboardInterrupt", "loop")],
)
def test_whatever_a_worker_raises_the_pass_ends(error: str, worker: str, root: Path) -> None:
    """No exception of a worker lets the pass wait for ever."""
    put(root, "1", input=[request(n) for n in range(3)])
    code = HANGING.format(error=error, worker=worker)
    done = subprocess.run(
        [sys.executable, "-c", code, str(root)], cwd=ROOT, timeout=10, check=False, capture_output=True
    )
    assert (done.returncode, done.stderr) == (0, b"")


def test_an_error_body_in_the_shape_of_anthropic_has_failed(root: Path, log: Path) -> None:
    """`{"type": "error"}` is what Anthropic answers a failed request with: it is no answer."""
    body = {"type": "error", "error": {"type": "overloaded_error", "message": "later"}}
    put(root, "1", input=[{"custom_id": "q-0", "params": {"messages": []}}])
    answer(root, Noted(log, lambda _asked: body), max_attempts=1)
    assert ids(root / "done/1/batch_error_1.jsonl") == ["q-0"]


def test_an_answer_that_could_not_be_read_from_its_file_has_failed(root: Path, log: Path) -> None:
    """A body in another provider's wrapping, and a broken one, fails by itself; matching finds no fault."""
    contents = [{"role": "user", "parts": [{"text": "hi"}]}]
    put(root, "1", input=[{"key": f"q-{n}", "request": {"contents": contents}} for n in range(2)])
    fine = {"candidates": [{"content": {"parts": [{"text": "fine"}]}, "finishReason": "STOP"}]}
    wrong = {"status_code": "soon", "body": {}}
    worker = Noted(log, lambda asked: wrong if asked.custom_id == "q-1" else fine)
    assert answer(root, worker).exit_code == 0
    assert noted(log) == Counter(names(2))
    answered_, failed_ = results(root, "1")
    assert (answered_["outcome"], answered_["text"], failed_["outcome"]) == ("answered", "fine", "failed")
    (line,) = (root / "done/1/batch_error_1.jsonl").read_bytes().splitlines()
    assert b"the worker returned no response body: response.status_code is no HTTP status" in line


def test_progress_that_was_emptied_needs_a_person(root: Path, log: Path) -> None:
    """A progress file of no bytes has lost what had ended: calling it all again would pay again."""
    begun(root, log)
    for path in progress(root, "1").parent.iterdir():
        path.write_bytes(b"")
    report = answer(root, Noted(log))
    assert noted(log) == Counter()
    assert report.exit_code == 3


def test_progress_is_not_written_through_a_link(root: Path, log: Path) -> None:
    """A linked `.reconciler/live` leads out of the workspace; nothing may be written there."""
    elsewhere = root.parent / "elsewhere"
    elsewhere.mkdir()
    put(root, "1", input=[request(0)])
    (root / ".reconciler").mkdir()
    (root / ".reconciler/live").symlink_to(elsewhere)
    answer(root, Noted(log))
    assert list(elsewhere.iterdir()) == []
    assert noted(log) == Counter()


def test_the_same_input_under_another_name_is_not_called_again(root: Path, log: Path) -> None:
    """A copied file sends nothing again; history knows its digest (`batch.begun`, and the manifest)."""
    put(root, "1", input=[request(0)])
    answer(root, Noted(log))
    put(root, "2", input=[request(0)])
    report = answer(root, Noted(log))
    assert noted(log) == Counter(names(1))
    assert report.batch("2").state is State.ATTENTION


def test_two_crashes_leave_no_progress_behind(root: Path, log: Path) -> None:
    """Killed before the progress is removed, then just after done/ is there: it goes at the third pass."""
    put(root, "1", input=[request(0)])

    def first(change: str, path: str) -> None:
        if change == "unlink" and path.startswith(".reconciler/live"):
            os.kill(os.getpid(), signal.SIGKILL)

    assert in_child(lambda: answer(root, Noted(log), options={"tap": first}).exit_code) == -9
    moved = False

    def second(change: str, path: str) -> None:
        nonlocal moved
        if moved and change == "unlink":
            os.kill(os.getpid(), signal.SIGKILL)
        moved = moved or (change, path) == ("rename", "done/1")

    assert in_child(lambda: answer(root, Noted(log), options={"tap": second}).exit_code) == -9
    assert answer(root, Noted(log)).exit_code == 0
    assert answer(root, Noted(log)).exit_code == 0
    assert [path.name for path in (root / ".reconciler/live").iterdir()] == []


def test_a_child_of_another_providers_failures_is_not_called_here(root: Path, log: Path) -> None:
    """A child that was made while openai was configured is not answered by the worker by itself."""
    put(root, "1", input=[request(0), request(1)], output=[answered(0)], error=[failed(1, 429)])
    assert run(root, provider="openai").batch("1.r1").state is State.HELD
    answer(root, Noted(log))
    assert noted(log) == Counter()


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


def test_plain_workers_get_the_concurrency_that_is_set(root: Path) -> None:
    """`[local] concurrency = 32` lets 32 calls of a plain function be under way at once."""
    put(root, "1", input=[request(n) for n in range(32)])
    meeting = threading.Barrier(32)

    def worker(asked: Request) -> dict[str, Any]:
        meeting.wait(5)
        return chat(asked.custom_id)

    answer(root, worker, concurrency=32, max_attempts=1)
    assert len(ids(root / "done/1/batch_output_1.jsonl")) == 32
