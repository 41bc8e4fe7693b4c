"""Workspaces, each with what is done with it: passes and verbs of every kind that a fault may interrupt."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import attrs

from reconciler import decide, replaying, retention
from reconciler.batches import MANY
from reconciler.errors import PermanentError
from reconciler.executor.hooks import NOTHING_PLUGGED
from reconciler.model.exchange import Request
from reconciler.model.outcome import ErrorClass
from reconciler.workspace.effects import Tap
from tests import workspaces
from tests.plugging import Plugs
from tests.workers import chat, plugged
from tests.workspaces import answered, failed, jsonl, put, request, run, scratch

Act = Callable[[Path, Tap | None], object]
"""A pass or a verb over the workspace at a path."""


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


@contextmanager
def fresh(scenario: Scenario) -> Iterator[Path]:
    """The workspace of a scenario, ready to be acted on; in memory, so that every point can be tried."""
    with scratch() as folder:
        root = folder / "w"
        scenario.make(root)
        yield root
