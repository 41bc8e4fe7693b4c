"""
What was spent, recomputed: reservations against the limits that held, and sums against the answers.

History is read from its first line. Nothing may have been created that was not reserved before, and nothing
reserved that the limit of its time had no room for; what a settled batch is said to have used stands in its
answers.
"""

from __future__ import annotations

from typing import Any, Final

from reconciler.check.verdict import Verdict
from reconciler.errors import BadLine, PermanentError, TransientError
from reconciler.executor.context import View
from reconciler.executor.used import used_by
from reconciler.model.identity import ANSWERS, BatchName, file_name, parse_name
from reconciler.model.policy import LOCAL
from reconciler.pricing.book import LISTED
from reconciler.pricing.money import shown
from reconciler.workspace import ledger, settled
from reconciler.workspace.archived import is_gone
from reconciler.workspace.spending import ANSWERED, NOTHING_RAN, RESERVED, SETTLED, Spending

PROMISE: Final = 9


def check_spending(view: View, verdict: Verdict) -> None:
    """No create without its reservation, no reservation past its limit, no sum that answers do not bear."""
    spending = Spending()
    told: dict[str, tuple[str, Any, tuple[str, ...]]] = {}
    for entry in ledger.entries(view.look):
        if entry.problem is not None:
            continue  # told of with the rest of history
        where, fields = f"{ledger.PATH}:{entry.number}", entry.fields
        if entry.event == "batch.creating" and "reserved" in fields:
            _reserved(spending, fields, where, verdict)
        elif entry.event == RESERVED:
            _within(spending, fields, where, verdict)
        elif entry.event == SETTLED:
            _sums(fields, where, verdict)
            if fields.get("why") != NOTHING_RAN:
                # Of a live run that a person has made anew, the answers of the last one are here.
                charge = spending.charges.get(str(fields.get("key")))
                asked = () if charge is None else tuple(charge.models)
                told[str(fields.get("batch"))] = where, fields, asked
        spending.take(entry.event, fields)
    for where, fields, asked in told.values():
        _used(view, asked, fields, where, verdict)


def _reserved(spending: Spending, fields: Any, where: str, verdict: Verdict) -> None:
    """A create has its reservation before it."""
    charge = spending.charges.get(str(fields.get("intent")))
    if charge is None or charge.settled:
        what = f"{fields.get('batch')} was created, and nothing was reserved for it before"
        verdict.object(PROMISE, where, what, "spend-unreserved")
    elif charge.nano != fields["reserved"]:
        what = f"{fields.get('batch')} was created for another amount than was reserved"
        verdict.object(PROMISE, where, what, "spend-unreserved")


def _within(spending: Spending, fields: Any, where: str, verdict: Verdict) -> None:
    """What is reserved has room below the limit of its time."""
    cap, wanted = fields.get("cap"), fields.get("nano_usd")
    if not isinstance(cap, int):
        return
    if not isinstance(wanted, int):
        what = f"{fields.get('batch')} was sent under a limit, and nobody knew what it costs"
        verdict.object(PROMISE, where, what, "spend-past-limit")
        return
    total = spending.without(str(fields.get("key"))) + wanted
    if wanted and total > cap:
        what = f"{shown(total)} were spent and reserved then, and the limit was {shown(cap)}"
        verdict.object(PROMISE, where, what, "spend-past-limit")


def _sums(fields: Any, where: str, verdict: Verdict) -> None:
    """The parts of what a batch is said to have cost are the whole."""
    why, total, models = fields.get("why"), fields.get("nano_usd"), fields.get("models")
    parts = list(models.values()) if isinstance(models, dict) else []
    if why == NOTHING_RAN and total != 0:
        verdict.object(PROMISE, where, "nothing ran, and it has cost something", "spend-differs")
    if why == ANSWERED and (not all(isinstance(part, int) for part in parts) or sum(parts) != total):
        verdict.object(PROMISE, where, "its parts are not the sum", "spend-differs")


def _used(view: View, asked: tuple[str, ...], fields: Any, where: str, verdict: Verdict) -> None:
    """What a batch is said to have used stands in its answers."""
    name = parse_name(str(fields.get("batch")))
    if name is None or is_gone(view.look, name):
        return
    found = _tokens(view, asked, fields, name)
    if found is not None and found != fields.get("tokens"):
        what = f"{name} is said to have used other tokens than its answers say"
        verdict.object(PROMISE, where, what, "spend-differs")


def _tokens(view: View, asked: tuple[str, ...], fields: Any, name: BatchName) -> Any:
    """The tokens in the answers of a settled batch; None where these are not there to be read."""
    folder = settled.folder_of(name)
    files = {
        role: fact
        for role in ANSWERS
        if (fact := view.look.fact(f"{folder}/{file_name(role, name)}")) is not None
    }
    if not files or view.look.kind(f"{folder}/{settled.MANIFEST}") is None:
        return None
    provider = LOCAL if fields.get("live") else str(fields.get("provider", ""))
    try:
        return used_by(view, LISTED, provider, asked, files, live=bool(fields.get("live"))).tokens
    except (BadLine, PermanentError, TransientError, OSError):
        return None  # what is wrong with the files is told with them
