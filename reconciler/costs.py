"""What a workspace has spent, what it may still spend, and what its inputs may cost; a pure read."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping
from typing import Final

import attrs

from reconciler.config import Settings
from reconciler.errors import ReconcilerError
from reconciler.executor.charging import Quoting
from reconciler.executor.context import View, viewing
from reconciler.executor.hooks import Hooks
from reconciler.executor.inputs import check_input
from reconciler.model.identity import Role
from reconciler.model.operation import AnswerHere, Submit
from reconciler.model.plan import Plan
from reconciler.model.policy import LOCAL, NO_PROVIDER
from reconciler.model.record import Submission
from reconciler.model.snapshot import Snapshot
from reconciler.pricing.money import Cap
from reconciler.pricing.quote import Quote
from reconciler.workspace import cost_limit
from reconciler.workspace.ledger import History
from reconciler.workspace.reading import Reading
from reconciler.workspace.spending import NO_USAGE, Charge, HeldBack

_UNSENT: Final = (None, Submission.PREPARED, Submission.UPLOADED)

UNKNOWN: Final = "?"
"""What stands for a model that nobody named."""


@attrs.frozen
class Sum:
    """
    Money of one model, provider or day, in nano-dollars.

    Attributes:
        spent: What has ended has cost so much.
        reserved: What has not ended may cost so much.
        unknown: Attempts of which nobody knows what they cost.
    """

    spent: int = 0
    reserved: int = 0
    unknown: int = 0

    def plus(self, charge: Charge, nano: int | None) -> Sum:
        """This and a part of a charge."""
        if nano is None:
            return attrs.evolve(self, unknown=self.unknown + 1)
        if charge.settled:
            return attrs.evolve(self, spent=self.spent + nano)
        return attrs.evolve(self, reserved=self.reserved + nano)


@attrs.frozen
class Costs:
    """
    The money of a workspace, in nano-dollars.

    Attributes:
        spent: What has ended has cost so much.
        reserved: What has not ended may cost so much.
        cap: The lowest limit.
        models: By `provider/model`.
        providers: By provider.
        days: By the day (UTC) on which it was written down last.
        assumed: Attempts whose answers report no usage, so that a known estimate counts as spent.
        unknown: Attempts of which nobody knows what they cost.
        held: What the limit keeps back.
        batches: What each batch has cost or may cost; None where nobody knows.
    """

    spent: int
    reserved: int
    cap: Cap
    models: Mapping[str, Sum]
    providers: Mapping[str, Sum]
    days: Mapping[str, Sum]
    assumed: int
    unknown: int
    held: tuple[HeldBack, ...] = ()
    batches: Mapping[str, int | None] = attrs.field(factory=dict)

    @property
    def left(self) -> int | None:
        """What the limit leaves; None where there is none."""
        return None if self.cap.nano is None else max(self.cap.nano - self.spent - self.reserved, 0)


def costs(path: str, settings: Settings) -> Costs:
    """
    What a workspace has spent and reserved.

    Raises:
        UserError: There is no workspace.
    """
    with viewing(path, settings) as view:
        return costs_of(view.look, settings)


def costs_of(look: Reading, settings: Settings) -> Costs:
    """The same of a workspace that is open already."""
    spending = History().spending(look)
    charges = list(spending.charges.values())
    batches: dict[str, int | None] = {}
    for each in charges:
        before = batches.get(each.batch, 0)
        batches[each.batch] = None if before is None or each.nano is None else before + each.nano
    found = Costs(
        spending.spent,
        spending.reserved,
        settings.cap.lower(cost_limit.read(look)),
        _grouped(charges, lambda _charge, name: name),
        _grouped(charges, lambda _charge, name: name.partition("/")[0]),
        _grouped(charges, lambda charge, _name: _day(charge.at)),
        sum(each.why == NO_USAGE and each.nano is not None for each in charges),
        len(spending.not_known),
        (),
        batches,
    )
    return attrs.evolve(found, held=tuple(each for each in spending.held.values() if _is_kept(each, found)))


def _is_kept(held: HeldBack, found: Costs) -> bool:
    """Whether the limit of now still keeps a batch back."""
    return found.left is not None and (held.needs is None or held.needs > found.left)


def _grouped(charges: list[Charge], key: Callable[[Charge, str], str]) -> dict[str, Sum]:
    found: dict[str, Sum] = {}
    for charge in charges:
        parts = dict(charge.models)
        known = sum(each or 0 for each in parts.values())
        if charge.nano is not None and (None in parts.values() or known != charge.nano):
            # The estimate counts where answers do not say what they have used.
            name = next(iter(parts), charge.provider or UNKNOWN)
            parts = {name: charge.nano}
        for name, nano in parts.items():
            word = key(charge, name) or UNKNOWN
            found[word] = found.get(word, Sum()).plus(charge, nano)
    return dict(sorted(found.items()))


def _day(at: float) -> str:
    return dt.datetime.fromtimestamp(at, dt.UTC).date().isoformat()


def quote_of(view: View, settings: Settings, snap: Snapshot, plan: Plan, hooks: Hooks) -> Quote | None:
    """
    What an input may cost that is to be sent; None where nothing is, or it cannot be read.

    Args:
        view: Rooms and settings.
        settings: Every setting.
        snap: The batch.
        plan: What would be done.
        hooks: Who can be asked.
    """
    fact = snap.files.get(Role.INPUT)
    name = _whom(settings, snap, plan)
    if fact is None or name is None:
        return None
    own = settings.of_batch(snap.name)
    named = None if name in (LOCAL, NO_PROVIDER) else (name, own.of_provider(name, "model") or None)
    sends = own["policy.max_attempts"] if name == LOCAL else 1
    quoting = Quoting(settings.prices, hooks.providers.get(name), sends, named)
    if not quoting.is_priced:
        return None
    try:
        check_input(view, fact, lambda request, _line: quoting.take(request))
    except (ReconcilerError, OSError):
        return None
    return quoting.quote


def _whom(settings: Settings, snap: Snapshot, plan: Plan) -> str | None:
    """Who is asked next; None where nobody is, or somebody was already."""
    for step in plan.steps:
        if isinstance(step, Submit):
            return step.provider
        if isinstance(step, AnswerHere):
            return LOCAL
    record = snap.record
    if snap.answers or snap.in_done or snap.quarantined:
        return None
    if record is not None and (record.batch_id or record.state not in _UNSENT or record.status):
        return None
    named = None if record is None else record.provider
    return named or str(settings.of_batch(snap.name)["provider.name"])
