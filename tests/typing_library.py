"""
The public API as a type checker sees it. Never run: mypy reads it with the rest of tests/.

`assert_type` states what a caller gets; each `type: ignore` states a mistake that has to be refused, because
an ignore that is not needed is an error itself.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, assert_type

from reconciler import (
    BadInput,
    BatchContext,
    BatchReport,
    ErrorClass,
    FailedForGood,
    Failure,
    IdMismatch,
    Plan,
    Policy,
    ProcessedBatch,
    ReconcilerError,
    ReconciliationFailed,
    Report,
    Request,
    Result,
    ResultRow,
    ResultRows,
    Snapshot,
    Standing,
    State,
    StepFailed,
    Unhandled,
    Workspace,
    WorkspaceBatch,
    __version__,
    plan,
    reconcile,
)
from reconciler.check.verdict import Verdict
from reconciler.deciding import Decision
from reconciler.inventory import Inventory
from reconciler.model.life import Explanation
from reconciler.preview import Preview
from reconciler.replaying import Replay
from reconciler.retention import Retention
from reconciler.status import Status


def handle(result: Result) -> dict[str, str | None]:
    """A processor of results."""
    assert_type(result.custom_id, str)
    assert_type(result.text, str | None)
    assert_type(result.error_class, ErrorClass | None)
    return {"text": result.text}


async def handle_later(result: Result) -> int:
    """An async one."""
    return len(result.text or "")


def handle_batch(batch: ProcessedBatch, context: BatchContext) -> None:
    """A processor of whole batches."""
    assert_type(batch.results(), Iterator[Result])
    assert_type(context.workspace, Path)
    assert_type(context.paths, Mapping[str, Path])
    context.publish("all.txt", b"x")
    context.publish("all.txt", "x")
    context.publish("all.txt", [b"x", b"y"])
    context.publish("all.txt", 7)  # type: ignore[arg-type]
    context.publish(7, b"x")  # type: ignore[arg-type]


async def work(request: Request) -> Mapping[str, Any]:
    """A worker."""
    assert_type(request.body, Mapping[str, Any])
    assert_type(request.url, str | None)
    return {}


async def work_wrongly(_request: Request) -> str:
    """A worker that returns no body."""
    return ""


def calls(path: Path) -> None:
    """Ways to call."""
    assert_type(__version__, str)
    report = reconcile(path)
    assert_type(report, Report)
    assert_type(reconcile("w", ["1", "2*"], provider="local", content="json"), Report)
    assert_type(reconcile("w", on_result=handle), Report)
    assert_type(reconcile("w", on_result=handle_later), Report)
    assert_type(reconcile("w", output_processor=handle_batch, error_processor="summary"), Report)
    assert_type(reconcile("w", transforms={"over-length": handle, "billing": "mine.py:f"}), Report)
    assert_type(reconcile("w", worker=work, settings={"local.concurrency": 8}), Report)
    assert_type(reconcile("w", worker="echo", environment=False, stopping=lambda: False), Report)

    reconcile()  # type: ignore[call-arg]
    reconcile(7)  # type: ignore[arg-type]
    reconcile("w", [1])  # type: ignore[list-item]
    reconcile("w", nothing=1)  # type: ignore[call-arg]
    reconcile("w", provider=7)  # type: ignore[arg-type]
    reconcile("w", content=None)  # type: ignore[arg-type]
    reconcile("w", on_result="files")  # type: ignore[arg-type]
    reconcile("w", on_result=handle_batch)  # type: ignore[arg-type]
    reconcile("w", output_processor=7)  # type: ignore[arg-type]
    reconcile("w", transforms=handle)  # type: ignore[arg-type]
    reconcile("w", worker=work_wrongly)  # type: ignore[arg-type]
    reconcile("w", environment="no")  # type: ignore[arg-type]
    reconcile("w", stopping=True)  # type: ignore[arg-type]


def objects() -> None:
    """The objects."""
    workspace = Workspace.open("w", provider="local", on_result=handle)
    assert_type(workspace, Workspace)
    assert_type(workspace.batches(), Iterator[WorkspaceBatch])
    assert_type(workspace.batch("1"), WorkspaceBatch)
    assert_type(workspace.reconcile(["1"], content="text"), Report)
    assert_type(workspace.preview(), Preview)
    assert_type(workspace.status(), Status)
    assert_type(workspace.check(), Verdict)
    assert_type(workspace.retry("1", "2"), Decision)
    assert_type(workspace.dismiss("1"), Decision)
    assert_type(workspace.process("1"), Decision)
    assert_type(workspace.submit("1", "2"), Decision)
    assert_type(workspace.cancel("1"), Decision)
    assert_type(workspace.resubmit("1"), Decision)
    assert_type(workspace.explain("q-1"), Explanation)
    assert_type(workspace.replay("1", model="m", since="7d", dry_run=True, on_result=handle), Replay)
    assert_type(workspace.retain("1", dry_run=True), Retention)
    assert_type(workspace.audit(delete_remote=True), Inventory)
    assert_type(workspace.reconcile(wait=True, timeout=3600, provider="openai"), Report)
    assert_type(reconcile("w", wait=True), Report)
    batch = workspace.batch("1")
    assert_type(batch.snapshot(), Snapshot)
    assert_type(batch.plan(), Plan)
    assert_type(batch.reconcile(provider="local", content="json"), BatchReport)
    assert_type(batch.reconcile(wait=True, timeout=60.0), BatchReport)
    assert_type(batch.submit(), Decision)
    assert_type(batch.cancel(), Decision)
    assert_type(batch.resubmit(), Decision)
    assert_type(batch.adopt("batch_1"), Decision)
    assert_type(batch.adopt(Path("results.jsonl")), Decision)
    assert_type(plan(batch.snapshot()), Plan)
    assert_type(plan(batch.snapshot(), Policy(provider="openai")).explain(), str)

    Workspace.open("w", nothing=1)  # type: ignore[call-arg]
    workspace.batch(7)  # type: ignore[arg-type]
    workspace.retry(["1"])  # type: ignore[arg-type]
    workspace.reconcile(["1"], True)  # type: ignore[call-arg]  # noqa: FBT003 - the mistake
    reconcile("w", wait=True, timeout="1h")  # type: ignore[arg-type]
    batch.adopt(7)  # type: ignore[arg-type]
    workspace.audit(True)  # type: ignore[call-arg]  # noqa: FBT003 - likewise
    workspace.path = "x"  # type: ignore[misc]
    batch.nothing  # type: ignore[attr-defined]  # noqa: B018 - looking it up is the mistake
    plan("1")  # type: ignore[arg-type]
    plan(batch.snapshot(), "openai")  # type: ignore[arg-type]


def endings(report: Report) -> None:
    """What a report says."""
    assert_type(report.batch("1"), BatchReport)
    assert_type(report.batch("1").state, State)
    assert_type(report.batch("1").failure, Failure | None)
    assert_type(report.failures, tuple[Failure, ...])
    assert_type(report.exit_code, int)
    report.batch("1").failure.because  # type: ignore[union-attr]  # noqa: B018 - it may be None
    report.batch("1").state = State.HELD  # type: ignore[misc]
    match report.batch("1").failure:
        case IdMismatch() as found:
            assert_type(found.missing, tuple[str, ...])
            assert_type(found.total, Mapping[str, int])
        case BadInput(lines=lines):
            assert_type(lines, tuple[str, ...])
        case FailedForGood(by_class=by_class):
            assert_type(by_class, Mapping[ErrorClass, int])
        case Unhandled(requests=requests):
            assert_type(requests, int)
        case StepFailed(error=error):
            assert_type(error, ReconcilerError)
        case Failure() | None:
            pass
    try:
        report.raise_for_failures()
    except ReconciliationFailed as error:
        assert_type(error.failures, tuple[Failure, ...])


def rows(report: Report, workspace: Workspace) -> None:
    """Results, of one batch and of all."""
    assert_type(report.combined(), ResultRows)
    assert_type(report.batches[0].results(), ResultRows)
    assert_type(report.batches[0].done, bool)
    for row in workspace.results("7", only="ok"):
        assert_type(row, ResultRow)
        assert_type(row.outcome, Standing)
        assert_type(row.text, str | None)
    assert_type(workspace.results().write("all.csv"), str)
    workspace.results(only="all")  # type: ignore[arg-type]
