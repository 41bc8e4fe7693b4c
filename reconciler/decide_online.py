"""What a person decides about batches at a provider: `submit`, `resubmit`, `adopt` and `cancel`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Final, TypeAlias

from reconciler.config import Settings
from reconciler.deciding import Decision, Verb, carry_out, decide
from reconciler.errors import TransientError, UsageError
from reconciler.looking import LOOKS
from reconciler.model.identity import BatchName
from reconciler.model.operation import Kind
from reconciler.model.plan import Plan
from reconciler.model.policy import Policy
from reconciler.model.snapshot import Snapshot
from reconciler.planner import plan_adopt, plan_adopt_file, plan_cancel, plan_resubmit, plan_submit
from reconciler.session import Options, Session
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


def _by(planning: Planning) -> Verb:
    """The verb that carries out the step that *planning* comes to."""

    def verb(held: Session, listing: Listing, name: BatchName) -> tuple[str, list[BatchName]]:
        for _ in range(LOOKS):
            snap = observe(held.ctx.fx, held.layout, listing, name)
            execution = carry_out(held, planning(snap, held.policy_of(name)))
            if execution.receipts:
                return f"{name}: {execution.receipts[-1].summary}", [name]
        raise TransientError(f"{name} kept changing while it was looked at")

    return verb
