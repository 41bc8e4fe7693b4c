"""
Whole batches in worker processes: as without them, one lock, and a process that dies costs time only.

A worker is killed for good (SIGKILL) just before its N-th change, alone or together with the pass, for
N = 1, 2, ... until none gets that far.
"""

import fcntl
import os
import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from multiprocessing import Pipe
from pathlib import Path
from typing import Any, Final

import attrs
import pytest

from reconciler import engine
from reconciler.check import check
from reconciler.crew import about
from reconciler.errors import WorkspaceLocked
from reconciler.executor.hooks import Hooks, Plugged
from reconciler.hand import Reply, Task, serve, settled
from reconciler.model.content import Content
from reconciler.model.identity import BatchName, Role
from reconciler.model.plan import Plan
from reconciler.model.policy import LOCAL, Policy
from reconciler.model.receipt import Receipt
from reconciler.model.report import BatchReport, Report, State
from reconciler.session import Options, Workers
from reconciler.workspace.effects import Effects
from reconciler.workspace.layout import find
from reconciler.workspace.scan import Listing, scan
from reconciler.workspace.together import sync_now
from tests import workspaces
from tests.crashing import asked, normal, sound
from tests.hands import workers
from tests.workers import plugged
from tests.workspace.faults import Crash
from tests.workspaces import answered, failed, leftovers, put, request, run, scratch

STEP: Final = 11
"""Every STEP-th point is tried in a normal run and every point in a slow one."""

MOST: Final = 400
"""Changes that no worker makes over so few batches."""


@attrs.define
class Doubting:
    """
    Syncs of the pass itself, with what its workers had changed before each.

    Attributes:
        log: Where the workers note that.
        seen: The paths of what was synced, and how many changes of workers came before.
    """

    log: Path
    seen: list[tuple[set[str], int]] = attrs.field(factory=list)

    def __call__(self, opened: Sequence[int]) -> None:
        """Note it, then do it."""
        before = len(self.log.read_text("utf-8").splitlines()) if self.log.exists() else 0
        self.seen.append(({str(Path(f"/proc/self/fd/{each}").readlink()) for each in opened}, before))
        sync_now(opened)


@attrs.frozen
class Heard:
    """A watcher that remembers."""

    told: list[tuple[str, str, object]] = attrs.field(factory=list)

    def planned(self, decision: Plan) -> None:
        """A plan."""
        self.told.append(("planned", decision.name, tuple(step.verb for step in decision.steps)))

    def done(self, receipt: Receipt) -> None:
        """A receipt."""
        self.told.append(("done", receipt.name, receipt.verb))

    def ended(self, report: BatchReport) -> None:
        """A report."""
        self.told.append(("ended", report.name, report.state))


def make(root: Path) -> None:
    """Batches that settle, one that asks again, one that is set aside, one that needs a person, one alone."""
    two = [request(0), request(1)]
    (root / "workdir").mkdir(parents=True)
    for name in ("1", "2", "3"):
        put(root, name, input=two, output=[answered(1), answered(0)])
    put(root, "4", input=two, output=[answered(0)], error=[failed(1, 429)])
    put(root, "5", input=two, output=[answered(0), answered(0)])
    put(root, "6", input=two, output=[answered(0)])
    put(root, "7", input=two, output=[answered(0)], error=[failed(1, 400)])


def together(root: Path, crew: Workers, **options: Any) -> Report:
    """A pass with worker processes."""
    chosen = workspaces.settings(jobs=2, provider="openai")
    return engine.reconcile(str(root), chosen, Options(workers=crew, **options))


def alone(root: Path, **options: Any) -> Report:
    """The same pass in one process."""
    return engine.reconcile(str(root), workspaces.settings(jobs=1, provider="openai"), Options(**options))


@contextmanager
def fresh() -> Iterator[Path]:
    """The workspace, and beside it a place for what workers note."""
    with scratch() as folder:
        make(folder / "w")
        yield folder / "w"


def noted(root: Path) -> list[str]:
    """What workers have noted."""
    log = root.parent / "log"
    return log.read_text("utf-8").splitlines() if log.exists() else []


def log_of(root: Path) -> str:
    """Where workers note something."""
    return str(root.parent / "log")


@pytest.fixture(scope="module")
def wanted() -> dict[str, bytes]:
    """What a pass in one process leaves."""
    with fresh() as root:
        alone(root)
        run(root, provider="openai")
        return normal(root)


def states(report: Report) -> dict[str, State]:
    """Where each batch stands."""
    return {each.name: each.state for each in reversed(report.batches)}


def test_what_a_killed_pass_left_unsynced_is_synced_before_workers_begin() -> None:
    """Workers rely on what a killed pass has left, so the pass brings that to disk before it starts them."""
    with fresh() as root:

        def killed(change: str, path: str) -> None:
            if (change, path) == ("fsync-folder", "done") and (root / "done/7").exists():
                raise Crash

        with suppress(Crash):
            alone(root, tap=killed)
        assert (root / "done/7").exists()
        assert (root / "workdir/batch_input_7.jsonl").exists()
        syncs = Doubting(root.parent / "log")
        together(root, workers("counting", log_of(root)), syncs=syncs)
        assert not (root / "workdir/batch_input_7.jsonl").exists()
        assert any("unlink workdir/batch_input_7.jsonl" in each for each in noted(root))
        first = next(before for paths, before in syncs.seen if f"{root}/done" in paths)
        assert first == 0


def test_as_in_one_process(wanted: dict[str, bytes]) -> None:
    """Files, reports and what a watcher hears are those of a pass in one process, in the same order."""
    with fresh() as one, fresh() as many:
        here, there = Heard(), Heard()
        first, second = (
            alone(one, watcher=here),
            together(many, workers("counting", log_of(many)), watcher=there),
        )
        assert states(second) == states(first)
        assert [each.name for each in second.batches] == [each.name for each in first.batches]
        assert [[receipt.verb for receipt in each.receipts] for each in second.batches] == [
            [receipt.verb for receipt in each.receipts] for each in first.batches
        ]
        for name in "1234567":
            assert [each for each in there.told if each[1] == name] == [
                each for each in here.told if each[1] == name
            ]
        assert len({line.split()[0] for line in noted(many)}) > 1
        run(many, provider="openai")
        assert normal(many) == wanted
        sound(many, "settled by a crew")


def test_every_change_of_a_batch_is_made_by_one_process() -> None:
    """What a worker begins it ends; only the ledger is written by several."""
    with fresh() as root:
        together(root, workers("counting", log_of(root)))
        for name in "123457":
            marks = (f"{name}.jsonl", f"{name}.results.jsonl", f"done/{name}", f"quarantine/{name}")
            makers = {
                line.split()[0] for line in noted(root) if line.endswith(marks) and "ledger" not in line
            }
            assert len(makers) == 1, name


def pass_in_a_child(root: Path, crew: Workers) -> int:
    """A pass in a process of its own; its exit code, or the signal that it died of as a negative number."""
    child = os.fork()
    if child == 0:
        with suppress(BaseException):
            together(root, crew)
            os._exit(0)
        os._exit(99)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def wait_for_the_lock(root: Path) -> None:
    """Come back when every process that held the workspace is gone."""
    path = root / ".reconciler" / "lock"
    if path.exists():
        with path.open("rb") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)


def kill_workers(step: int, wanted: dict[str, bytes], *, with_the_pass: bool) -> None:
    """Kill workers before every *step*-th change, mend what that left, and hold it against a whole run."""
    with fresh() as root:
        before = asked(root)
    for point in range(1, MOST, step):
        with fresh() as root:
            when = f"killed before change {point}"
            dying = workers("dying", point, log_of(root), with_the_pass=with_the_pass)
            code = pass_in_a_child(root, dying)
            wait_for_the_lock(root)
            if not noted(root):
                assert code == 0
                assert point > step
                return
            assert code == (-signal.SIGKILL if with_the_pass else 0), when
            sound(root, when)
            assert asked(root).items() >= before.items(), when
            for _ in range(3):
                run(root, provider="openai")
            assert normal(root) == wanted, when
            assert leftovers(root) == [], when
            sound(root, f"{when} and mended")
    pytest.fail(f"some worker made more than {MOST} changes")


@pytest.mark.parametrize("with_the_pass", [False, True], ids=["alone", "with-the-pass"])
def test_workers_killed_before_a_change(wanted: dict[str, bytes], *, with_the_pass: bool) -> None:
    """Killed anywhere, no promise is broken; the pass, or the next one, goes on from there."""
    kill_workers(STEP, wanted, with_the_pass=with_the_pass)


@pytest.mark.slow
@pytest.mark.parametrize("with_the_pass", [False, True], ids=["alone", "with-the-pass"])
def test_workers_killed_before_every_change(wanted: dict[str, bytes], *, with_the_pass: bool) -> None:
    """The same at every point."""
    kill_workers(1, wanted, with_the_pass=with_the_pass)


def test_a_worker_that_dies_while_it_sets_a_batch_aside(wanted: dict[str, bytes]) -> None:
    """The pass sees the folder that came into quarantine after its scan, and makes no second one."""
    with fresh() as root:
        together(root, workers("dying_after", "quarantine/5.1", log_of(root)))
        assert noted(root)
        run(root, provider="openai")
        assert normal(root) == wanted


def test_what_a_dead_worker_left_unsynced_is_synced_before_the_pass_goes_on() -> None:
    """A worker that dies before it synced a settled folder: the pass does, before the old names go."""
    with fresh() as root:
        syncs, at = Doubting(root.parent / "log"), list[int]()

        def tap(change: str, path: str) -> None:
            if (change, path) == ("unlink", "workdir/batch_input_7.jsonl"):
                at.append(len(syncs.seen))

        together(root, workers("dying_after", "done/7", log_of(root)), syncs=syncs, tap=tap)
        assert noted(root)
        assert len(at) == 1
        assert any(before and f"{root}/done" in paths for paths, before in syncs.seen[: at[0]])


def test_a_pass_makes_up_for_its_dead_workers(wanted: dict[str, bytes]) -> None:
    """Workers that die at their first change leave every batch to the pass, which settles them all."""
    with fresh() as root:
        usual = together(root, workers("dying", 1, log_of(root), with_the_pass=False))
        assert len(noted(root)) > 1
        with fresh() as other:
            assert states(usual) == states(alone(other))
        run(root, provider="openai")
        assert normal(root) == wanted


def test_the_lock_is_held_until_the_last_worker_is_gone() -> None:
    """A pass that is killed leaves its workers the lock: nobody else begins before they have ended."""
    with fresh() as root:
        gate = root.parent / "gate"
        with gate.open("wb") as held:
            fcntl.flock(held, fcntl.LOCK_EX)
            assert pass_in_a_child(root, workers("outliving", str(gate))) == -signal.SIGKILL
            with pytest.raises(WorkspaceLocked):
                alone(root)
        wait_for_the_lock(root)
        alone(root)
        assert (root / "done" / "1").is_dir()
        sound(root, "after both")


def test_a_worker_that_somebody_ends_is_not_the_end_of_the_pass(wanted: dict[str, bytes]) -> None:
    """SIGTERM to a worker alone leaves its batches to the others and to the pass."""
    with fresh() as root:
        report = together(root, workers("ending", log_of(root)))
        assert noted(root)
        assert State.INTERRUPTED not in states(report).values()
        run(root, provider="openai")
        assert normal(root) == wanted


def test_an_end_of_the_pass_is_an_end_of_its_workers(wanted: dict[str, bytes]) -> None:
    """Ctrl-C reaches the workers through the pass: they stop between two steps, all is resumable."""
    with fresh() as root:
        heard = Heard()
        report = together(
            root,
            workers("counting", log_of(root)),
            watcher=heard,
            stopping=lambda: bool(heard.told),
        )
        assert report.exit_code == 130
        sound(root, "interrupted")
        for _ in range(3):
            run(root, provider="openai")
        assert normal(root) == wanted


def test_user_code_stays_with_the_pass() -> None:
    """Batches that a processor of the user looks at are given to no worker."""
    with fresh() as root:
        other = Plugged(lambda _name: Hooks(content=Content.JSON))
        together(root, workers("counting", log_of(root)), plugged=other)
        assert noted(root) == []


def test_a_lineage_in_workers() -> None:
    """A child whose answers have come settles in a worker as it does in the pass."""
    with fresh() as root, fresh() as other:
        for each in (root, other):
            alone(each)
            put(each, "4.r1", output=[answered(1)])
        alone(other)
        together(root, workers("counting", log_of(root)))
        assert normal(root) == normal(other)


def task(root: Path, name: str, policy: Policy) -> Task:
    """One batch as it is given out."""
    layout = find(str(root))
    look = Effects(layout.root)
    try:
        return Task(layout, 1 << 20, BatchName(name), policy, about(scan(look, layout), BatchName(name)))
    finally:
        look.close()


def test_a_step_that_is_not_for_a_worker_is_not_done() -> None:
    """A plan with anything but what workers do goes back to the pass, untouched."""
    with fresh() as root:
        put(root, "8", input=[request(0)])
        before = workspaces.files(root)
        local = plugged(lambda _request: None).hooks_of("8").applied_to(Policy(LOCAL, settle_seconds=0))
        fx = Effects(str(root))
        try:
            assert settled(task(root, "8", local), fx, lambda: False) == Reply(BatchName("8"))
        finally:
            fx.close()
        assert workspaces.files(root) == before


def test_a_worker_ends_with_its_pipe_or_when_asked() -> None:
    """It settles what comes in, sends what became of it, and ends when nothing more can come."""
    with fresh() as root:
        ours, theirs = Pipe()
        ours.send(task(root, "1", Policy()))
        ours.send(task(root, "2", Policy()))
        serve(theirs, None, ours.poll)
        reply: Reply = ours.recv()
        assert reply.report is not None
        assert (reply.name, reply.report.state) == ("1", State.SETTLED)
        assert not (root / "done" / "2").exists()
        ours.close()
        serve(theirs, None, lambda: False)
        theirs.close()
        assert (root / "done" / "2").exists()


def test_what_a_worker_learns_of_the_scan_is_about_its_batch() -> None:
    """Clash, quarantine folders of the lineage and the number of its last child; nothing of anybody else."""
    one, two, child = BatchName("1"), BatchName("2"), BatchName("1.r1")
    kinds: Any = {Role.INPUT: None}
    whole = Listing(
        batches={one: kinds, two: kinds},
        clashes={one: two},
        ignored=(),
        quarantined={child: ("1.r1.1",), two: ("2.1",)},
        stale=(),
        odd={one},
        last_child={one: 1, two: 5},
    )
    seen = about(whole, one)
    assert (seen.batches, seen.clashes, seen.last_child) == ({one: kinds}, {one: two}, {one: 1})
    assert seen.quarantined == {child: ("1.r1.1",)}
    assert one in seen.odd
    assert about(whole, two).clashes == {}


def test_few_bytes_are_worth_no_process() -> None:
    """A small workspace starts no process, unless a caller asks for it."""
    with fresh() as root:
        program = attrs.evolve(workers("counting", log_of(root)), worth=Workers().worth)
        together(root, program)
        assert noted(root) == []
        assert check(str(root), workspaces.settings()).findings == []
