"""What a person decides about batches at a provider: `submit`, `resubmit`, `adopt`, `cancel` and `rescue`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Final, TypeAlias

import attrs

from reconciler.config import Settings
from reconciler.deciding import Decision, Verb, carry_out, decide
from reconciler.errors import BadMetadata, NeedsPerson, ReconcilerError, TransientError, UsageError
from reconciler.executor.asking_again import retry_settled
from reconciler.looking import LOOKS
from reconciler.model.coverage import NOTHING
from reconciler.model.facts import Kind
from reconciler.model.identity import BatchName, lineage_root
from reconciler.model.outcome import ErrorClass
from reconciler.model.plan import Plan
from reconciler.model.policy import LOCAL, Policy
from reconciler.model.report import Report
from reconciler.model.snapshot import Snapshot
from reconciler.model.words import many
from reconciler.planner import (
    live_refused,
    plan_adopt,
    plan_adopt_file,
    plan_cancel,
    plan_rescue,
    plan_resubmit,
    plan_submit,
)
from reconciler.session import Options, Session
from reconciler.waiting import reconcile_until_settled
from reconciler.workspace import settled
from reconciler.workspace.layout import QUARANTINE
from reconciler.workspace.observe import observe
from reconciler.workspace.reading import locate
from reconciler.workspace.scan import Listing

FILES: Final = (".jsonl", ".json", ".txt")
"""What names of results files end with; no provider's ids do."""

Planning: TypeAlias = Callable[[Snapshot, Policy], Plan]


def submit(path: str, settings: Settings, names: Sequence[str], options: Options | None = None) -> Decision:
    """
    Send *names* now, also where `[policy] submit` leaves that to a person.

    Raises:
        NeedsPerson: None of them can be sent.
        ReconcilerError: As `deciding.decide`.
    """
    return decide(path, settings, names, options, _by(plan_submit))


def resubmit(path: str, settings: Settings, names: Sequence[str], options: Options | None = None) -> Decision:
    """
    Send *names* once more: in doubt, refused, or lost by the provider; what is there already is never sent.

    Raises:
        NeedsPerson: None of them can be sent again.
        ReconcilerError: As `deciding.decide`.
    """
    return decide(path, settings, names, options, _by(plan_resubmit))


def cancel(path: str, settings: Settings, names: Sequence[str], options: Options | None = None) -> Decision:
    """
    Ask the provider to stop *names*; what is answered until then is fetched like any answer.

    Raises:
        NeedsPerson: None of them is under way.
        ReconcilerError: As `deciding.decide`.
    """
    return decide(path, settings, names, options, _by(plan_cancel))


def rescue(path: str, settings: Settings, names: Sequence[str], options: Options | None = None) -> Decision:
    """
    Have what of *names* has no answer asked live, by the worker that the user has chosen.

    A batch under way is stopped at its provider first. What is answered there is fetched, and never asked
    again; the rest goes to a child that the provider `local` answers, once nobody works on it there any more.
    Until then the same call, or any pass with that worker, goes on.

    Raises:
        NeedsPerson: None of them can be rescued: no worker is chosen, or requests might be paid for twice.
        ReconcilerError: As `deciding.decide`.
    """
    return decide(path, settings, names, options, _rescue)


def rescue_until_settled(
    path: str,
    settings: Settings,
    names: Sequence[str],
    options: Options,
    timeout: float | None = None,
) -> Decision:
    """
    `rescue`, and passes over what is rescued until nothing of it waits.

    Args:
        path: The workspace.
        settings: Every setting.
        names: The batches.
        options: What else the caller wants; its `pause` waits between passes.
        timeout: Seconds after which to stop, however much still waits; None for never.

    Raises:
        NeedsPerson: As `rescue`.
        Interrupted: Someone asked for an end between two passes.
    """
    first: list[Decision] = []

    def one_pass(path: str, settings: Settings, options: Options) -> Report:
        if not first:
            first.append(rescue(path, settings, names, options))
            return first[0].report
        try:
            return rescue(path, settings, names, options).report
        except NeedsPerson:
            # All of it settled between two passes.
            return Report(first[0].report.root, ())

    report = reconcile_until_settled(path, settings, options, timeout, one_pass)
    return attrs.evolve(first[0], report=report)


def adopt(path: str, settings: Settings, name: str, what: str, options: Options | None = None) -> Decision:
    """
    Take over a remote batch, or a results file downloaded by hand, as *name*.

    Args:
        path: The workspace.
        settings: Every setting.
        name: The batch here.
        what: The id of the remote batch, or the path of a file that is there.
        options: What else the caller wants.

    Raises:
        UsageError: *what* looks like a file, and there is none.
        NeedsPerson: It cannot be that batch.
        ReconcilerError: As `deciding.decide`.
    """
    real, kind = locate(what)
    if kind is Kind.FILE:
        return decide(path, settings, [name], options, _by(partial(plan_adopt_file, path=real)))
    if kind is not None or what.endswith(FILES) or what.startswith(("/", "./", "../", "~")):
        told = f"{what} is no file" if kind is not None else f"there is no file {what}"
        raise UsageError(told, hint="give the path of a results file, or the id of a remote batch")
    return decide(path, settings, [name], options, _by(partial(plan_adopt, batch_id=what)))


def _rescue(held: Session, listing: Listing, name: BatchName) -> tuple[str, list[BatchName]]:
    """Note that a batch is rescued; of one that has settled, the children that are go on."""
    if name in listing.batches:
        return _by(plan_rescue)(held, listing, name)
    kin = [each for each in listing.batches if lineage_root(each) == lineage_root(name)]
    heirs = [each for each in kin if _goes_on(held, each)]
    if heirs:
        verb = "asks" if len(heirs) == 1 else "ask"
        return f"{name}: {', '.join(heirs)} {verb} its leftovers live", heirs
    if kin:
        hint = f"reconcile run WORKSPACE --rescue {kin[-1]}    when that is what waits"
        raise NeedsPerson(f"{name} has settled, and {', '.join(kin)} asks what it left", hint=hint)
    if name in listing.quarantined:
        message = f"{name} is in quarantine; its answers cannot be trusted, so nobody knows what to ask"
        raise NeedsPerson(message, hint="mend its files and move them back first")
    return _rescue_settled(held, listing, name)


def _rescue_settled(held: Session, listing: Listing, name: BatchName) -> tuple[str, list[BatchName]]:
    """Ask what of a settled batch never ran, and what may be asked again, live."""
    policy = held.policy_of(name)
    refused = live_refused(name, policy)
    if refused is not None:
        carry_out(held, refused)
    try:
        manifest = settled.read(held.ctx.fx, name)
    except (BadMetadata, FileNotFoundError) as error:
        raise NeedsPerson(f"done/{name}/ has no manifest that can be read: {error}") from error
    classes = policy.may_ask_again(manifest.attempt) | {
        ErrorClass.EXPIRED,
        ErrorClass.CANCELLED,
        ErrorClass.TIME_LIMIT,
    }
    if manifest.provider == LOCAL or manifest.coverage.failed_in(classes) == NOTHING:
        return f"{name}: it has settled, and no provider has left anything of it", []
    child, requests = retry_settled(held.ctx, listing, name, policy, classes, live=True)
    return f"{name}: {many(requests, 'request')} of it asked live in {child}", [child]


def _goes_on(held: Session, name: BatchName) -> bool:
    """Whether a live batch is rescued, or has settled but for the tail of its move."""
    if held.ctx.fx.kind(settled.folder_of(name)) is not None:
        return True
    try:
        record = held.ctx.record(name)
    except ReconcilerError:
        return False
    return record is not None and record.online.rescue


def _by(planning: Planning) -> Verb:
    """The verb that carries out the step that *planning* comes to."""

    def verb(held: Session, listing: Listing, name: BatchName) -> tuple[str, list[BatchName]]:
        is_settled = held.ctx.fx.kind(settled.folder_of(name)) is not None
        if name in listing.quarantined and name not in listing.batches and not is_settled:
            hint = "mend its files and move them back to the live folder"
            raise NeedsPerson(f"{name}: it is in {QUARANTINE}/{listing.quarantined[name][-1]}/", hint=hint)
        for _ in range(LOOKS):
            snap = observe(held.ctx.fx, held.layout, listing, name)
            execution = carry_out(held, planning(snap, held.policy_of(name)))
            if execution.receipts:
                return f"{name}: {execution.receipts[-1].summary}", [name]
        raise TransientError(f"{name} kept changing while it was looked at")

    return verb
