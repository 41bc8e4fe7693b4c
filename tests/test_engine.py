"""
One pass does all that can be done, alone, and a pass over a settled workspace does nothing at all.

The world may move while it works: then it looks again, and loses nothing.
"""

import errno
import fcntl
import json
import multiprocessing
import os
import random
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import settings as effort
from hypothesis import strategies as st

from reconciler import engine
from reconciler.check import check
from reconciler.errors import UsageError, WorkspaceLocked
from reconciler.model.operation import MatchRequestIds
from reconciler.model.report import State
from reconciler.preview import preview
from reconciler.session import Options
from tests.workspace.faults import Trip
from tests.workspaces import (
    answered,
    failed,
    files,
    leftovers,
    live,
    put,
    request,
    run,
    scratch,
    settings,
    stats,
    tree,
)

HOLD: Final = """
import fcntl, sys
held = open(sys.argv[1], "r+b")
fcntl.flock(held, fcntl.LOCK_EX)
print("held", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def root() -> Iterator[Path]:
    """A place for a workspace."""
    with scratch() as folder:
        yield folder / "w"


def put_mixture(root: Path) -> None:
    """A batch of every kind."""
    asked = [request(n) for n in range(3)]
    put(root, "1", input=asked, output=[answered(n) for n in (2, 0, 1)])
    put(root, "2", input=asked, output=[answered(0)], error=[failed(1, 429), failed(2)])
    put(root, "3", input=asked, output=[answered(0)])
    put(root, "4", input=asked, output=[answered(0), answered(0)])
    put(root, "5", input=asked)
    put(root, "6", output=[answered(0)])
    put(root, "7", metadata={"batch_id": "batch_7"})
    put(root, "8", input=[b"?"], output=[answered(0)])
    (live(root) / "batch_metadata_9.jsonl").write_bytes(b"")
    (live(root) / "notes.txt").write_bytes(b"mine")


# One at a time


@contextmanager
def locked(root: Path) -> Iterator[None]:
    """Another process holds the workspace."""
    command = [sys.executable, "-c", HOLD, str(root / ".reconciler" / "lock")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"held\n"
        yield
        assert other.stdin is not None
        other.stdin.close()


def test_one_reconciler_at_a_time(root: Path) -> None:
    """While another process holds the workspace, a pass is refused with 4 and has changed nothing."""
    put_mixture(root)
    run(root)
    put(root, "10", input=[request(0)], output=[answered(0)])
    before = stats(root)
    with locked(root):
        with pytest.raises(WorkspaceLocked) as caught:
            run(root)
        assert caught.value.exit_code == 4
        assert stats(root) == before
        assert preview(str(root), settings()).batches
        check(str(root), settings())
        assert stats(root) == before
    run(root)
    assert (root / "done" / "10").is_dir()


def test_the_lock_is_held_for_the_whole_pass_and_no_longer(root: Path) -> None:
    """At each change of the pass after the first, nobody else gets the lock; afterwards anybody does."""
    put_mixture(root)
    path = root / ".reconciler" / "lock"
    refused = []

    def tap(change: str, _path: str) -> None:
        if change in ("rename", "unlink") and path.exists():
            refused.append(not free(path))

    run(root, tap=tap)
    assert refused
    assert all(refused)
    assert free(path)


def free(path: Path) -> bool:
    """Whether the lock could be had, if only to share it."""
    with path.open("r+b") as held:
        try:
            fcntl.flock(held, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True


def work(root: str, start: Any, codes: Any) -> None:
    """Run passes until one is let in; put down how it ended."""
    start.wait()
    try:
        engine.reconcile(root, settings())
        codes.put("done")
    except WorkspaceLocked:
        codes.put("locked")
    except OSError as error:
        codes.put(str(error))


def test_a_race_of_processes_ends_as_one_pass_would(tmp_path: Path) -> None:
    """Whoever wins, the workspace looks as if one pass had run; the others were refused or found it done."""
    put_mixture(tmp_path / "alone")
    run(tmp_path / "alone")
    # A race of two first passes is the next test.
    root = tmp_path / "w"
    (root / "workdir").mkdir(parents=True)
    run(root)
    put_mixture(root)
    spawn = multiprocessing.get_context("fork")
    start, codes = spawn.Event(), spawn.Queue()
    others = [spawn.Process(target=work, args=(str(root), start, codes)) for _ in range(4)]
    for other in others:
        other.start()
    start.set()
    ends = Counter(codes.get(timeout=30) for _ in others)
    for other in others:
        other.join()
    assert ends["done"] >= 1
    assert set(ends) <= {"done", "locked"}
    assert tree(root) == tree(tmp_path / "alone")


def test_a_race_of_first_passes(root: Path) -> None:
    """Another process that makes the private folder at the same moment is no failure of this one."""
    put(root, "1", input=[request(0)], output=[answered(0)])

    def tap(change: str, path: str) -> None:
        if (change, path) == ("mkdir", ".reconciler"):
            (root / path).mkdir(exist_ok=True)

    assert run(root, tap=tap).exit_code == 0


# Fixpoint


@pytest.mark.parametrize("provider", ["none", "openai"])
@pytest.mark.parametrize("policy", ["settle", "attention"])
def test_a_second_pass_makes_no_change(root: Path, provider: str, policy: str) -> None:
    """No change is even begun: no time, no inode, no lock file, no folder is other than before."""
    put_mixture(root)
    first = run(root, provider=provider, failed=policy)
    before = stats(root)
    trip = Trip()
    second = run(root, tap=trip, provider=provider, failed=policy)
    assert trip.seen == []
    assert stats(root) == before
    assert second.exit_code == first.exit_code
    assert {batch.name: batch.state for batch in second.batches if batch.state is not State.SETTLED} == {
        batch.name: batch.state for batch in first.batches if batch.state is not State.SETTLED
    }


def test_a_pass_over_nothing_leaves_a_lock_and_an_id(root: Path) -> None:
    """The first pass marks the workspace and does nothing else."""
    (root / "workdir").mkdir(parents=True)
    assert run(root).exit_code == 0
    assert set(files(root)) == {".reconciler/lock", ".reconciler/workspace-id"}


def test_looking_changes_nothing(root: Path) -> None:
    """`preview` reads alone, before the first pass and after it."""
    put_mixture(root)
    for _ in range(2):
        before = stats(root)
        preview(str(root), settings(), deep=True)
        assert stats(root) == before
        run(root)


# What a pass takes in


@given(seed=st.integers(0, 1000))
@effort(max_examples=8)
def test_the_order_of_files_on_disk_does_not_matter(seed: int) -> None:
    """Files that were created in another order make the same workspace and the same report."""
    found = []
    for shuffled in (False, True):
        with scratch() as folder:
            put_mixture(folder / "source")
            there = sorted((folder / "source" / "workdir").iterdir())
            if shuffled:
                random.Random(seed).shuffle(there)
            (folder / "w" / "workdir").mkdir(parents=True)
            for path in there:
                (folder / "w" / "workdir" / path.name).write_bytes(path.read_bytes())
            report = run(folder / "w", provider="openai")
            told = [(batch.name, batch.state, batch.because) for batch in report.batches]
            found.append((tree(folder / "w"), told, report.ignored))
    assert found[0] == found[1]


@pytest.mark.parametrize(
    ("only", "settled"),
    [
        pytest.param(["1"], {"1"}, id="name"),
        pytest.param(["1", "7_a"], {"1", "7_a"}, id="names"),
        pytest.param(["7*"], {"7", "7_a", "7.x"}, id="pattern"),
        pytest.param(["?"], {"1", "7"}, id="one-letter"),
        pytest.param(["[!1]*"], {"7", "7_a", "7.x"}, id="but-for"),
        pytest.param([], {"1", "7", "7_a", "7.x"}, id="all"),
    ],
)
def test_only_what_was_asked_for(root: Path, only: list[str], settled: set[str]) -> None:
    """Names and patterns choose whole names; the other batches are not touched."""
    for name in ("1", "7", "7_a", "7.x"):
        put(root, name, input=[request(0)], output=[answered(0)])
    report = engine.reconcile(str(root), settings(), Options(only=only))
    assert {batch.name for batch in report.batches} == settled
    assert {path.name for path in (root / "done").iterdir()} == settled


def test_a_name_that_is_not_there_is_a_usage_error(root: Path) -> None:
    """A typing error does not end in a pass over nothing that says all is well."""
    put(root, "1", input=[request(0)], output=[answered(0)])
    before = tree(root)
    with pytest.raises(UsageError, match="is called 2"):
        engine.reconcile(str(root), settings(), Options(only=["1", "2"]))
    assert tree(root) == before


def test_a_child_is_looked_at_in_the_pass_that_makes_it(root: Path) -> None:
    """What goes to a child is reported in the same pass, and held under its own name."""
    put(root, "1", input=[request(0), request(1)], output=[answered(0)], error=[failed(1, 500)])
    report = run(root, provider="openai")
    assert [(batch.name, batch.state) for batch in report.batches] == [
        ("1", State.SETTLED),
        ("1.r1", State.HELD),
    ]


def test_one_bad_batch_does_not_stop_the_others(root: Path) -> None:
    """Each batch ends by its own merits, whatever its neighbours are."""
    put_mixture(root)
    report = run(root, provider="openai")
    assert {str(batch.name): batch.state for batch in reversed(report.batches)} == {
        "1": State.SETTLED,
        "2": State.SETTLED,
        "2.r1": State.HELD,
        "3": State.ATTENTION,
        "4": State.ATTENTION,
        "5": State.HELD,
        "6": State.ATTENTION,
        "7": State.ATTENTION,
        "8": State.ATTENTION,
        "9": State.ATTENTION,
    }
    assert report.ignored == (("workdir/notes.txt", "not a batch file"),)


def test_a_stop_between_changes_is_resumable(root: Path) -> None:
    """Whenever somebody asks for an end, the pass says 130, and later passes reach the usual end."""
    put_mixture(root)
    usual = root.parent / "usual"
    put_mixture(usual)
    run(usual, provider="openai")
    asked = 0
    for allowed in range(0, 60, 3):
        asked = 0

        def stopping(limit: int = allowed) -> bool:
            nonlocal asked
            asked += 1
            return asked > limit

        with scratch() as folder:
            put_mixture(folder / "w")
            options = Options(stopping=stopping)
            report = engine.reconcile(str(folder / "w"), settings(provider="openai"), options)
            if report.exit_code != 130:
                break
            assert (
                check(str(folder / "w"), settings()).findings == check(str(folder / "w"), settings()).findings
            )
            run(folder / "w", provider="openai")
            assert by_line(tree(folder / "w")) == by_line(tree(usual))
            assert leftovers(folder / "w") == []


def by_line(found: dict[str, bytes]) -> dict[str, bytes]:
    """A tree whose ledger is sorted: an interrupted pass takes up batches in another order."""
    path = ".reconciler/ledger.jsonl"
    return {**found, path: b"\n".join(sorted(found.get(path, b"").split(b"\n")))}


# A moving world


def move_once(root: Path, at: tuple[str, str], act: Callable[[Path], object]) -> Callable[[str, str], None]:
    """A tap that lets somebody else change the workspace once, just before a change."""
    moved = False

    def tap(change: str, path: str) -> None:
        nonlocal moved
        if (change, path) == at and not moved:
            moved = True
            act(root)

    return tap


def append(path: str, line: dict[str, Any]) -> Callable[[Path], object]:
    """Somebody else adds a line to a file."""

    def act(root: Path) -> None:
        with (root / path).open("ab") as stream:
            stream.write(json.dumps(line).encode() + b"\n")

    return act


RECORD: Final = "workdir/.reconciler-tmp-batch_metadata_1.jsonl"


def test_an_answer_that_arrives_while_others_are_matched(root: Path) -> None:
    """The file grew after it was read: it is read again, and the late answer counts."""
    put(root, "1", input=[request(0), request(1)], output=[answered(0)])
    run(root, tap=move_once(root, ("create", RECORD), append("workdir/batch_output_1.jsonl", answered(1))))
    assert (root / "done/1").is_dir()
    assert check(str(root), settings()).account == {"answered": 2}
    assert check(str(root), settings()).findings == []


def test_a_wrong_answer_that_arrives_while_others_are_published(root: Path) -> None:
    """What was matched is not what lies there any more: nothing moves to done/ on the old verdict."""
    put(root, "1", input=[request(0)], output=[answered(0)])
    at = ("create", "target/.reconciler-tmp-1.results.jsonl")
    report = run(root, tap=move_once(root, at, append("workdir/batch_output_1.jsonl", answered(9))))
    assert report.exit_code == 3
    assert not (root / "done/1").exists()
    kept = files(root)
    assert sum(data.count(b'"q-9"') for path, data in kept.items() if "batch_output_1" in path) == 1


def test_an_input_that_changes_while_answers_are_matched(root: Path) -> None:
    """A request that is added late is a request without an answer, never a lost one."""
    put(root, "1", input=[request(0)], output=[answered(0)])
    report = run(
        root, tap=move_once(root, ("create", RECORD), append("workdir/batch_input_1.jsonl", request(1)))
    )
    assert report.exit_code == 3
    assert not (root / "done").exists()
    assert (root / "workdir/batch_input_1.jsonl").read_bytes().count(b"\n") == 2


@pytest.mark.parametrize(
    "at",
    [
        ("mkdir", "done/.staging-1"),
        ("link", "done/.staging-1/batch_input_1.jsonl"),
        ("link", "done/.staging-1/batch_output_1.jsonl"),
        ("rename", "done/1"),
    ],
    ids=":".join,
)
def test_an_answer_that_arrives_while_the_batch_moves(root: Path, at: tuple[str, str]) -> None:
    """However late a line comes, it is on disk afterwards, and check sees a file that was not settled so."""
    put(root, "1", input=[request(0)], output=[answered(0)])
    run(root, tap=move_once(root, at, append("workdir/batch_output_1.jsonl", answered(9))))
    kept = {path: data for path, data in files(root).items() if "batch_output_1" in path}
    assert kept
    assert all(b'"q-9"' in data for data in kept.values())
    if any(path.startswith("done/") for path in kept):
        assert [each.promise for each in check(str(root), settings()).findings] == [3]


def test_a_file_that_is_replaced_while_the_batch_moves(root: Path) -> None:
    """A file that takes another's live name during the move is not removed with it."""
    put(root, "1", input=[request(0)], output=[answered(0)])
    late = json.dumps(answered(5)).encode()

    def replace(root: Path) -> None:
        (root / "late").write_bytes(late)
        (root / "late").rename(root / "workdir/batch_output_1.jsonl")

    run(root, tap=move_once(root, ("rename", "done/1"), replace))
    assert [path for path, data in files(root).items() if data == late]


def test_an_answer_that_arrives_while_the_batch_is_copied(root: Path) -> None:
    """Across devices a late line is not in the copy; then the file that has it must not be removed."""
    put(root, "1", input=[request(0)], output=[answered(0)])
    add = append("workdir/batch_output_1.jsonl", answered(9))
    late = move_once(root, ("rename", "done/1"), add)

    def tap(change: str, path: str) -> None:
        late(change, path)
        if change == "link" and "/.staging-" in path:
            raise OSError(errno.EXDEV, os.strerror(errno.EXDEV))

    run(root, tap=tap)
    assert [path for path, data in files(root).items() if b'"q-9"' in data]


def test_a_file_that_vanishes_is_not_made_up(root: Path) -> None:
    """The output is taken away while its batch is worked on: nothing settles, nothing fails for good."""
    put(root, "1", input=[request(0)], output=[answered(0)])

    def take(root: Path) -> None:
        (root / "workdir/batch_output_1.jsonl").rename(root / "mine")

    run(root, tap=move_once(root, ("create", RECORD), take))
    assert not (root / "done/1").exists()
    (root / "mine").rename(root / "workdir/batch_output_1.jsonl")
    assert run(root).exit_code == 0
    assert check(str(root), settings()).findings == []


def test_a_world_that_never_stands_still_is_left_alone_after_a_while(root: Path) -> None:
    """A file that somebody keeps writing to is given up for this pass, exit 1, and settles later."""
    put(root, "1", input=[request(0)], output=[answered(0)])
    path = root / "workdir/batch_output_1.jsonl"

    def tap(_change: str, _path: str) -> None:
        if path.exists():
            seen = path.stat()
            os.utime(path, ns=(seen.st_atime_ns, seen.st_mtime_ns + 1))

    assert run(root, tap=tap).exit_code == 1
    assert run(root).exit_code == 0


# Work shrinks


@st.composite
def batches(draw: st.DrawFn) -> dict[str, dict[str, Any]]:
    """Up to three batches whose files may be anything."""
    lines = st.lists(
        st.one_of(
            st.builds(answered, st.integers(0, 3)),
            st.builds(failed, st.integers(0, 3), st.sampled_from((400, 429, 500))),
            st.just(b"?"),
        ),
        max_size=5,
    )
    asked = st.lists(
        st.builds(request, st.integers(0, 3)), max_size=4, unique_by=lambda each: each["custom_id"]
    )
    records = st.sampled_from(
        ({"batch_id": "batch_1"}, {"batch_id": "batch_1", "output_file_id": "f"}, {"x": 1})
    )
    files = {"input": asked, "output": lines, "error": lines, "metadata": records}
    names = draw(st.lists(st.sampled_from(("1", "2", "2.r1", "a")), min_size=1, max_size=3, unique=True))
    return {name: draw(st.fixed_dictionaries({}, optional=files)) for name in names}


def inputs(root: Path) -> set[tuple[str, bytes]]:
    """File name and bytes of every input, wherever it lies."""
    found = files(root).items()
    return {(path.rpartition("/")[2], data) for path, data in found if "/batch_input_" in path}


def steps(root: Path, provider: str) -> int:
    """How much the next pass would do, matching apart, which only looks."""
    seen = preview(str(root), settings(provider=provider), deep=True)
    return sum(not isinstance(step, MatchRequestIds) for _, plan in seen.batches for step in plan.steps)


@given(made=batches(), provider=st.sampled_from(("none", "openai")))
@effort(max_examples=60)
def test_work_shrinks(made: dict[str, dict[str, Any]], provider: str) -> None:
    """Whatever lies there, a pass does all that it can, the next plans no more, and no input is lost."""
    with scratch() as folder:
        root = folder / "w"
        (root / "workdir").mkdir(parents=True)
        for name, roles in made.items():
            put(root, name, **roles)
        asked = inputs(root)
        planned = steps(root, provider)
        left = planned
        for _ in range(3):
            run(root, provider=provider)
            before, left = left, steps(root, provider)
            assert left <= before
        assert left == 0
        there = stats(root)
        run(root, provider=provider)
        assert stats(root) == there
        assert inputs(root) >= asked
        assert leftovers(root) == []
