"""What a person decides about answers: `retry`, `dismiss` and `process`."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from reconciler.config import Settings
from reconciler.deciding import Decision, carry_out, decide
from reconciler.errors import BadMetadata, NeedsPerson, TransientError
from reconciler.executor.asking_again import retry_settled
from reconciler.executor.decisions import (
    dismiss_live,
    dismiss_quarantined,
    process_again,
)
from reconciler.looking import LOOKS
from reconciler.model.changes import read_changes
from reconciler.model.coverage import NOTHING
from reconciler.model.identity import BatchName, Role, file_name
from reconciler.model.operation import ChangeRequests, ProcessErrors
from reconciler.model.outcome import ErrorClass, parse_classes
from reconciler.model.overrides import read_overrides
from reconciler.model.receipt import Receipt
from reconciler.model.snapshot import Matched
from reconciler.model.words import many
from reconciler.planner import plan_match, plan_retry
from reconciler.session import Options, Session
from reconciler.workspace import settled
from reconciler.workspace.layout import QUARANTINE
from reconciler.workspace.observe import observe
from reconciler.workspace.scan import Listing


def retry(
    path: str,
    settings: Settings,
    names: Sequence[str] = (),
    options: Options | None = None,
    classes: Sequence[str] = (),
) -> Decision:
    """
    Ask the failed and missing requests of *names* again, each as a child batch.

    Args:
        path: The workspace.
        settings: Every setting.
        names: The batches; none of them: all that have something to ask again.
        options: What else the caller wants.
        classes: The error classes that are asked again, whatever `[policy.classes]` says of them; `missing`
            for requests without an answer. Empty: those that the table lets be asked.

    Raises:
        UsageError: A name is no batch of the workspace, or a word no error class.
        NeedsPerson: Nothing of any batch may be asked again.
        UserError: There is no workspace, or another reconciler holds it.
    """
    chosen = parse_classes(classes)
    every = None if names else partial(_may_retry, chosen=chosen)
    return decide(path, settings, names, options, partial(_retry, chosen=chosen), every)


def dismiss(path: str, settings: Settings, names: Sequence[str], options: Options | None = None) -> Decision:
    """
    Give up what *names* have lost: a quarantined batch whole, or the missing ids of a live one.

    Raises:
        UsageError: A name is no batch of the workspace.
        NeedsPerson: No batch has anything to give up.
        UserError: There is no workspace, or another reconciler holds it.
    """
    return decide(path, settings, names, options, _dismiss)


def process(path: str, settings: Settings, names: Sequence[str], options: Options | None = None) -> Decision:
    """
    Hand all answers of *names* to the output processor once more.

    Raises:
        UsageError: A name is no batch of the workspace.
        NeedsPerson: No batch has been handed to a processor yet.
        UserError: There is no workspace, or another reconciler holds it.
    """
    return decide(path, settings, names, options, _process)


def _may_retry(held: Session, listing: Listing, chosen: frozenset[ErrorClass] | None) -> list[BatchName]:
    """Live batches, and settled ones of which something may be asked again."""
    found = [*listing.batches]
    for name in settled.names(held.ctx.fx):
        try:
            manifest = settled.read(held.ctx.fx, name)
        except (BadMetadata, FileNotFoundError):
            continue
        classes = held.policy_of(name).chosen(manifest.attempt, chosen)
        if name not in listing.batches and manifest.coverage.failed_in(classes) != NOTHING:
            found.append(name)
    return found


def _retry(
    held: Session, listing: Listing, name: BatchName, chosen: frozenset[ErrorClass] | None
) -> tuple[str, list[BatchName]]:
    """Make a child of a live or settled batch's leftovers."""
    if name in listing.batches:
        made = _make_child(held, listing, name, chosen)
        return f"{name}: {made.summary}", [name, BatchName(str(made.facts["child"]))]
    if name in listing.quarantined:
        message = f"{name} is in quarantine; its answers cannot be trusted, so nobody knows what to ask again"
        raise NeedsPerson(message, hint="mend its files and move them back first")
    child, requests = retry_settled(held.ctx, listing, name, held.policy_of(name), chosen)
    verb = "goes" if requests == 1 else "go"
    return f"{name}: {many(requests, 'request')} {verb} to {child}", [child]


def _process(held: Session, listing: Listing, name: BatchName) -> tuple[str, list[BatchName]]:
    """Hand the answers of a live batch over once more."""
    if name not in listing.batches:
        raise NeedsPerson(f"{name} is not live: its answers are handed over no more")
    return f"{name}: {process_again(held.ctx, name, held.policy_of(name))}", [name]


def _dismiss(held: Session, listing: Listing, name: BatchName) -> tuple[str, list[BatchName]]:
    """Give up a quarantined batch, or what keeps a live one."""
    folders = listing.quarantined.get(name, ())
    if name in listing.batches:
        # A remnant without its input is no batch; it must not keep the live one from being decided on.
        leaf = file_name(Role.INPUT, name)
        folders = tuple(each for each in folders if held.ctx.fx.kind(f"{QUARANTINE}/{each}/{leaf}"))
    told = [dismiss_quarantined(held.ctx, name, folder) for folder in folders]
    if told:
        return f"{name}: {'; '.join(told)}", []
    if name not in listing.batches:
        raise NeedsPerson(f"{name} is settled; there is nothing to give up")
    matched = _match(held, listing, name)
    if matched.coverage is None:
        raise NeedsPerson(f"{name}: {'; '.join(matched.bad_input)}", hint="mend the input line first")
    record = held.ctx.record(name)
    asked = read_overrides({} if record is None else record.receipts.get(ProcessErrors.verb, {}))
    kept = held.policy_of(name).looked_at & matched.coverage.by_class.keys()
    unchanged = read_changes({} if record is None else record.receipts.get(ChangeRequests.verb, {}))
    holds = bool(kept) or bool(asked.attention) or bool(unchanged.attention)
    return f"{name}: {dismiss_live(held.ctx, name, matched.coverage, failed=holds)}", [name]


def _match(held: Session, listing: Listing, name: BatchName) -> Matched:
    """The verdict on a live batch's files as they are now."""
    matched: Matched | None = None
    for _ in range(LOOKS):
        snap = observe(held.ctx.fx, held.layout, listing, name, matched)
        decision = plan_match(snap, held.policy_of(name))
        if decision is None and snap.matched is not None:
            return snap.matched
        if decision is not None:
            matched = carry_out(held, decision).matched
    raise TransientError(f"{name} kept changing while it was looked at")


def _make_child(
    held: Session, listing: Listing, name: BatchName, chosen: frozenset[ErrorClass] | None
) -> Receipt:
    """Match a live batch and make the child that a person asked for."""
    matched: Matched | None = None
    for _ in range(LOOKS):
        snap = observe(held.ctx.fx, held.layout, listing, name, matched)
        execution = carry_out(held, plan_retry(snap, held.policy_of(name), chosen))
        matched = execution.matched or matched
        for receipt in execution.receipts:
            if "child" in receipt.facts:
                return receipt
    raise TransientError(f"{name} kept changing while it was looked at")
