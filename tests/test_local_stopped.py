"""
A run on this machine that is stopped: asked to, killed, out of disk, or without its progress.

Whatever stops it, each request that has ended stays ended, and the next pass goes on with the others.
"""

import asyncio
import errno
import os
import signal
import sqlite3
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any, Final

import attrs
import pytest

from reconciler.check import check
from reconciler.config import settle
from reconciler.engine import reconcile
from reconciler.errors import Later
from reconciler.executor.hooks import Hooks, Plugged
from reconciler.model.exchange import Request
from reconciler.model.extraction import Extraction, Kind
from reconciler.model.failure import FileChanged, StepFailed
from reconciler.model.policy import LOCAL
from reconciler.model.report import Report, State
from reconciler.providers.local import Local
from reconciler.providers.pacing import Pace
from reconciler.session import Options
from tests.workers import (
    LIVE,
    PATIENCE,
    Noted,
    answer,
    as_earlier,
    begun,
    chat,
    ids,
    kept,
    names,
    note,
    noted,
    plugged,
    progress,
    raising,
)
from tests.workspace.faults import Trip, errno_failure, in_child, plant
from tests.workspaces import (
    files,
    manifest,
    put,
    record,
    request,
    results,
    scratch,
    settings,
)


@pytest.fixture
def root() -> Iterator[Path]:
    """A place for a workspace, in memory."""
    with scratch() as folder:
        yield folder / "w"


@pytest.fixture
def log(root: Path) -> Path:
    """Where calls are written down."""
    return root.parent / "calls"


# Asked to stop


def test_what_is_under_way_is_kept_when_asked_to_stop(root: Path, log: Path) -> None:
    """Three are under way when the end is asked for: these end and are kept, no fourth begins, 130."""
    put(root, "1", input=[request(n) for n in range(8)])
    stop = threading.Event()
    meeting = asyncio.Barrier(3)

    @attrs.frozen
    class Stopping:
        async def __call__(self, asked: Request) -> dict[str, Any]:
            note(log, asked.custom_id)
            async with asyncio.timeout(PATIENCE):
                await meeting.wait()
            stop.set()
            await asyncio.sleep(0)
            return chat(asked.custom_id)

    report = answer(root, Stopping(), concurrency=3, options={"stopping": stop.is_set})
    assert report.exit_code == 130
    assert report.batch("1").state is State.INTERRUPTED
    assert "3 of 8 requests have an end" in report.batch("1").because
    assert noted(log) == Counter(names(3))
    assert kept(root, "1") == set(names(3))

    assert answer(root, Noted(log)).exit_code == 0
    assert noted(log) == Counter(names(8))
    assert ids(root / "done/1/batch_output_1.jsonl") == names(8)


def test_sends_are_counted_over_runs_that_are_stopped(root: Path, log: Path) -> None:
    """A run that ends before anything has ended tells the next how often it sent: two sends are two."""
    put(root, "1", input=[request(0)])
    for attempt in (1, 2):
        stop = threading.Event()

        def then(_asked: Request, stop: threading.Event = stop) -> Any:
            stop.set()
            raise TimeoutError

        report = answer(root, Noted(log, then), max_attempts=2, options={"stopping": stop.is_set})
        assert noted(log) == Counter({"q-0": attempt})
    assert report.exit_code == 130
    assert answer(root, Noted(log), max_attempts=2).exit_code == 0
    assert noted(log) == Counter({"q-0": 2})
    assert ids(root / "done/1/batch_error_1.jsonl") == ["q-0"]


def test_sends_are_counted_over_runs_that_are_killed(root: Path, log: Path) -> None:
    """What has failed is kept before it is asked again, though nothing ends; what is under way is not."""
    put(root, "1", input=[request(0)])

    def then(_request: Request) -> Any:
        if noted(log).total() % 3 == 0:
            os._exit(9)
        raise TimeoutError

    def killed() -> int:
        return answer(root, Noted(log, then), max_attempts=4).exit_code

    # Two sends of each process have failed; the third, which was under way, is not counted.
    assert in_child(killed) == 9
    assert noted(log).total() == 3
    assert in_child(killed) == 0
    assert noted(log).total() == 5
    assert ids(root / "done/1/batch_error_1.jsonl") == ["q-0"]


def test_an_invalid_answer_counts_the_sends_before_it(root: Path, log: Path) -> None:
    """A child asks no request more often than `max_attempts`, though it was answered at a second send."""

    def then(_asked: Request) -> Any:
        if sum(noted(log).values()) == 1:
            raise TimeoutError
        return chat("no tags")

    put(root, "1", input=[request(0)])
    tags = Extraction(Kind.TAGS, prefix="<A>", suffix="</A>")
    plugs = plugged(Noted(log, then), extraction=tags, extraction_chosen=True)
    flags = {"policy.classes.invalid-answer": "retry", "provider.name": LOCAL, "policy.settle_seconds": 0}
    assert reconcile(str(root), settle(flags=flags), Options(plugged=plugs)).exit_code == 0
    assert noted(log) == Counter({"q-0": 3})
    assert manifest(root, "1.r1")["attempt"] == 3


def test_a_run_has_its_time_once_a_pass(root: Path, log: Path) -> None:
    """What `run_seconds` leaves waits for the next pass, also where its input is looked at again."""
    put(root, "1", input=[request(0)])
    worker = Noted(log, raising(Later("come back", 3600.0)))
    for attempt in (1, 2):
        # As in a process of its own: within one, what was told to come later is not sent before.
        made = Hooks(providers={LOCAL: Local(worker, 4, Pace(run_seconds=0.01))})
        options = Options(plugged=Plugged(lambda _name, made=made: made))  # type: ignore[misc]
        os.utime(root / "workdir/batch_input_1.jsonl", (0, 0))
        report = reconcile(str(root), settings(provider=LOCAL, max_attempts=5), options)
        assert (report.exit_code, noted(log)) == (75, Counter({"q-0": attempt}))


# Killed

KILLS: Final = (0.1, 0.5, 0.9)
"""After which part of the calls the process is killed."""


def code_of(root: Path, worker: Any, concurrency: int) -> int:
    """What a pass ends with."""
    return answer(root, worker, concurrency=concurrency).exit_code


def killed_three_times(root: Path, log: Path, count: int, concurrency: int) -> None:
    """Kill a pass three times in the middle of its calls; hold each call against what was on disk by then."""
    put(root, "1", input=[request(n) for n in range(count)])
    allowed = Counter(names(count))
    for part in KILLS:
        before = sum(noted(log).values())
        seen = before

        def then(asked: Request, last: int = int(count * part)) -> dict[str, Any]:
            nonlocal seen
            seen += 1
            if seen >= last:
                os.kill(os.getpid(), signal.SIGKILL)
            return chat(asked.custom_id)

        worker = Noted(log, then)
        assert in_child(partial(code_of, root, worker, concurrency)) == -signal.SIGKILL
        under_way = set(noted(log)) - kept(root, "1")
        assert 0 < len(under_way) <= concurrency
        allowed += Counter(under_way)
        assert sum(noted(log).values()) > before
    assert answer(root, Noted(log), concurrency=concurrency).exit_code == 0
    assert noted(log) == allowed
    assert ids(root / "done/1/batch_output_1.jsonl") == names(count)
    assert len(results(root, "1")) == count
    assert list((root / LIVE).iterdir()) == []
    assert check(str(root), settings()).findings == []


def test_killed_three_times_each_request_is_called_once(root: Path, log: Path) -> None:
    """Only what was under way at a kill is called again; the answers are whole and in order."""
    killed_three_times(root, log, 300, 8)


@pytest.mark.slow
def test_killed_three_times_with_ten_thousand_requests(root: Path, log: Path) -> None:
    """The same with as many requests as a real batch has."""
    killed_three_times(root, log, 10_000, 32)


@pytest.mark.parametrize("commit", [1, 3, 6])
def test_killed_at_a_commit(commit: int, root: Path, log: Path) -> None:
    """Killed just before an end is written down, that one request is called again and no other."""
    put(root, "1", input=[request(n) for n in range(6)])
    seen = 0

    def tap(change: str, _path: str) -> None:
        nonlocal seen
        seen += change == "live-commit"
        if change == "live-commit" and seen == commit:
            os.kill(os.getpid(), signal.SIGKILL)

    assert (
        in_child(lambda: answer(root, Noted(log), concurrency=1, options={"tap": tap}).exit_code)
        == -signal.SIGKILL
    )
    assert answer(root, Noted(log)).exit_code == 0
    assert noted(log) == Counter(names(6)) + Counter([f"q-{commit - 1}"])


# The disk


@pytest.mark.parametrize("commit", [1, 2, 4])
def test_a_full_disk_ends_the_batch_and_loses_nothing(commit: int, root: Path, log: Path) -> None:
    """When an end cannot be written down the pass ends with 1; the next one goes on from what is there."""
    put(root, "1", input=[request(n) for n in range(4)])
    commits = 0

    def tap(change: str, _path: str) -> None:
        nonlocal commits
        commits += change == "live-commit"
        if change == "live-commit" and commits >= commit:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    report = answer(root, Noted(log), concurrency=1, options={"tap": tap})
    assert (report.exit_code, report.batch("1").state) == (1, State.FAILED)
    assert os.strerror(errno.ENOSPC) in report.batch("1").because
    assert kept(root, "1") == set(names(commit - 1))
    assert answer(root, Noted(log), concurrency=1).exit_code == 0
    assert noted(log) == Counter(names(4)) + Counter([f"q-{commit - 1}"])


def test_a_full_disk_stops_one_batch_and_not_the_others(root: Path, log: Path) -> None:
    """The next batch is answered all the same; an end that could be kept at a second try is kept."""
    put(root, "1", input=[request(0)])
    put(root, "2", input=[request(1)])
    trip = Trip()
    probe = root.parent / "probe"
    put(probe, "1", input=[request(0)])
    answer(probe, Noted(log), options={"tap": trip})
    log.unlink()
    point = trip.changes.index("live-commit") + 1
    fault = Trip(at=point, failure=errno_failure(errno.ENOSPC))
    report = answer(root, Noted(log), options={"tap": fault})
    assert (report.batch("1").state, report.batch("2").state) == (State.FAILED, State.SETTLED)
    assert answer(root, Noted(log)).exit_code == 0
    assert noted(log) == Counter(names(2))


# The progress


def test_the_next_pass_goes_on_where_the_last_one_stopped(root: Path, log: Path) -> None:
    """What has ended is not called again, and the receipt says so."""
    begun(root, log)
    report = answer(root, Noted(log))
    assert report.exit_code == 0
    assert noted(log) == Counter(names(6)[2:])
    (receipt,) = [each for each in report.batch("1").receipts if each.verb == "answer-here"]
    assert receipt.facts == {"requests": 6, "called": 4, "failed": 0}
    assert receipt.summary == "6 answers, 0 failures; 2 of them at an earlier pass"


def stuck(root: Path, log: Path) -> Report:
    """A pass over a batch that needs a person: nothing is called, no file of the batch changes."""
    before = {path: data for path, data in files(root).items() if path.startswith("workdir/")}
    report = answer(root, Noted(log))
    assert (report.exit_code, report.batch("1").state) == (3, State.ATTENTION)
    assert noted(log) == Counter()
    assert {path: data for path, data in files(root).items() if path.startswith("workdir/")} == before
    return report


def test_progress_that_is_gone_needs_a_person(root: Path, log: Path) -> None:
    """Calling everything again would pay again; the message says what is gone and what to do."""
    begun(root, log)
    for path in (root / LIVE).iterdir():
        path.unlink()
    found = stuck(root, log).batch("1")
    assert f"{LIVE}/1.sqlite is gone" in found.because
    assert "restore it; or move workdir/batch_metadata_1.jsonl away" in found.hint
    assert isinstance(found.failure, StepFailed)
    assert not progress(root, "1").exists()


def test_an_input_of_another_size_in_the_middle_needs_a_person(root: Path, log: Path) -> None:
    """Answers to the old input must not be published for a new one."""
    begun(root, log)
    put(root, "1", input=[request(n) for n in range(7)])
    assert isinstance(stuck(root, log).batch("1").failure, FileChanged)


def test_an_input_of_the_same_size_in_the_middle_needs_a_person(root: Path, log: Path) -> None:
    """The same where only the content tells."""
    begun(root, log)
    put(root, "1", input=[request(n) for n in (9, 1, 2, 3, 4, 5)])
    found = stuck(root, log).batch("1")
    assert "workdir/batch_input_1.jsonl is not the input that its metadata knows" in found.because


def test_an_input_that_changed_before_anything_was_noted_needs_a_person(root: Path, log: Path) -> None:
    """Progress that was opened for another input is not gone on with, though metadata knows of none."""
    begun(root, log)
    (root / "workdir/batch_metadata_1.jsonl").unlink()
    put(root, "1", input=[request(n) for n in range(7)])
    found = stuck(root, log).batch("1")
    assert "holds answers to another input" in found.because
    assert "put the original input back" in found.hint


def test_an_older_copy_of_the_progress_calls_nobody(root: Path, log: Path) -> None:
    """Where every request is known to have an end, one that is gone was paid for: it is not asked again."""
    put(root, "1", input=[request(n) for n in range(6)])

    def tap(_change: str, path: str) -> None:
        if path == "workdir/batch_output_1.jsonl":
            raise OSError(errno.EIO, path)

    answer(root, Noted(log), options={"tap": tap})
    assert record(root, "1")["status"] == "completed"
    with closing(sqlite3.connect(progress(root, "1"))) as db, db:
        db.execute("DELETE FROM groups WHERE number = 1")
    log.unlink()
    found = answer(root, Noted(log)).batch("1")
    assert (found.state, noted(log)) == (State.ATTENTION, Counter())
    assert "of the 6 ends that it had; nothing was called" in found.because


def test_a_run_of_an_earlier_version_goes_on(root: Path, log: Path) -> None:
    """What has ended under it is not called again, and is published with the rest."""
    begun(root, log, ended=4)
    as_earlier(progress(root, "1"))
    assert answer(root, Noted(log)).exit_code == 0
    assert noted(log) == Counter(names(6)[4:])
    assert ids(root / "done/1/batch_output_1.jsonl") == names(6)


def newer(path: Path) -> None:
    """Progress of a later version."""
    with closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA user_version = 3")


def garbage(path: Path) -> None:
    """What is no database."""
    path.write_bytes(b"not a database at all, " * 400)


def torn(path: Path) -> None:
    """A database whose pages are overwritten."""
    data = bytearray(path.read_bytes())
    data[100:] = b"\xff" * (len(data) - 100)
    path.write_bytes(bytes(data))


def planted(kind: str) -> Callable[[Path], None]:
    """Something else in its place."""

    def put_there(path: Path) -> None:
        aside = path.rename(path.with_name("aside"))
        plant(path, kind, aside)

    return put_there


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        pytest.param(garbage, "file is not a database", id="garbage"),
        pytest.param(torn, "malformed", id="torn"),
        pytest.param(newer, "written by a newer version (schema 3, known 2)", id="newer"),
        pytest.param(planted("symlink"), "is not a regular file", id="symlink"),
        pytest.param(planted("folder"), "is not a regular file", id="folder"),
        pytest.param(planted("fifo"), "is not a regular file", id="fifo"),
    ],
)
def test_progress_that_cannot_be_read_needs_a_person(
    spoil: Callable[[Path], None], words: str, root: Path, log: Path
) -> None:
    """The message names the file and what is wrong with it; nothing is called and nothing overwritten."""
    begun(root, log)
    spoil(progress(root, "1"))
    before = files(root)
    found = stuck(root, log).batch("1")
    assert f"{LIVE}/1.sqlite" in found.because
    assert words in found.because
    after = files(root)
    assert {path: after[path] for path in before if path.startswith(LIVE)} == {
        path: data for path, data in before.items() if path.startswith(LIVE)
    }
