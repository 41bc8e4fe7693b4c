"""
Settled batches: whether their JSONL is removed.

A pure ladder of early returns, one comment per leaf. Whatever is not sure keeps the files.
"""

from __future__ import annotations

import datetime as dt
from typing import Final

from reconciler.model.archived import Archived
from reconciler.model.coverage import NOTHING, Coverage
from reconciler.model.facts import Expects
from reconciler.model.operation import RemoveJsonl
from reconciler.model.outcome import ErrorClass
from reconciler.model.plan import Plan, Settled
from reconciler.model.policy import Policy, RetainPolicy
from reconciler.model.words import many

_FOR_GOOD: Final = frozenset({ErrorClass.INVALID_REQUEST, ErrorClass.OVER_LENGTH, ErrorClass.CONTENT_FILTER})
"""Failures that the same bytes would meet again; any other may be asked again, which takes its line here."""
_LAST_DAY: Final = 253_402_300_799.0
"""The last second that has a date, since the epoch."""


def plan_removal(seen: Archived, policy: Policy) -> Plan:
    """
    Decide whether the JSONL of a settled batch is removed now.

    Returns:
        A plan of one step, or of none, which says why the files are kept, or that they are gone.
    """
    because = _kept_because(seen, policy)
    if because is not None:
        return Plan(seen.name, because, then=Settled())
    step = RemoveJsonl(seen.name, expects=Expects(seen.files), published=seen.published)
    return Plan(seen.name, "what was published of it is all that is kept", (step,), Settled())


def _kept_because(seen: Archived, policy: Policy) -> str | None:
    """Why the files stay, or that they are gone; None when they are to be removed."""
    if seen.problem is not None or seen.coverage is None:
        return seen.problem or "its manifest cannot be read"
    if not seen.files:
        return "its JSONL was removed" if seen.removing else "it has no JSONL"
    if policy.retain is RetainPolicy.KEEP:
        return '[retain] jsonl = "keep"'
    if seen.live:
        # The tail of a move, or a clash: either way the files here are still needed.
        return "live files bear its name"
    return _asked_again(seen, seen.coverage) or _unpublished(seen) or _early(seen, policy)


def _asked_again(seen: Archived, coverage: Coverage) -> str | None:
    """Why lines of requests may still be needed."""
    if not coverage.balanced:
        return "its account does not balance"
    again = coverage.failed - coverage.failed_in(_FOR_GOOD)
    if again != NOTHING:
        return f"{many(again.requests, 'failed request')} may succeed when asked again"
    if seen.unsettled:
        return f"{', '.join(seen.unsettled)} asks some of its requests again and has not settled"
    if seen.parent is not None:
        # What its parent handed over is read from the input here as long as the parent's own is counted.
        return f"its parent {seen.parent} still has its JSONL"
    return None


def _unpublished(seen: Archived) -> str | None:
    """Why answers can be read nowhere else."""
    # Answers that nobody could trust were never published; the files are all there is.
    if seen.set_aside:
        return "it was dismissed out of quarantine, so nothing of it was published"
    if f"target/{seen.name}.results.jsonl" not in seen.published:
        return (
            "its output processor published no line for each request, so its answers can be read nowhere else"
        )
    if seen.unhandled:
        return f"{many(seen.unhandled, 'answer')} could not be handled, and can be read nowhere else"
    for path, digest in seen.published.items():
        size = seen.sizes.get(path)
        if size is None:
            return f"{path} was published and is not there any more"
        if size != digest.size:
            return f"{path} is not what was published"
    return None


def _early(seen: Archived, policy: Policy) -> str | None:
    """Until when the files are kept all the same."""
    due = seen.settled_at + policy.retain_seconds
    if seen.seen_at < due and not seen.removing:
        day = dt.datetime.fromtimestamp(min(due, _LAST_DAY), dt.UTC).date().isoformat()
        return f"its JSONL is kept until {day}"
    return None
