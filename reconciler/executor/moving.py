"""Archive a batch in `done/`, or set it aside in `quarantine/`."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from reconciler.errors import BadMetadata, Clash, StaleSnapshot
from reconciler.executor import charging
from reconciler.executor.context import Context, Run
from reconciler.executor.given_up import collect, withdraw
from reconciler.model.identity import Role
from reconciler.model.operation import MoveToDone, Quarantine
from reconciler.model.policy import LOCAL
from reconciler.model.receipt import Receipt
from reconciler.model.words import many
from reconciler.workspace import combined, ledger, removable, settled
from reconciler.workspace.layout import QUARANTINE
from reconciler.workspace.relocate import (
    Moving,
    is_history,
    make_lasting,
    move_group,
    remove_sources,
    twins,
)
from reconciler.workspace.scan import batch_of_folder

REASON = "reason.json"


def move_to_done(step: MoveToDone, run: Run) -> Receipt:
    """
    Publish `done/<name>/`, or remove the copies that an interrupted move left.

    Raises:
        StaleSnapshot: The account does not balance any more; nothing is moved.
        Clash: `done/<name>/` holds something else.
    """
    folder = settled.folder_of(step.name)
    if step.finishing:
        return _finish_done(step, run, folder)
    record = run.ctx.record(step.name)
    if record is None or record.coverage is None or not record.coverage.balanced:
        raise StaleSnapshot(
            f"{step.name} may not move to done/: its ids do not add up in its metadata by now"
        )
    digests = record.coverage.digests
    files = {
        role: Moving(
            path, digests[role] if role in digests else run.ctx.fx.digest(path), keep=is_history(path)
        )
        for role, path in _live_paths(run.ctx, step).items()
    }
    manifest = settled.Manifest(
        name=step.name,
        files={file.leaf: file.digest for file in files.values()},
        coverage=record.coverage,
        parent=record.parent,
        attempt=record.attempt,
        children=record.children,
        settled_at=round(run.ctx.fx.now(), 3),
        version=run.ctx.version,
        provider=record.provider,
        batch_id=record.batch_id,
        receipts={**record.receipts, **run.proofs},
        worker=record.online.worker,
    )
    collected = collect(run.ctx, record, step.expects.files, run.known)
    if step.removable:
        # Before the batch leaves the live folder: a pass never looks for batches in done/.
        removable.note(run.ctx.fx, step.name)
    charging.settle(run.ctx, record, step.expects.files)
    settle(run.ctx, files, manifest, folder)
    run.account = record.coverage
    facts = {"path": folder, "requests": record.coverage.input.requests, "attempt": record.attempt}
    summary = f"moved to {folder}/"
    if collected:
        facts["given_up"] = collected
        summary += f"; {many(record.coverage.given_up.requests, 'request')} given up ({collected})"
    return Receipt(step.name, step.verb, summary, facts)


def settle(ctx: Context, files: Mapping[Role, Moving], manifest: settled.Manifest, folder: str) -> None:
    """Move *files* and their manifest to *folder*; history learns of it before the old names go."""

    def written() -> None:
        ledger.append(ctx.fx, "batch.settled", manifest.name, **_history_of(manifest))
        if manifest.provider == LOCAL:
            _forget_progress(ctx, manifest.name)

    combined.void(ctx.fx, ctx.voiding)
    move_group(ctx.fx, files, folder, (settled.MANIFEST, settled.encode(manifest)), written)


def _finish_done(step: MoveToDone, run: Run, folder: str) -> Receipt:
    """The folder is there: history may not know it yet, and equal copies may still be live."""
    ctx = run.ctx
    try:
        manifest = settled.read(ctx.fx, step.name)
    except (BadMetadata, FileNotFoundError, NotADirectoryError) as error:
        message = f"{folder}/ is there already and has no manifest that can be read; nothing was touched"
        raise Clash(
            message, hint=f"move {folder}/ out of the workspace, or give the live batch another name"
        ) from error
    paths = _live_paths(ctx, step)
    files = twins(ctx.fx, paths, folder)
    make_lasting(ctx.fx, folder, (settled.MANIFEST, *manifest.files))
    ledger.append_once(ctx.fx, ctx.history, "batch.settled", step.name, **_history_of(manifest))
    if manifest.provider == LOCAL:
        _forget_progress(ctx, step.name)
    remove_sources(ctx.fx, files, folder)
    return Receipt(step.name, step.verb, f"the move to {folder}/ was completed", {"path": folder})


def _forget_progress(ctx: Context, name: str) -> None:
    """
    Remove the progress of a local run whose answers are settled; a crash may have come before this.

    While live names are left, a pass comes by here: after them nobody would.
    """
    from reconciler.workspace import live  # noqa: PLC0415 - SQLite

    live.remove(ctx.fx, name)


def _live_paths(ctx: Context, step: MoveToDone | Quarantine) -> dict[Role, str]:
    """The live files of a batch and its metadata."""
    paths = {role: fact.path for role, fact in step.expects.files.items()}
    path = ctx.record_path(step.name)
    if ctx.fx.kind(path) is not None:
        paths[Role.METADATA] = path
    return paths


def _history_of(manifest: settled.Manifest) -> dict[str, object]:
    """What the ledger keeps of a settled batch; the same whenever it is written."""
    coverage = manifest.coverage
    digest = coverage.digests.get(Role.INPUT)
    return {
        "input": None if digest is None else digest.sha256,
        "requests": coverage.input.requests,
        "answered": coverage.answered.requests,
        "failed": coverage.failed.requests,
        "retried": coverage.retried.requests,
        "dismissed": coverage.dismissed.requests,
    }


def quarantine(step: Quarantine, run: Run) -> Receipt:
    """Move the batch to `quarantine/<name>.<n>/` with its reason; moving the files back undoes it."""
    ctx = run.ctx
    paths = _live_paths(ctx, step)
    if step.finishing is not None:
        folder = f"{QUARANTINE}/{step.finishing}"
        files = twins(ctx.fx, paths, folder)
        make_lasting(ctx.fx, folder, (REASON, *(file.leaf for file in files.values())))
        ledger.append_once(ctx.fx, ctx.history, "batch.quarantined", step.name, folder=folder)
        remove_sources(ctx.fx, files, folder)
        return Receipt(step.name, step.verb, f"the move to {folder}/ was completed", {"path": folder})
    folder = f"{QUARANTINE}/{step.name}.{_next_number(ctx, step.name)}"
    files = {role: Moving(path, ctx.fx.digest(path), keep=is_history(path)) for role, path in paths.items()}
    document = {
        "schema": 1,
        "name": step.name,
        "quarantined_at": round(ctx.fx.now(), 3),
        "version": ctx.version,
        "reason": step.reason,
        "details": step.details,
        "undo": f"move the files back to {ctx.layout.live or 'the workspace'}/ and run again",
        "files": {
            file.leaf: {"sha256": file.digest.sha256, "bytes": file.digest.size} for file in files.values()
        },
    }
    text = msgspec.json.format(msgspec.json.encode(document), indent=2) + b"\n"

    def written() -> None:
        ledger.append(ctx.fx, "batch.quarantined", step.name, folder=folder)

    # A move to done/ that was cut off may have collected requests that nobody can speak of now.
    withdraw(ctx, step.name)
    # One that is called like a settled batch is told of beside it.
    combined.void(ctx.fx, ctx.voiding)
    move_group(ctx.fx, files, folder, (REASON, text), written)
    return Receipt(step.name, step.verb, f"moved to {folder}/", {"path": folder, "reason": step.reason})


def _next_number(ctx: Context, name: str) -> int:
    """One more than the highest number that this batch has in `quarantine/`."""
    taken = [
        int(entry.name.rpartition(".")[2])
        for entry in ctx.fx.listing(QUARANTINE)
        if batch_of_folder(entry.name) == name
    ]
    return max(taken, default=0) + 1
