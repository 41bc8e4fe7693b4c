"""
Kill a process for good (SIGKILL) before any of its changes, and hold its end against a run without faults.

Every scenario is run once without a fault. Then, for N = 1, 2, ..., a process is killed just before its N-th
change, until a run ends without getting that far; and what the next passes make of it has to be what the run
without a fault made.
"""

import json
import os
import signal
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final

from reconciler.check import check
from reconciler.errors import ReconcilerError
from reconciler.model.rows import COLUMNS
from reconciler.processors.tables import csv_blocks
from reconciler.results import Results
from tests import workspaces
from tests.scenarios import SCENARIOS, Act, Scenario, fresh
from tests.workspace.faults import Trip
from tests.workspaces import files, leftovers, run, tree

Tear = Callable[[str, Path], None]
"""Leaves something of a change on disk, before the process is killed."""

PASSES: Final = 3
"""How many passes may mend what a fault has left."""


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
