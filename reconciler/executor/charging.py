"""
Hold what is sent to the limit of cost: reserve before anything leaves, correct by what was used.

A reservation stands in the ledger before the upload begins, so whoever comes later, here or in another
process, counts it. It goes only when history says that nothing ran, or what the answers have used. A create
that is in doubt keeps it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from reconciler.config.table import THIS_CALL
from reconciler.errors import CostLimitExceeded
from reconciler.executor.context import Context, View
from reconciler.executor.used import used_by
from reconciler.model.exchange import Request
from reconciler.model.facts import FileFact
from reconciler.model.identity import ANSWERS, BatchName, Role
from reconciler.model.policy import LOCAL
from reconciler.model.record import Record
from reconciler.model.status import Phase, phase_of
from reconciler.model.words import many
from reconciler.pricing.book import Book
from reconciler.pricing.money import Cap, shown
from reconciler.pricing.quote import Quote
from reconciler.providers.base import Provider, Remote
from reconciler.providers.local import Local
from reconciler.workspace import cost_limit, ledger
from reconciler.workspace.spending import (
    ANSWERED,
    HELD,
    NO_USAGE,
    NOTHING_RAN,
    RESERVED,
    SETTLED,
    Charge,
    HeldBack,
    Spending,
)

RAISE: Final = "reconcile limit WORKSPACE --cost-usd N    raises the limit that is kept here"
_ANEW: Final = "reconcile limit WORKSPACE --cost-usd N    writes it anew"
_CALL: Final = "give this call a higher limit: --max-cost-usd N, max_cost_usd in Python"
PRICE: Final = (
    '[prices.{provider}."{model}"]    in your own settings, with dollars for a million tokens:\n'
    "input = ...\n"
    "output = ..."
)


class Quoting:
    """
    The estimate of one input, grown request by request.

    Args:
        book: The prices.
        provider: Who is asked.
        sends: How often a live request may be sent.
        named: The provider, and the model that it is asked for, where there is no client of it here.
    """

    def __init__(
        self,
        book: Book,
        provider: Provider | None,
        sends: int = 1,
        named: tuple[str, str | None] | None = None,
    ) -> None:
        self._named = (provider.name, provider.model) if isinstance(provider, Remote) else named
        worker = provider.worker if isinstance(provider, Local) else None
        self._payee = getattr(worker, "payee", None)
        self.quote = Quote(book, sends if self._payee else 1)

    @property
    def is_priced(self) -> bool:
        """Whether somebody is paid for asking it; what functions of a user cost is their own affair."""
        return self._named is not None or self._payee is not None

    def take(self, request: Request) -> None:
        """Take one request in."""
        if self._payee is not None:
            service, model = self._payee(request)
            self.quote.add(service, model, request, live=True)
        elif self._named is not None:
            name, model = self._named
            self.quote.add(name, request.model or model, request)


def _key(name: str) -> str:
    """A name as a part of a key in TOML."""
    return name if re.fullmatch("[A-Za-z0-9_-]+", name, re.ASCII) else f'"{name}"'


def live_key(record: Record) -> str:
    """The attempt of a live run: a batch is answered here once."""
    digest = "" if record.input is None else record.input.digest.sha256[:16]
    return f"live:{record.name}:{digest}"


def key_of(record: Record) -> str | None:
    """The attempt that a record speaks of; None where there is none."""
    if record.provider == LOCAL:
        return live_key(record)
    return record.intent or record.batch_id


def refuse(ctx: Context, name: BatchName, quote: Quote, key: str | None, *, unsent: bool = True) -> None:
    """
    Hold a batch back that may cost more than what is left.

    Args:
        ctx: Rooms, and the limit.
        name: The batch.
        quote: What it may cost.
        key: Its attempt, where that has begun.
        unsent: Nothing of that attempt can have been paid for.

    Raises:
        CostLimitExceeded: It may; or nobody knows what it costs.
    """
    spending = ctx.history.spending(ctx.fx)
    why = over(ctx, spending, quote, key, least=0 if unsent else _begun(spending, key))
    if why is None:
        return
    told, hint = why
    charge = None if key is None else ctx.history.spending(ctx.fx).charges.get(key)
    if unsent and charge is not None and not charge.settled:
        # Under a limit that was lowered since, what was not created gives its place to others.
        release(ctx, name, key)
    if ctx.history.spending(ctx.fx).held.get(name) != HeldBack(name, quote.nano, told):
        ledger.append(ctx.fx, HELD, name, nano_usd=quote.nano, why=told)
    raise CostLimitExceeded(told, hint=hint)


def _begun(spending: Spending, key: str | None) -> int:
    """What is reserved for an attempt that has begun, in nano-dollars."""
    charge = None if key is None else spending.charges.get(key)
    return 0 if charge is None or charge.settled else charge.nano or 0


def over(
    ctx: Context, spending: Spending, quote: Quote, key: str | None, *, least: int = 0
) -> tuple[str, str] | None:
    """
    Why a batch is held back by the limit, and what to do about it; None where it is not.

    Args:
        ctx: Rooms, and the limit.
        spending: What was spent and reserved.
        quote: What it may cost by now.
        key: Its attempt.
        least: What it may have cost by now, by the prices and the model of earlier passes.
    """
    cap = ctx.cap
    if cap.nano is None:
        return None
    needs = quote.nano
    if needs is None:
        unknown = next(iter(quote.not_known()))
        share = next((each for each in quote.shares.values() if each.price is None), None)
        hint = "take the limit out to send it all the same"
        if share is not None:
            hint = f"{PRICE.format(provider=_key(share.provider), model=share.model or '*')}\n{hint}"
        return f"{cap.origin} limits the cost, and what this costs is not known: {unknown}", hint
    needs = max(needs, least)
    left = cap.nano - spending.without(key)
    if needs <= max(left, 0) or needs == 0:
        return None
    told = (
        f"it may cost {shown(needs)}, and {shown(max(left, 0))} of {shown(cap.nano)} is left "
        f"(the limit is set by {cap.origin})"
    )
    if quote.assumed:
        told += (
            f"; {many(quote.assumed, 'request')} without a limit of output, so the most of the model counts"
        )
    return told, to_raise(cap)


def to_raise(cap: Cap) -> str:
    """How a limit is raised, which hangs on who sets it."""
    known = {cost_limit.PATH: RAISE, cost_limit.UNREADABLE: _ANEW, THIS_CALL: _CALL}
    return known.get(cap.origin, f"raise it in {cap.origin}: [budget] max_cost_usd")


def reserve(ctx: Context, name: BatchName, quote: Quote, key: str, *, unsent: bool = True) -> None:
    """
    Have on disk what an attempt may cost, before anything of it leaves.

    Of one that has begun no less than before, and by every model that was asked: what was answered is paid.

    Raises:
        CostLimitExceeded: It is more than what is left.
    """
    with ctx.history.spending_lock:
        refuse(ctx, name, quote, key, unsent=unsent)
        spending = ctx.history.spending(ctx.fx)
        known = spending.charges.get(key)
        models, amount = dict(quote.by_model), quote.nano
        if known is not None and not known.settled and not unsent:
            models = {**known.models, **models}
            amount = None if amount is None else max(amount, _begun(spending, key))
        if known is not None and not known.settled and (known.nano, known.models) == (amount, models):
            return
        _write(ctx, name, quote, key, models=models, nano_usd=amount, cap=ctx.cap.nano)


def taken_over(ctx: Context, name: BatchName, quote: Quote, key: str) -> None:
    """Count what a batch may cost that a person takes over: it is paid for, whatever a limit says."""
    with ctx.history.spending_lock:
        known = ctx.history.spending(ctx.fx).charges.get(key)
        if known is None or (known.settled and known.why == NOTHING_RAN):
            _write(ctx, name, quote, key, models=dict(quote.by_model), nano_usd=quote.nano, cap=None)


def _write(ctx: Context, name: BatchName, quote: Quote, key: str, **amount: Any) -> None:
    """Add a reservation to history."""
    facts: dict[str, Any] = {
        "key": key,
        "provider": ", ".join(sorted({each.provider for each in quote.shares.values()})),
        **amount,
        "live": any(each.live for each in quote.shares.values()),
        "requests": quote.requests,
        "assumed": quote.assumed,
    }
    if amount["nano_usd"] is None:
        facts["unknown"] = list(quote.not_known())
    ledger.append(ctx.fx, RESERVED, name, **facts)


def reserved(ctx: Context, key: str) -> int | None:
    """What is reserved for an attempt, in nano-dollars; None where that is not known."""
    charge = ctx.history.spending(ctx.fx).charges.get(key)
    return None if charge is None else charge.nano


def release(ctx: Context, name: BatchName, key: str | None) -> None:
    """Give back what was reserved for an attempt of which nothing ran."""
    charge = None if key is None else ctx.history.spending(ctx.fx).charges.get(key)
    if charge is not None and not charge.settled:
        ledger.append(ctx.fx, SETTLED, name, key=key, nano_usd=0, models={}, why=NOTHING_RAN)


def let_go(ctx: Context, record: Record) -> None:
    """Give back what was reserved for a batch that its provider has refused, so that nothing of it ran."""
    named = any(record.remote_file(role) for role in ANSWERS)
    if phase_of(record.status) is Phase.REFUSED and not named:
        release(ctx, record.name, key_of(record))


def forgotten(ctx: Context, name: BatchName, key: str | None) -> None:
    """Count what an attempt might cost as spent, where nobody can tell any more what it has used."""
    charge = None if key is None else ctx.history.spending(ctx.fx).charges.get(key)
    if charge is not None and not charge.settled:
        facts = {"models": charge.models, "nano_usd": charge.nano, "tokens": {}, "live": charge.live}
        ledger.append(ctx.fx, SETTLED, name, key=key, why=NO_USAGE, **facts)


def settle(ctx: Context, record: Record, files: Mapping[Role, FileFact], name: str = "") -> None:
    """
    Correct what was reserved for a batch by what its answers have used; once, when it settles.

    What was given back because nothing ran is corrected too: answers that came all the same are paid for.

    Args:
        ctx: Rooms, and prices.
        record: The batch.
        files: Its answers.
        name: What it is called from now on, if not as before.
    """
    key = key_of(record)
    charge = None if key is None else ctx.history.spending(ctx.fx).charges.get(key)
    if key is None or (charge is not None and charge.settled and charge.why != NOTHING_RAN):
        return
    if charge is None and (record.provider in (None, LOCAL) or record.batch_id is None):
        return
    facts = actual(ctx, ctx.prices, record, charge, files)
    if charge is not None and charge.settled and facts["nano_usd"] == 0:
        return
    ledger.append(ctx.fx, SETTLED, name or record.name, key=key, **facts)


def actual(
    view: View, book: Book, record: Record, charge: Charge | None, files: Mapping[Role, FileFact]
) -> dict[str, Any]:
    """
    What the answers of a batch have cost, as history keeps it.

    Where no usage is reported for an answer, what was reserved counts as spent, unless more was used.
    """
    provider = record.provider or ""
    live, asked = provider == LOCAL, () if charge is None else tuple(charge.models)
    used = used_by(view, book, provider, asked, files, live=live)
    reserved = None if charge is None else charge.reserved
    total, why = used.nano, ANSWERED
    if used.silent or total is None:
        why = NO_USAGE
        total = reserved if total is None or reserved is None else max(reserved, total)
    return {
        "provider": provider if charge is None else charge.provider,
        "models": used.by_model,
        "nano_usd": total,
        "why": why,
        "tokens": used.tokens,
        "silent": used.silent,
        "live": live,
    }
