"""
`reconcile check --repair`: carry out what an audit can prove to be safe, under the lock, and audit again.

It sends nothing, touches no input, no answer and no metadata, and does nothing that a pass does by itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import assert_never

import attrs

from reconciler.check import Verdict
from reconciler.check.audit import audit
from reconciler.check.mending import (
    Left,
    Narrow,
    PublishAgain,
    PublishManifest,
    RemoveAside,
    RemoveProgress,
    RemoveStaging,
    RemoveTemporary,
    RemoveTorn,
    Repair,
)
from reconciler.check.repairs import blocks_of, diagnose
from reconciler.config import Settings
from reconciler.errors import Interrupted, ReconcilerError, StaleSnapshot
from reconciler.executor.context import Context
from reconciler.executor.hashing import digest_of
from reconciler.session import Options, session
from reconciler.workspace import aside, combined, ledger, settled
from reconciler.workspace.effects import temporary_for
from reconciler.workspace.layout import PRIVATE
from reconciler.workspace.scan import scan


@attrs.frozen
class Repaired:
    """
    What came of it.

    Attributes:
        done: What was repaired.
        left: What was not, and why.
        failed: How many of these could not be carried out.
        verdict: What the files say now.
    """

    done: tuple[Repair, ...]
    left: tuple[Left, ...]
    failed: int
    verdict: Verdict

    @property
    def exit_code(self) -> int:
        """3 for a promise that does not hold, 1 for a repair that failed, 0 otherwise."""
        return 3 if self.verdict.findings else min(self.failed, 1)


def repair(
    path: str,
    settings: Settings,
    options: Options | None = None,
    secrets: Mapping[str, str] = MappingProxyType({}),
) -> Repaired:
    """
    Audit the workspace at *path*, repair what is provably safe, and audit it again.

    Raises:
        UserError: There is no workspace, or another reconciler holds it.
        Interrupted: Someone asked for an end; what was repaired stays.
    """
    with session(path, settings, options or Options()) as held:
        ctx, done, failed = held.ctx, list[Repair](), dict[str, Left]()
        while True:
            # One repair may prove what another needs, or end its reason.
            verdict = audit(ctx, secrets)
            found = list(diagnose(ctx, scan(ctx.fx, ctx.layout), verdict))
            left = [each for each in found if isinstance(each, Left)]
            wanted = [each for each in found if not isinstance(each, Left) and each.path not in failed]
            if not wanted:
                return Repaired(tuple(done), (*failed.values(), *left), len(failed), verdict)
            for each in wanted:
                if ctx.stopping():
                    raise Interrupted("interrupted; what was repaired stays")
                try:
                    _carry_out(ctx, each)
                    done.append(each)
                except (ReconcilerError, OSError) as error:
                    failed[each.path] = Left(each.path, f"it could not be repaired: {error}")


def _carry_out(ctx: Context, step: Repair) -> None:
    """
    Make one repair; done twice, it comes to the same.

    Raises:
        ReconcilerError, OSError: It could not be made.
    """
    fx = ctx.fx
    match step:
        case RemoveTemporary():
            fx.unlink(step.path)
            fx.sync_folder(step.path.rpartition("/")[0])
        case RemoveStaging():
            fx.remove_folder(step.path)
            fx.sync_folder(step.path.rpartition("/")[0])
        case RemoveAside():
            aside.clear(fx)
            fx.sync_folder(PRIVATE)
        case RemoveProgress():
            from reconciler.workspace import live  # noqa: PLC0415 - SQLite

            live.remove(fx, step.name)
        case Narrow():
            fx.narrow(step.path, step.mode)
        case RemoveTorn():
            _remove_torn(ctx, step)
        case PublishAgain():
            _publish_again(ctx, step)
        case PublishManifest():
            _publish_manifest(ctx, step)
        case _ as never:
            assert_never(never)


def _remove_torn(ctx: Context, step: RemoveTorn) -> None:
    """
    Replace history, whole, by its whole lines and blank ones for what was torn.

    Whole lines keep their bytes and their places: whoever has read up to one goes on behind it.
    """
    if ctx.fx.digest(step.path) != step.digest:
        raise StaleSnapshot(f"{step.path} has changed since it was looked at")
    torn = {entry.number for entry in ledger.entries(ctx.fx) if entry.problem == ledger.TORN}
    with ctx.fx.open(step.path) as stream:
        lines = enumerate(stream, 1)
        kept = (b" " * (len(line) - 1) + b"\n" if number in torn else line for number, line in lines)
        ctx.fx.publish(step.path, kept, replace=True)


def _publish_manifest(ctx: Context, step: PublishManifest) -> None:
    """History first; then the manifest, which takes nothing's place."""
    document = settled.encode(attrs.evolve(step.manifest, version=ctx.version))
    combined.void(ctx.fx, ctx.voiding)
    known = {"path": step.path, "sha256": digest_of((document,)).sha256}
    ledger.append_once(ctx.fx, ctx.history, "batch.repaired", step.name, **known)
    ctx.fx.publish(step.path, (document,))


def _publish_again(ctx: Context, step: PublishAgain) -> None:
    """History first; then the file, held to its digest before it has its name."""
    fx = ctx.fx
    known = {"path": step.path, "sha256": step.digest.sha256}
    ledger.append_once(fx, ctx.history, "batch.repaired", step.name, **known)
    made = fx.stage(step.path, blocks_of(ctx, step.name, settled.read(fx, step.name)))
    if made != step.digest:
        fx.discard(temporary_for(step.path))
        raise StaleSnapshot(f"{step.path} would have other bytes than it had; it was not published")
    fx.reveal(step.path, made)
    fx.sync_folder(step.path.rpartition("/")[0])
