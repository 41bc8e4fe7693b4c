"""
Settled batches: whether their answers are handed to the processors once more.

Pure. Nobody is asked anything again: what a child owns stays the child's, and what failed has failed.
"""

from __future__ import annotations

from typing import Final

from reconciler.model.coverage import NOTHING
from reconciler.model.identity import BatchName, Role
from reconciler.model.operation import Operation, ProcessErrors, ProcessOutput
from reconciler.model.plan import Attention, Plan, Settled
from reconciler.model.policy import Policy
from reconciler.model.snapshot import Snapshot
from reconciler.model.trouble import Trouble
from reconciler.planner.safety import expects
from reconciler.planner.settling import token_of
from reconciler.planner.unnamed import Unnamed, read_as, with_unnamed

_PARTS: Final = ("input", "answered", "failed", "retried", "dismissed", "missing")


def plan_replay(snap: Snapshot, policy: Policy) -> Plan:
    """
    Decide whether a settled batch is replayed.

    Args:
        snap: A look at its folder, with the verdict on its files and a record that agrees with its manifest.
        policy: What was chosen now.

    Returns:
        A plan whose steps publish what becomes of its answers today, or one of none, which says why.
    """
    name, record = snap.name, snap.record
    if snap.bad_record is not None or record is None:
        return Plan(
            name, snap.bad_record or "it has no manifest", then=Attention("reconcile check WORKSPACE")
        )
    if "quarantine" in record.receipts:
        return Plan(
            name, "it was dismissed out of quarantine: its answers were never trusted", then=Settled()
        )
    if Role.INPUT not in snap.files:
        return Plan(
            name, "its JSONL was removed by [retain], and its results are all there is", then=Settled()
        )
    begun = with_unnamed(record, policy)
    if ProcessOutput.verb in begun.absent:
        return _refusal(name, begun)
    matched = snap.matched
    if matched is None or matched.coverage is None or matched.mismatch is not None:
        return Plan(name, "its answers do not match its input", then=Attention("reconcile check WORKSPACE"))
    account = record.coverage
    if account is None or matched.coverage.digests != account.digests:
        because = "its files are not those that its manifest lists"
        return Plan(name, because, then=Attention("reconcile check WORKSPACE", Trouble.FILE_CHANGED))
    if any(getattr(matched.coverage, part) != getattr(account, part) for part in _PARTS):
        because = "its files do not give the account that its manifest holds"
        return Plan(name, because, then=Attention("reconcile check WORKSPACE", Trouble.ID_MISMATCH))
    token = token_of(name, record, account, policy)
    steps: list[Operation] = [ProcessOutput(name, expects=expects(snap), token=token)]
    if account.failed != NOTHING:
        # The summary alone: what a custom error processor decides was decided when the batch settled.
        steps.append(ProcessErrors(name, expects=expects(snap)))
    return Plan(name, "its answers go to the output processor once more", tuple(steps), Settled())


def _refusal(name: BatchName, begun: Unnamed) -> Plan:
    """What an output processor has made of the answers must not go because a flag was left out."""
    identity = begun.absent[ProcessOutput.verb]
    lacks = "neither an output processor nor a content" if read_as(identity) else "no output processor"
    command = f"reconcile replay WORKSPACE {name}"
    flags = begun.policy.typed.flags.get("output", "--output-processor M:F")
    hint = (
        f"{command} {flags}    hands them over again\n"
        f"{command} {begun.off.flags['output']}    publishes them as they are"
    )
    because = f"its results are those of {identity}, and {lacks} was named"
    return Plan(name, because, then=Attention(hint, Trouble.UNHANDLED))
