"""
Remove the JSONL of a settled batch; what was published of it, the manifest and a tombstone stay.

In this order, so that a crash at any point is neither loss nor tampering: what was published is read again,
and on disk, every file that goes is read again, the tombstone is on disk, history knows, then the answers go,
and the input last.
"""

from __future__ import annotations

from typing import Final

from reconciler.errors import PermanentError
from reconciler.executor.context import Context, Run
from reconciler.model.coverage import FileDigest
from reconciler.model.identity import Role
from reconciler.model.operation import RemoveJsonl
from reconciler.model.receipt import Receipt
from reconciler.model.words import many
from reconciler.workspace import ledger, removable, settled, tombstones
from reconciler.workspace.effects import temporary_for
from reconciler.workspace.receipts import changed, published_by
from reconciler.workspace.tombstones import Tombstone

_ORDER: Final = (Role.ERROR, Role.OUTPUT, Role.INPUT)


def remove_jsonl(step: RemoveJsonl, run: Run) -> Receipt:
    """
    Verify, leave a tombstone, remove.

    Raises:
        PermanentError: What was published has changed, or a file is not what the manifest says; nothing was
            removed, or nothing more.
        BadMetadata: The manifest or a tombstone cannot be trusted.
    """
    ctx, name, folder = run.ctx, step.name, settled.folder_of(step.name)
    manifest = settled.read(ctx.fx, name)
    if published_by(manifest.receipts.get("process-output", {})) != step.published:
        raise PermanentError(
            f"{folder}/{settled.MANIFEST} has changed since it was looked at; nothing was removed"
        )
    wrong = changed(ctx.fx, step.published)
    if wrong is not None:
        raise PermanentError(f"{wrong}; the JSONL of {name} was kept")
    # Their user may have put them back a moment ago, and from here on they hold the only answers.
    for path in step.published:
        ctx.fx.sync_files([path])
    for place in sorted({path.rpartition("/")[0] for path in step.published}):
        ctx.fx.sync_folder(place)
    removable.note(ctx.fx, name)
    _bury(ctx, step, manifest)
    for role in _ORDER:
        if role in step.expects.files:
            ctx.fx.unlink(step.expects.files[role].path)
    ctx.fx.sync_folder(folder)
    removable.forget(ctx.fx, name)
    size = sum(fact.size for fact in step.expects.files.values())
    told = many(len(step.expects.files), "file")
    summary = f"its JSONL was removed ({told}, {size:,} bytes)"
    return Receipt(name, step.verb, summary, {"path": tombstones.path_of(name), "bytes": size})


def _bury(ctx: Context, step: RemoveJsonl, manifest: settled.Manifest) -> None:
    """See to it that a tombstone tells what goes, and that history knows, whatever was cut off before."""
    name, path = step.name, tombstones.path_of(step.name)
    earlier = tombstones.read(ctx.fx, name)
    known = manifest.files if earlier is None else earlier.files
    files: dict[str, FileDigest] = {}
    for fact in step.expects.files.values():
        leaf = fact.path.rpartition("/")[2]
        files[leaf] = _hold(ctx, fact.path, known.get(leaf))
    if earlier is not None:
        # A crash may have come just after it had its name, which nobody may have brought to disk.
        ctx.fx.discard(temporary_for(path))
        ctx.fx.sync_folder(path.rpartition("/")[0])
        ledger.append_once(ctx.fx, ctx.history, "batch.removed", name, **_history_of(earlier))
        return
    tombstone = Tombstone(
        name=name,
        files=files,
        coverage=manifest.coverage,
        published=step.published,
        removed_at=round(ctx.fx.now(), 3),
        version=ctx.version,
    )
    ctx.fx.publish(path, (tombstones.encode(tombstone),))
    ledger.append(ctx.fx, "batch.removed", name, **_history_of(tombstone))


def _history_of(tombstone: Tombstone) -> dict[str, object]:
    """What the ledger keeps of a removal; the same whenever it is written."""
    files = {leaf: digest.sha256 for leaf, digest in tombstone.files.items()}
    return {"files": files, "requests": tombstone.coverage.input.requests}


def _hold(ctx: Context, path: str, known: FileDigest | None) -> FileDigest:
    """
    The digest of a file that is about to go, read anew.

    Raises:
        PermanentError: It is not the one that is known.
    """
    found = ctx.fx.digest(path)
    if found != known:
        raise PermanentError(f"{path} is not what is written down of it; it was not removed")
    return found
