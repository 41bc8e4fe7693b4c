"""Money for people and for machines."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from reconciler.cli.console import out, paint, safe
from reconciler.model.words import many
from reconciler.pricing.money import shown

if TYPE_CHECKING:
    from reconciler.costs import Costs, Sum
    from reconciler.pricing.quote import Quote

GROUPS = ("model", "provider", "day")


def costs(found: Costs, by: str) -> None:
    """All of it, and by model, provider or day."""
    for line in lines(found):
        out(line)
    groups = _groups(found)[by]
    if groups:
        out(f"{by.ljust(40)}  {'spent':>12}  {'reserved':>12}")
    for name, each in groups.items():
        unknown = f"  {many(each.unknown, 'attempt')} of unknown cost" if each.unknown else ""
        out(f"{safe(name).ljust(40)}  {shown(each.spent):>12}  {shown(each.reserved):>12}{unknown}")
    for held in found.held:
        out(f"{paint(safe(held.batch), 'strong')}  {paint('held', 'held')}  {safe(held.why)}")


def lines(found: Costs) -> Iterator[str]:
    """What was spent, what is reserved, and what is left."""
    told = f"{shown(found.spent)} spent, {shown(found.reserved)} reserved"
    if found.cap.nano is not None and found.left is not None:
        told += (
            f"; {shown(found.left)} of {shown(found.cap.nano)} left (the limit is set by {found.cap.origin})"
        )
    yield safe(told)
    if found.unknown:
        yield f"{many(found.unknown, 'attempt')} of unknown cost, which count as nothing: see [prices]"
    if found.assumed:
        yield f"{many(found.assumed, 'attempt')} without usage in the answers: the estimate counts as spent"


def rows(found: Costs, by: str) -> Iterator[tuple[str, str, str, str]]:
    """The same as cells of a table, in dollars."""
    yield by, "spent_usd", "reserved_usd", "unknown"
    for name, each in _groups(found)[by].items():
        yield name, usd(each.spent), usd(each.reserved), str(each.unknown)


def fields(found: Costs) -> dict[str, Any]:
    """The same for machines; amounts are dollars in text, exact to the nano-dollar."""
    return {
        "spent_usd": usd(found.spent),
        "reserved_usd": usd(found.reserved),
        "limit_usd": None if found.cap.nano is None else usd(found.cap.nano),
        "limit_set_by": found.cap.origin or None,
        "left_usd": None if found.left is None else usd(found.left),
        "attempts_of_unknown_cost": found.unknown,
        "attempts_without_usage": found.assumed,
        **{
            f"by_{by}": {
                name: {
                    "spent_usd": usd(each.spent),
                    "reserved_usd": usd(each.reserved),
                    "unknown": each.unknown,
                }
                for name, each in groups.items()
            }
            for by, groups in _groups(found).items()
        },
        "held": [
            {
                "batch": each.batch,
                "needs_usd": None if each.needs is None else usd(each.needs),
                "because": each.why,
            }
            for each in found.held
        ],
    }


def _groups(found: Costs) -> dict[str, Mapping[str, Sum]]:
    return {"model": found.models, "provider": found.providers, "day": found.days}


def usd(nano: int) -> str:
    """Dollars in text, exact to the nano-dollar."""
    from reconciler.pricing.money import dollars

    return f"{dollars(nano):f}"


def quotes(found: Mapping[str, Quote], money: Costs | None) -> Iterator[str]:
    """What batches may cost: each, by model, and together against the limit; all of it an estimate."""
    total, unknown = 0, 0
    models: dict[str, int | None] = {}
    for name, quote in found.items():
        yield f"{paint(safe(name), 'strong')}  {quoted(quote)}"
        total += quote.known
        unknown += quote.nano is None
        for model, nano in quote.by_model.items():
            before = models.get(model, 0)
            models[model] = None if nano is None or before is None else before + nano
    if len(models) > 1:
        for model, nano in models.items():
            yield f"  {safe(model)}  {'unknown' if nano is None else shown(nano)}"
    if not found:
        return
    told = f"an estimate of {shown(total)} for {many(len(found), 'batch', 'batches')}"
    if unknown == len(found) and not total:
        told = f"no estimate: {many(unknown, 'batch', 'batches')} of unknown cost"
    elif unknown:
        told += f", without {many(unknown, 'batch', 'batches')} of unknown cost"
    if money is not None and money.cap.nano is not None and money.left is not None:
        fits = "fits" if total <= money.left and not unknown else "does not fit"
        told += f"; it {fits}: {shown(money.left)} of {shown(money.cap.nano)} left"
    yield told


def quoted(quote: Quote) -> str:
    """What one batch may cost."""
    told = "unknown cost" if quote.nano is None else f"about {shown(quote.nano)} at the most"
    notes = [*quote.not_known()]
    if quote.assumed:
        notes.append(
            f"{many(quote.assumed, 'request')} without a limit of output, the most of the model counts"
        )
    return safe(f"{told}{' (' + '; '.join(notes) + ')' if notes else ''}")


def quote_fields(quote: Quote) -> dict[str, Any]:
    """The same for machines."""
    return {
        "estimate_usd": None if quote.nano is None else usd(quote.nano),
        "by_model": {name: None if nano is None else usd(nano) for name, nano in quote.by_model.items()},
        "requests_without_limit": quote.assumed,
        "unknown": list(quote.not_known()),
    }
