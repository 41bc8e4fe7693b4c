"""
What all verbs of a person share: a decision under the lock, then a pass over the batches that it touches.

The decision is durable before the pass begins, so a crash between the two loses neither.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

import attrs

from reconciler import combined
from reconciler.config import Settings
from reconciler.engine import one_pass
from reconciler.errors import ConfigError, KeyRefused, Later, NeedsPerson, StaleSnapshot, UsageError
from reconciler.executor.executor import Execution, execute
from reconciler.model.failure import BY_TROUBLE
from reconciler.model.identity import BatchName, parse_name
from reconciler.model.plan import Attention, Held, Plan, Waiting, hint_of
from reconciler.model.report import Report
from reconciler.model.trouble import Trouble
from reconciler.registry import refresh
from reconciler.session import Options, Session, session
from reconciler.workspace import settled
from reconciler.workspace.scan import Listing, scan

Verb = Callable[[Session, Listing, BatchName], tuple[str, list[BatchName]]]
"""Decides on one batch; gives one line for people and the batches that it touched."""

_PRESSING: Final = (
    ConfigError.exit_code,
    KeyRefused.exit_code,
    NeedsPerson.exit_code,
    Later.exit_code,
)
"""Why a batch was refused, the most pressing first."""


@attrs.frozen
class Decision:
    """
    What a person's verb did.

    Attributes:
        told: One line for each batch that was decided on.
        report: The pass that followed.
        refused: Why nothing was done for the others; each is reported, none stops the rest.
    """

    told: tuple[str, ...]
    report: Report
    refused: tuple[NeedsPerson, ...] = ()

    @property
    def exit_code(self) -> int:
        """The exit code of the pass; when a batch was refused, 3 or what says why."""
        codes = {each.exit_code for each in self.refused}
        return next((code for code in _PRESSING if code in codes), self.report.exit_code)


def decide(  # noqa: PLR0913, PLR0917 - what all verbs of a person share, and no more
    path: str,
    settings: Settings,
    names: Sequence[str],
    options: Options | None,
    verb: Verb,
    every: Callable[[Session, Listing], list[BatchName]] | None = None,
) -> Decision:
    """
    Carry out *verb* for each name under one lock, then one pass over what it touched.

    With *every*, it is carried out for the batches that it gives, and those that refuse are passed over.

    Raises:
        UsageError: A name is no batch of the workspace.
        NeedsPerson: It was refused for every one of them.
        UserError: There is no workspace, or another reconciler holds it.
    """
    options = options or Options()
    with session(path, settings, options) as held:
        told: list[str] = []
        touched: list[BatchName] = []
        refused: list[NeedsPerson] = []
        listing = scan(held.ctx.fx, held.layout)
        chosen = [_known(held, listing, name) for name in names] if every is None else every(held, listing)
        for name in chosen:
            try:
                words, batches = verb(held, scan(held.ctx.fx, held.layout), name)
            except NeedsPerson as error:
                refused.append(error)
            else:
                told.append(words)
                touched += batches
        if every is not None:
            refused = []
        if refused and not told:
            raise refused[0]
        there = scan(held.ctx.fx, held.layout).batches
        live = [name for name in touched if name in there]
        report = Report(held.ctx.fx.root, ())
        if live:
            report = one_pass(attrs.evolve(held, options=attrs.evolve(options, only=live)))
        else:
            refresh(held)
            report = attrs.evolve(report, warnings=combined.refresh(held))
        return Decision(tuple(told), report, tuple(refused))


def _known(held: Session, listing: Listing, name: str) -> BatchName:
    """*name*, if it is live, quarantined or settled."""
    batch = parse_name(name)
    if batch is None:
        raise UsageError(
            f"{name!r:.100} is no batch name", hint="letters, digits, . _ -; at most 90 characters"
        )
    if batch in listing.batches or batch in listing.quarantined:
        return batch
    if held.ctx.fx.kind(settled.folder_of(name)) is not None:
        return batch
    raise UsageError(f"no batch here is called {name}", hint="reconcile status WORKSPACE --all    lists them")


def carry_out(held: Session, decision: Plan) -> Execution:
    """
    Carry out one plan.

    Raises:
        NeedsPerson: There is no plan, only a reason.
        ReconcilerError: A step failed.
    """
    if not decision.steps:
        raise _refusal(decision)
    execution = execute(decision, held.ctx)
    if execution.failure is not None and not isinstance(execution.failure, StaleSnapshot):
        raise execution.failure
    return execution


def _refusal(decision: Plan) -> NeedsPerson:
    """A plan without steps as a refusal, which ends with the code that a pass would end with."""
    refusal = NeedsPerson(f"{decision.name}: {decision.because}", hint=hint_of(decision.then))
    trouble = decision.then.trouble if isinstance(decision.then, Held | Attention) else Trouble.OTHER
    refusal.exit_code = BY_TROUBLE[trouble].exit_code or refusal.exit_code
    if isinstance(decision.then, Waiting):
        refusal.exit_code = Later.exit_code
    return refusal
