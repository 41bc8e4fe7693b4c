"""
`reconcile replay`: hand the answers of settled batches to their processors once more, and show what changed.

Everything is made aside, in full, and held against what is published; only then is it published, under the
rules of a pass. No way to a provider is open meanwhile.
"""

from __future__ import annotations

import datetime as dt
import enum
from collections.abc import Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any, Final

import attrs

from reconciler import combined
from reconciler.codec.request import decode_request
from reconciler.config import Settings
from reconciler.errors import BadMetadata, Interrupted, PermanentError, ReconcilerError, UsageError
from reconciler.executor.answers import joined
from reconciler.executor.comparing import NO_DIFFERENCE, Difference
from reconciler.executor.context import View
from reconciler.executor.executor import execute
from reconciler.executor.matching import match
from reconciler.executor.reading import Lines
from reconciler.executor.remotes import no_wire
from reconciler.executor.replaying import Aside, publish_replayed, settled_record
from reconciler.model.facts import FileFact
from reconciler.model.identity import BatchName, Role
from reconciler.model.operation import ProcessOutput
from reconciler.model.plan import Plan, Settled, hint_of
from reconciler.model.policy import FailurePolicy, Policy
from reconciler.model.snapshot import Matched, Snapshot
from reconciler.model.words import many
from reconciler.planner import plan_replay
from reconciler.session import Options, Session, session
from reconciler.workspace import settled, tombstones
from reconciler.workspace.archived import files_of
from reconciler.workspace.removable import parents_first

_UNITS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86_400}


class Replayed(enum.StrEnum):
    """What a replay came to."""

    UNCHANGED = "unchanged"
    CHANGED = "changed"
    UNHANDLED = "unhandled"
    SKIPPED = "skipped"
    REFUSED = "refused"


@attrs.frozen
class ReplayedBatch:
    """
    One settled batch that was replayed, or was to be.

    Attributes:
        name: The batch.
        state: What it came to; all but `changed` leave what is published as it was.
        because: The same in words.
        hint: What a person could type.
        difference: What differs, in lines of results, or in files that have no such lines.
        published: What was published now, by path; empty in a dry run.
    """

    name: BatchName
    state: Replayed
    because: str
    hint: str = ""
    difference: Difference = NO_DIFFERENCE
    published: tuple[str, ...] = ()


@attrs.frozen
class Replay:
    """
    What `reconcile replay` did.

    Attributes:
        root: The workspace.
        batches: The settled batches that were asked for, in order.
        dry_run: Nothing was published.
    """

    root: str
    batches: tuple[ReplayedBatch, ...]
    dry_run: bool = False

    @property
    def exit_code(self) -> int:
        """3 when a batch was refused, or answers could not be handled that were before."""
        asks = (Replayed.UNHANDLED, Replayed.REFUSED)
        return PermanentError.exit_code if any(each.state in asks for each in self.batches) else 0


def replay(  # noqa: PLR0913 - which batches, and how
    path: str,
    settings: Settings,
    names: Sequence[str] = (),
    options: Options | None = None,
    *,
    model: str | None = None,
    since: str | float | None = None,
    dry_run: bool = False,
) -> Replay:
    """
    Run the processors of today over the answers of settled batches.

    Args:
        path: The workspace.
        settings: Every setting.
        names: Only these batches; all of `done/` unless given.
        options: What else the caller wants.
        model: Only batches in which a request or an answer names this model; a pattern works.
        since: Only batches that settled at or after this: seconds since the epoch, an ISO date or time (UTC
            unless it says otherwise), or how long ago, such as `7d`.
        dry_run: Publish nothing. User code is called all the same.

    Raises:
        UsageError: A name is no settled batch, or *since* is no time.
        Interrupted: Someone asked for an end; what was replayed before is published.
        UserError: There is no workspace, or another reconciler holds it.
    """
    options = attrs.evolve(options or Options(), wire=no_wire)
    with session(path, settings, options) as held:
        earliest = None if since is None else moment(since, held.ctx.fx.now())
        chosen = parents_first(_chosen(held, names))
        found = [
            _replayed(held, name, dry_run=dry_run)
            for name in chosen
            if _settled_since(held, name, earliest) and (model is None or _speaks_of(held, name, model))
        ]
        if not dry_run:
            combined.refresh(held)
        return Replay(held.ctx.fx.root, tuple(found), dry_run)


def moment(since: str | float, now: float) -> float:
    """
    A time as seconds since the epoch.

    Raises:
        UsageError: It is none.
    """
    if not isinstance(since, str):
        return float(since)
    text = since.strip()
    try:
        if text[-1:].lower() in _UNITS and text[:-1].replace(".", "", 1).isdigit():
            return now - float(text[:-1]) * _UNITS[text[-1].lower()]
        found = dt.datetime.fromisoformat(text)
        return (found if found.tzinfo else found.replace(tzinfo=dt.UTC)).timestamp()
    except (ValueError, OverflowError) as error:
        message = f"{since!r:.40} is neither a date nor a duration"
        raise UsageError(message, hint="write 2026-11-01, 2026-11-01T12:00, 90m, 12h or 7d") from error


def _chosen(held: Session, names: Sequence[str]) -> list[BatchName]:
    """The settled batches that were asked for."""
    there = list(settled.names(held.ctx.fx))
    for name in names:
        if not any(fnmatchcase(each, name) for each in there):
            hint = (
                "reconcile status WORKSPACE --all    lists them; live ones: reconcile process WORKSPACE NAME"
            )
            raise UsageError(f"no settled batch is called {name!r:.100}", hint=hint)
    return [each for each in there if not names or any(fnmatchcase(each, name) for name in names)]


def _settled_since(held: Session, name: BatchName, earliest: float | None) -> bool:
    """Whether a batch settled late enough; one of which nobody can say is not left out in silence."""
    if earliest is None:
        return True
    try:
        return settled.read(held.ctx.fx, name).settled_at >= earliest
    except (BadMetadata, OSError):
        return True


def _speaks_of(held: Session, name: BatchName, model: str) -> bool:
    """Whether a request or an answer of a batch names a model, as far as anybody can say."""
    ctx = held.ctx
    try:
        files = files_of(ctx.fx, name)
        return Role.INPUT not in files or any(
            found is not None and fnmatchcase(found, model) for found in _models(ctx, files)
        )
    except (ReconcilerError, OSError):
        # Why it cannot be read is told where it is replayed.
        return True


def _models(view: View, files: Mapping[Role, FileFact]) -> Iterator[str | None]:
    """The models that a batch's requests name, then those of its answers."""
    for line in Lines(view, files[Role.INPUT]):
        yield decode_request(line, files[Role.INPUT].path).model
    answers = match(view, files, None).answers
    if answers is not None:
        for *_, result in joined(view, files, answers):
            yield None if result is None else result.model


def _replayed(held: Session, name: BatchName, *, dry_run: bool) -> ReplayedBatch:
    """Replay one batch."""
    if held.ctx.stopping():
        raise Interrupted("stopped between two batches; what was replayed before is published")
    held.ctx.fx.refresh()
    policy = held.policy_of(name)
    try:
        snap = _look(held, name)
        decision = plan_replay(snap, policy)
        if not decision.steps:
            state = Replayed.SKIPPED if isinstance(decision.then, Settled) else Replayed.REFUSED
            return ReplayedBatch(name, state, decision.because, hint_of(decision.then))
        return _carried_out(held, snap, decision, policy, dry_run=dry_run)
    except Interrupted:
        raise
    except (ReconcilerError, OSError) as error:
        hint = error.hint if isinstance(error, ReconcilerError) else ""
        return ReplayedBatch(name, Replayed.REFUSED, str(error), hint)


def _look(held: Session, name: BatchName) -> Snapshot:
    """A settled batch as a snapshot: its files, what its manifest says, and the verdict on them."""
    ctx = held.ctx
    now = ctx.fx.now()
    try:
        record = settled_record(ctx, name)
    except (BadMetadata, OSError) as error:
        return Snapshot(name, now, bad_record=str(error))
    # What a tombstone tells of may go at any time, and its results are what that tombstone proves.
    buried = ctx.fx.kind(tombstones.path_of(name)) is not None
    snap = Snapshot(name, now, {} if buried else files_of(ctx.fx, name), record)
    # Where something else forbids it, nothing is read.
    readable = Role.INPUT in snap.files and "quarantine" not in record.receipts
    extraction = None if record.coverage is None else record.coverage.extraction
    matched: Matched | None = match(ctx, snap.files, record, extraction) if readable else None
    return attrs.evolve(snap, matched=matched)


def _carried_out(
    held: Session, snap: Snapshot, decision: Plan, policy: Policy, *, dry_run: bool
) -> ReplayedBatch:
    """Make everything aside, compare, and publish what may be published."""
    ctx, name = held.ctx, snap.name
    assert snap.record is not None  # noqa: S101 - without one there are no steps
    before: Mapping[str, Any] = settled.read(ctx.fx, name).receipts.get(ProcessOutput.verb, {})
    with Aside(ctx, snap.record, decision) as aside:
        done = execute(decision, aside.ctx, snap.matched)
        if done.failure is not None:
            raise done.failure
        after = aside.receipts(done)
        difference = aside.difference(before, after[ProcessOutput.verb])
        missed, missed_before = _unhandled(after[ProcessOutput.verb]), _unhandled(before)
        if missed > missed_before and policy.on_failure is FailurePolicy.ATTENTION:
            told = after[ProcessOutput.verb]["unhandled"]["told"]
            because = f"{many(missed, 'answer')} could not be handled: {_first_reason(aside) or told}"
            hint = 'mend the processor; or set [output] on_failure = "settle" to publish the rest'
            return ReplayedBatch(name, Replayed.UNHANDLED, because, hint, difference)
        published: tuple[str, ...] = ()
        if not dry_run:
            published = publish_replayed(ctx, name, aside, before, after)
        for receipt in done.receipts if published else ():
            held.options.watcher.done(receipt)
    state = Replayed.CHANGED if difference.any else Replayed.UNCHANGED
    return ReplayedBatch(name, state, _told(difference), "", difference, published)


def _unhandled(receipt: Mapping[str, Any]) -> int:
    """How many answers a receipt says could not be handled."""
    return int(receipt.get("unhandled", {}).get("requests", 0))


def _first_reason(aside: Aside) -> str:
    """Why the first of them could not, in the words of whoever failed on it."""
    first = next(aside.unhandled(), None)
    return "" if first is None else f"{first.get('custom_id') or 'the whole batch'}: {first.get('reason')}"


def _told(difference: Difference) -> str:
    """A difference in words."""
    parts = ("changed", "added", "gone", "unchanged")
    told = [f"{count} {part}" for part in parts if (count := getattr(difference, part))]
    return ", ".join(told) or "nothing is published"
