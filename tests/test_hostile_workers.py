"""Hostile workers and progress files: what was once got wrong about local runs."""

import asyncio
import os
import signal
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import pytest

from reconciler.errors import PermanentError, TransientError
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


def test_plain_workers_get_the_concurrency_that_is_set(root: Path) -> None:
    """`[local] concurrency = 32` lets 32 calls of a plain function be under way at once."""
    put(root, "1", input=[request(n) for n in range(32)])
    meeting = threading.Barrier(32)

    def worker(asked: Request) -> dict[str, Any]:
        meeting.wait(5)
        return chat(asked.custom_id)

    answer(root, worker, concurrency=32, max_attempts=1)
    assert len(ids(root / "done/1/batch_output_1.jsonl")) == 32
