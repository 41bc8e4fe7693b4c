"""
Failed requests that user code changes before they are asked again.

Pure. The code is asked in a step of its own; what it made of them stands in the receipt, where plans read it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from reconciler.model.changes import NO_CHANGES, VERB, Changes, read_changes
from reconciler.model.coverage import NOTHING, Coverage
from reconciler.model.identity import BatchName
from reconciler.model.operation import ChangeRequests
from reconciler.model.outcome import ErrorClass
from reconciler.model.plan import Attention, Plan
from reconciler.model.policy import Policy
from reconciler.model.receipt import STARTED, invocation_token
from reconciler.model.snapshot import Snapshot
from reconciler.model.trouble import Trouble
from reconciler.model.words import many
from reconciler.planner.safety import expects
from reconciler.planner.unnamed import once_more


def change(  # noqa: PLR0913, PLR0917 - who is asked again, and who said so
    snap: Snapshot,
    coverage: Coverage,
    policy: Policy,
    classes: Iterable[ErrorClass],
    never: frozenset[int] = frozenset(),
    asker: str = "",
) -> Changes | ChangeRequests:
    """
    What user code made of the failures of a live batch, or the step that asks it.

    Args:
        snap: The batch.
        coverage: Its account.
        policy: What may be decided.
        classes: The error classes that are asked again.
        never: Hashes of ids that are not, though their class is.
        asker: Who said so.
    """
    name, record = snap.name, snap.record
    by = changed_by(coverage, policy, classes)
    if not by:
        return NO_CHANGES
    token = changing_token(name, by, coverage, asker)
    receipt = {} if record is None else record.receipts.get(VERB, {})
    owned = () if record is None else record.children
    begun = any(fact.parent == name and fact.name not in owned for fact in snap.children)
    found = known_changes(receipt, token, begun=begun)
    if found is not None:
        return found
    return ChangeRequests(name, expects=expects(snap), token=token, by=by, never=never)


def changed_by(coverage: Coverage, policy: Policy, classes: Iterable[ErrorClass]) -> Mapping[ErrorClass, str]:
    """The code that has failures of a batch to change before they are asked again, by error class."""
    by = {each: policy.transforms[each] for each in classes if each in policy.transforms}
    return by if coverage.failed_in(by) != NOTHING else {}


def changing_token(name: BatchName, by: Mapping[ErrorClass, str], coverage: Coverage, asker: str = "") -> str:
    """What makes one invocation the same as another."""
    words = [f"{each.value}={by[each]}" for each in sorted(by)]
    parts = " ".join([VERB, *words, asker])
    return invocation_token(name, parts, coverage.digests, extraction=coverage.extraction)


def known_changes(receipt: Mapping[str, Any], token: str, *, begun: bool) -> Changes | None:
    """
    What a receipt says was made of these very failures; None when it does not.

    Args:
        receipt: The last one.
        token: The invocation that is wanted.
        begun: A child is being made already. It holds what stands in the receipt, whatever code there is now.
    """
    ended = "token" in receipt and receipt.get("state") != STARTED
    return read_changes(receipt) if ended and (begun or receipt["token"] == token) else None


def plan_change(step: ChangeRequests) -> Plan:
    """User code has to change failures before anything is decided about them."""
    code = ", ".join(sorted(set(step.by.values())))
    return Plan(step.name, f"failed requests go to {code} before they are asked again", (step,))


def unchanged(name: BatchName, changes: Changes, policy: Policy) -> tuple[str, Attention]:
    """Why failures that code could not change keep their batch, and what a person may do."""
    count = many(len(changes.attention), "failed request")
    verb = "was" if len(changes.attention) == 1 else "were"
    because = f"{count} could not be changed and {verb} not asked again: "
    told = "; ".join(each.why for each in changes.kept if each.attention)
    hint = (
        "mend the transform and run again; or\n"
        f"{once_more(name, policy, 'hand them to it')}\n"
        f"reconcile dismiss WORKSPACE {name}    to give them up"
    )
    return because + told, Attention(hint, Trouble.FAILED_FOR_GOOD)
