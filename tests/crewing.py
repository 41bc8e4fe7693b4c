"""Batches of every kind for worker processes, a pass with workers and one without, and what each tells."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import attrs

from reconciler import engine
from reconciler.model.plan import Plan
from reconciler.model.receipt import Receipt
from reconciler.model.report import BatchReport, Report, State
from reconciler.session import Options, Workers
from reconciler.workspace.together import sync_now
from tests import workspaces
from tests.workspaces import answered, failed, put, request, scratch


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


def states(report: Report) -> dict[str, State]:
    """Where each batch stands."""
    return {each.name: each.state for each in reversed(report.batches)}
