"""
A process may die, or a disk fail, before any change that it makes: nothing is lost, nothing done twice.

Every scenario is run once without a fault. Then, for N = 1, 2, ..., a process is killed for good (SIGKILL)
just before its N-th change, until a run ends without getting that far; and what the next passes make of
it has to be what the run without a fault made.
"""

import errno
import json
import os
import signal
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final

import attrs
import pytest

from reconciler import decide, replaying, retention
from reconciler.batches import MANY
from reconciler.check import check
from reconciler.errors import PermanentError, ReconcilerError
from reconciler.executor.hooks import NOTHING_PLUGGED
from reconciler.model.exchange import Request
from reconciler.model.outcome import ErrorClass
from reconciler.model.report import Report, State
from reconciler.model.rows import COLUMNS
from reconciler.processors.tables import csv_blocks
from reconciler.results import Results
from reconciler.workspace.effects import Tap
from tests import workspaces
from tests.plugging import Plugs
from tests.workers import chat, plugged
from tests.workspace.faults import Trip, errno_failure
from tests.workspaces import answered, failed, files, jsonl, leftovers, put, request, run, scratch, tree

Act = Callable[[Path, Tap | None], object]
"""A pass or a verb over the workspace at a path."""
Tear = Callable[[str, Path], None]
"""Leaves something of a change on disk, before the process is killed."""

PASSES: Final = 3
"""How many passes may mend what a fault has left."""


@attrs.frozen
class Scenario:
    """
    A workspace and what is done with it.

    Attributes:
        make: Puts the files there.
        act: What is interrupted.
        flags: The settings of every pass.
        verb: Whether *act* is a person's verb, which the person types again if it did not take.
    """

    make: Callable[[Path], object]
    act: Act
    flags: Mapping[str, Any] = attrs.field(factory=dict)
    verb: bool = False


def one_pass(**flags: Any) -> Act:
    """A pass under these settings."""
    return lambda root, tap: run(root, tap=tap, **flags)


def retry(*names: str, classes: tuple[str, ...] = (), **flags: Any) -> Act:
    """`reconcile retry`."""
    plugs = flags.pop("plugged", NOTHING_PLUGGED)
    return lambda root, tap: decide.retry(
        str(root), workspaces.settings(**flags), names, workspaces.options(tap, plugged=plugs), classes
    )


def dismiss(name: str, **flags: Any) -> Act:
    """`reconcile dismiss`."""
    return lambda root, tap: decide.dismiss(
        str(root), workspaces.settings(**flags), [name], workspaces.options(tap)
    )


def retain(*names: str, **flags: Any) -> Act:
    """`reconcile retain`."""
    return lambda root, tap: retention.retain(
        str(root), workspaces.settings(**flags), names, workspaces.options(tap)
    )


def replay(*names: str, **flags: Any) -> Act:
    """`reconcile replay`."""
    plugs = flags.pop("plugged")
    return lambda root, tap: replaying.replay(
        str(root), workspaces.settings(**flags), names, workspaces.options(tap, plugged=plugs)
    )


def begin(root: Path) -> None:
    """A workspace that has seen a pass."""
    (root / "workdir").mkdir(parents=True)
    run(root)


def make_unmarked(root: Path) -> None:
    """A workspace that has seen no pass."""
    put(root, "1", input=[request(0)], output=[answered(0)])


def make_mixture(root: Path) -> None:
    """One batch of every kind that a pass changes."""
    begin(root)
    asked = [request(n) for n in range(4)]
    put(root, "1", input=asked, output=[answered(n) for n in (2, 0, 3, 1)])
    put(root, "2", input=asked, output=[answered(3), answered(0)], error=[failed(1, 429), failed(2, 400)])
    put(root, "3", input=asked, output=[answered(0)])
    put(root, "4", input=asked, output=[answered(n) for n in range(4)], error=[failed(3)])


def make_many(root: Path) -> None:
    """As many batches as are settled in groups; one is set aside, one has a failure."""
    begin(root)
    for number in range(1, MANY + 1):
        put(root, str(number), input=[request(0), request(1)], output=[answered(1), answered(0)])
    put(root, "2", input=[request(0), request(1)], output=[answered(0)], error=[failed(1, 400)])
    put(root, "5", input=[request(0), request(1)], output=[answered(0), answered(0)])


def make_rust(root: Path) -> None:
    """A move of the Rust tools that was interrupted: the input lies in `done/`, the answers do not."""
    four = {
        "batch_id": "batch_5",
        "input_file_id": "file-1",
        "output_file_id": "file-2",
        "error_file_id": None,
    }
    begin(root)
    put(root, "5", output=[answered(1), answered(0)], metadata=four)
    (root / "done").mkdir()
    (root / "done" / "batch_input_5.jsonl").write_bytes(jsonl([request(0), request(1)]))


def make_missing(root: Path) -> None:
    """A live batch of which two answers are missing and one failed."""
    put(root, "3", input=[request(n) for n in range(4)], output=[answered(0)], error=[failed(1, 500)])
    run(root)


def make_wrong(root: Path) -> None:
    """A batch of which two requests were invalid, and one failure may pass."""
    begin(root)
    asked = [request(n) for n in range(4)]
    put(root, "1", input=asked, output=[answered(0)], error=[failed(3, 429), failed(2), failed(1)])


def make_settled(root: Path) -> None:
    """A settled batch with a failure that may be asked again."""
    put(
        root,
        "2",
        input=[request(n) for n in range(3)],
        output=[answered(0)],
        error=[failed(1, 429), failed(2)],
    )
    run(root)


def make_quarantined(root: Path) -> None:
    """A batch in quarantine."""
    put(root, "4", input=[request(0), request(1)], output=[answered(0), answered(0)])
    run(root)


def make_mended(root: Path) -> None:
    """A batch in quarantine whose mended copy has settled meanwhile."""
    make_quarantined(root)
    put(root, "4", input=[request(0), request(1)], output=[answered(0), answered(1)])
    run(root)


def make_lineage(root: Path) -> None:
    """A live batch whose retry child is answered, a settled one, and one that was settled long before."""
    asked = [request(n) for n in range(3)]
    put(root, "1", input=asked, output=[answered(0)], error=[failed(1, 429), failed(2)])
    run(root, provider="openai")
    put(root, "1.r1", output=[answered(1)])
    put(root, "2", input=[request(0), request(3)], output=[answered(3), answered(0)])


def make_archive(root: Path) -> None:
    """What `make_lineage` makes, settled without anything being removed."""
    make_lineage(root)
    run(root)


def make_removed(root: Path) -> None:
    """A settled batch whose JSONL is gone, and its child, which failed and may be asked again."""
    asked = [request(n) for n in range(3)]
    put(root, "1", input=asked, output=[answered(0)], error=[failed(1, 429), failed(2)])
    run(root, provider="openai")
    put(root, "1.r1", error=[failed(1, 429)])
    run(root, **REMOVING)


def make_local(root: Path) -> None:
    """Batches that are answered here: one is answered, one fails, for good and so that it is called again."""
    begin(root)
    put(root, "1", input=[request(0), request(3)])
    put(root, "2", input=[request(1), request(2)])


async def worker(asked: Request) -> dict[str, Any]:
    """Answer, but for one request that fails for good and one whose failure is worth another call."""
    if asked.custom_id == "q-1":
        raise PermanentError("never")
    if asked.custom_id == "q-2":
        raise TimeoutError
    return chat(asked.custom_id)


LOCALLY: Final = {
    "provider": "local",
    "settle_seconds": 0,
    "max_attempts": 2,
    "plugged": plugged(worker, concurrency=1),
}


def make_tables(root: Path) -> None:
    """What `make_settled` makes, with tables of it."""
    put(
        root,
        "2",
        input=[request(n) for n in range(3)],
        output=[answered(0)],
        error=[failed(1, 429), failed(2)],
    )
    run(root, **TABLES)


def make_twin(root: Path) -> None:
    """A batch in quarantine, and a settled one, with tables."""
    put(root, "4", input=[request(0), request(1)], output=[answered(0), answered(0)])
    put(root, "5", input=[request(2)], output=[answered(2)])
    run(root, **TABLES)


TABLES: Final[dict[str, Any]] = {"csv": True, "combined": "all.csv"}
SENT_TABLES: Final[dict[str, Any]] = {"provider": "openai", **TABLES}

REMOVING: Final[dict[str, Any]] = {"jsonl": "remove"}

LOUD: Final = Plugs(lambda result: result.text and result.text.upper()).options.plugged
SPREAD: Final = Plugs("files").options.plugged


def later(asked: dict[str, Any]) -> Any:
    """A request that is changed, unless it is one that cannot be."""
    if asked["custom_id"] == "q-1":
        return None
    return {**asked, "body": {**asked["body"], "max_tokens": 9}}


CHANGING: Final[dict[str, Any]] = {
    "plugged": Plugs(transforms={ErrorClass.INVALID_REQUEST: later}).options.plugged
}
SENT_CHANGED: Final[dict[str, Any]] = {"provider": "openai", **CHANGING}

SCENARIOS: Final = {
    "pass": Scenario(make_mixture, one_pass(provider="openai"), {"provider": "openai"}),
    "pass-by-nobody": Scenario(make_mixture, one_pass()),
    "first-pass": Scenario(make_unmarked, one_pass()),
    "rust": Scenario(make_rust, one_pass()),
    "retry-missing": Scenario(make_missing, retry("3"), verb=True),
    "retry-missing-provider": Scenario(
        make_missing, retry("3", provider="openai"), {"provider": "openai"}, verb=True
    ),
    "retry-settled": Scenario(make_settled, retry("2"), verb=True),
    "retry-all": Scenario(make_settled, retry(), verb=True),
    "retry-class": Scenario(make_settled, retry("2", classes=("invalid-request",)), verb=True),
    "pass-changed": Scenario(make_wrong, one_pass(**SENT_CHANGED), SENT_CHANGED),
    "retry-changed": Scenario(make_settled, retry("2", **CHANGING), CHANGING, verb=True),
    "dismiss-missing": Scenario(make_missing, dismiss("3"), verb=True),
    "dismiss-quarantined": Scenario(make_quarantined, dismiss("4"), verb=True),
    "dismiss-beside-done": Scenario(make_mended, dismiss("4"), verb=True),
    "retain-pass": Scenario(make_lineage, one_pass(**REMOVING), REMOVING),
    "retain": Scenario(make_archive, retain(**REMOVING), REMOVING, verb=True),
    "replay": Scenario(make_archive, replay(plugged=LOUD), {"plugged": LOUD}, verb=True),
    "replay-files": Scenario(make_archive, replay("2", plugged=SPREAD), {"plugged": SPREAD}, verb=True),
    "retry-removed": Scenario(make_removed, retry("1.r1"), verb=True),
    "group": Scenario(make_many, one_pass()),
    "local": Scenario(make_local, one_pass(**LOCALLY), LOCALLY),
    "pass-tables": Scenario(make_mixture, one_pass(provider="openai", **TABLES), SENT_TABLES),
    "group-tables": Scenario(make_many, one_pass(**TABLES), TABLES),
    "retry-tables": Scenario(make_tables, retry("2", **TABLES), TABLES, verb=True),
    "dismiss-tables": Scenario(make_twin, dismiss("4", **TABLES), TABLES, verb=True),
    "replay-tables": Scenario(
        make_tables, replay("2", plugged=LOUD, **TABLES), {"plugged": LOUD, **TABLES}, verb=True
    ),
    "retain-tables": Scenario(make_lineage, one_pass(**REMOVING, **TABLES), {**REMOVING, **TABLES}),
}
LARGE: Final = (
    *("pass", "pass-by-nobody", "group", "local", "pass-tables", "group-tables"),
    *("pass-changed", "retry-changed"),
)
STEP: Final = 4
"""Of the large scenarios, every STEP-th point is tried in a normal run and every point in a slow one."""


@contextmanager
def fresh(scenario: Scenario) -> Iterator[Path]:
    """The workspace of a scenario, ready to be acted on; in memory, so that every point can be tried."""
    with scratch() as folder:
        root = folder / "w"
        scenario.make(root)
        yield root


def whole(_change: str, _path: Path) -> None:
    """Leave nothing of the change on disk."""


def half(change: str, path: Path) -> None:
    """Leave the beginning of a write on disk."""
    if change in ("write", "append"):
        with path.open("ab") as stream:
            stream.write(b'{"at":1,"event":"bat')


def killed_at(point: int, act: Act, root: Path, tear: Tear) -> bool:
    """Run *act* in a process that is killed just before its change number *point*; whether it got there."""
    child = os.fork()
    if child == 0:
        seen = 0

        def tap(change: str, path: str) -> None:
            nonlocal seen
            seen += 1
            if seen == point:
                tear(change, root / path)
                os.kill(os.getpid(), signal.SIGKILL)

        with suppress(BaseException):
            act(root, tap)
            os._exit(0)
        os._exit(99)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert code in (0, -signal.SIGKILL), f"the run itself failed before change {point}"
    return code != 0


def asked(root: Path) -> Counter[str]:
    """
    How often each batch's requests stand anywhere in the workspace, hard links and copies counted once.

    A tombstone stands for the input that it tells of.
    """
    found: dict[str, bytes] = {}
    for path, data in files(root).items():
        leaf = path.rpartition("/")[2]
        if leaf.startswith("batch_input_"):
            assert found.setdefault(leaf, data) == data, f"{path}: one name, two contents"
    counted = Counter({leaf: data.count(b"\n") for leaf, data in found.items()})
    for tombstone in root.rglob("tombstone.json"):
        told = json.loads(tombstone.read_bytes())
        leaf = f"batch_input_{told['name']}.jsonl"
        if leaf in told["files"]:
            counted[leaf] = told["coverage"]["input"]["requests"]
    return counted


def mend(scenario: Scenario, root: Path, wanted: Mapping[str, bytes]) -> None:
    """Passes until the end state is reached, three at most; then the verb again if it had not taken."""
    for _ in range(PASSES):
        run(root, **scenario.flags)
        if normal(root) == wanted:
            return
    if scenario.verb:
        with suppress(ReconcilerError):
            scenario.act(root, None)
        run(root, **scenario.flags)


def end_state(scenario: Scenario) -> tuple[dict[str, bytes], int]:
    """What a run without a fault leaves, and how many changes it makes."""
    with fresh(scenario) as root:
        trip = Trip()
        scenario.act(root, trip)
        run(root, **scenario.flags)
        return normal(root), len(trip.seen)


def sound(root: Path, when: str) -> None:
    """No promise is broken."""
    found = check(str(root), workspaces.settings()).findings
    found = [each for each in found if "torn" not in each.what]
    assert found == [], f"{when}: {found}"


def whole_table(root: Path) -> bytes:
    """What the file over all finished batches has to hold."""
    return b"".join(csv_blocks(Results(str(root), workspaces.settings(), finished=True), COLUMNS))


def normal(root: Path) -> dict[str, bytes]:
    """The tree; of the ledger its whole lines, in any order, because batches are mended in any order."""
    found = tree(root)
    path = ".reconciler/ledger.jsonl"
    if path in found:
        lines = found[path].split(b"\n")
        found[path] = b"\n".join(
            sorted(line for line in lines if line.startswith(b"{") and line.endswith(b"}"))
        )
    return found


def kill_everywhere(case: str, step: int, tear: Tear) -> int:
    """
    Kill the scenario before every *step*-th change, mend it, and hold it against a run without faults.

    Returns:
        How often.
    """
    scenario = SCENARIOS[case]
    wanted, changes = end_state(scenario)
    with fresh(scenario) as root:
        before = asked(root)
    for point in range(1, changes + 2, step):
        with fresh(scenario) as root:
            if not killed_at(point, scenario.act, root, tear):
                assert point == changes + 1
                break
            when = f"killed before change {point} of {changes}"
            sound(root, when)
            assert asked(root).items() >= before.items(), when
            mend(scenario, root, wanted)
            assert normal(root) == wanted, when
            assert leftovers(root) == [], when
            sound(root, f"{when} and mended")
            if "combined" in scenario.flags:
                assert (root / "target" / "all.csv").read_bytes() == whole_table(root), when
    return len(range(1, changes + 1, step))


@pytest.mark.parametrize("case", [case for case in SCENARIOS if case != "pass-by-nobody"])
def test_killed_before_a_change(case: str) -> None:
    """Killed anywhere, no promise is broken, and three passes reach the end of a run without faults."""
    kill_everywhere(case, STEP if case in LARGE else 1, tear=whole)


@pytest.mark.slow
@pytest.mark.parametrize("case", LARGE)
def test_killed_before_every_change(case: str) -> None:
    """The same at every point of the large scenarios."""
    kill_everywhere(case, 1, tear=whole)


@pytest.mark.parametrize("case", ["retry-settled"])
def test_killed_in_the_middle_of_a_write(case: str) -> None:
    """The same when half of what was being written stands on disk."""
    kill_everywhere(case, 1, tear=half)


@pytest.mark.slow
@pytest.mark.parametrize("case", [case for case in SCENARIOS if case != "retry-settled"])
def test_killed_in_the_middle_of_any_write(case: str) -> None:
    """The same for every scenario."""
    kill_everywhere(case, 1, tear=half)


def test_a_torn_line_of_history_is_no_violation_for_ever(tmp_path: Path) -> None:
    """A kill may tear the last line of the ledger; the passes after it do not make that a broken promise."""
    root = tmp_path / "w"
    make_unmarked(root)
    run(root)
    with (root / ".reconciler" / "ledger.jsonl").open("ab") as stream:
        stream.write(b'{"at":1,"event":"batch.se')
    sound(root, "torn")
    put(root, "2", input=[request(1)], output=[answered(1)])
    assert run(root).exit_code == 0
    assert check(str(root), workspaces.settings()).findings == []


def states(report: Report) -> dict[str, State]:
    """Where each batch stands after a pass; its folder in quarantine may be reported once more, after it."""
    return {batch.name: batch.state for batch in reversed(report.batches)}


def fail_everywhere(number: int, step: int, *, sticky: bool) -> None:
    """Fail every *step*-th change of a pass with an errno, then let a pass go through."""
    scenario = SCENARIOS["pass"]
    wanted, changes = end_state(scenario)
    with fresh(scenario) as root:
        before = asked(root)
        usual = states(run(root, **scenario.flags))
    for point in range(1, changes + 1, step):
        with fresh(scenario) as root:
            trip = Trip(at=point, failure=errno_failure(number), sticky=sticky)
            when = f"{errno.errorcode[number]} at change {point} of {changes}: {trip.seen[-1:]}"
            report = run(root, tap=trip, **scenario.flags)
            assert report.exit_code in (1, 3), when
            troubled = {name for name, state in states(report).items() if state is State.FAILED}
            assert troubled, when
            if not sticky:
                assert len(troubled) == 1, when
                rest = {name: state for name, state in states(report).items() if name not in troubled}
                assert rest.items() <= usual.items(), when
            sound(root, when)
            assert asked(root).items() >= before.items(), when
            mend(scenario, root, wanted)
            assert normal(root) == wanted, when
            assert leftovers(root) == [], when


@pytest.mark.parametrize("sticky", [False, True], ids=["once", "sticky"])
def test_a_disk_that_fails_a_change(*, sticky: bool) -> None:
    """A full disk stops that batch and no other, loses nothing, and a later pass makes up for it."""
    fail_everywhere(errno.ENOSPC, 2 * STEP + 1, sticky=sticky)


@pytest.mark.slow
@pytest.mark.parametrize("sticky", [False, True], ids=["once", "sticky"])
@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO, errno.EROFS], ids=errno.errorcode.get)
def test_a_disk_that_fails_any_change(number: int, *, sticky: bool) -> None:
    """The same for every change, and for disks that break or become read-only."""
    fail_everywhere(number, 1, sticky=sticky)
