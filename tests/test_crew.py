"""Whole batches in worker processes: as without them, with one lock, and user code stays with the pass."""

from contextlib import suppress
from multiprocessing import Pipe
from pathlib import Path
from typing import Any

import attrs
import pytest

from reconciler.check import check
from reconciler.crew import about
from reconciler.executor.hooks import Hooks, Plugged
from reconciler.hand import Reply, Task, serve, settled
from reconciler.model.content import Content
from reconciler.model.identity import BatchName, Role
from reconciler.model.policy import LOCAL, Policy
from reconciler.model.report import State
from reconciler.session import Workers
from reconciler.workspace.effects import Effects
from reconciler.workspace.layout import find
from reconciler.workspace.scan import Listing, scan
from tests import workspaces
from tests.crashing import normal, sound
from tests.crewing import Doubting, Heard, alone, fresh, log_of, noted, states, together
from tests.hands import workers
from tests.workers import plugged
from tests.workspace.faults import Crash
from tests.workspaces import answered, put, request, run


@pytest.fixture(scope="module")
def wanted() -> dict[str, bytes]:
    """What a pass in one process leaves."""
    with fresh() as root:
        alone(root)
        run(root, provider="openai")
        return normal(root)


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
            # `4.r1` is a batch of its own.
            leaves = f"_{name}.jsonl", f"/{name}.jsonl", f"/{name}.results.jsonl"
            marks = (*leaves, f"done/{name}", f"quarantine/{name}")
            makers = {
                line.split()[0] for line in noted(root) if line.endswith(marks) and "ledger" not in line
            }
            assert len(makers) == 1, name


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
