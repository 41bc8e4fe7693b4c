"""
The brakes: when not to plan anything for a batch, whatever its shape.

Pure predicates over a snapshot, in the order in which they outrank each other.
"""

from __future__ import annotations

from collections.abc import Mapping

from reconciler.model.coverage import FileDigest
from reconciler.model.extraction import Extraction
from reconciler.model.facts import Expects
from reconciler.model.identity import ANSWERS, Role
from reconciler.model.operation import MatchRequestIds, MoveToDone, Quarantine
from reconciler.model.plan import Attention, Plan, Settled
from reconciler.model.policy import LOCAL, NO_PROVIDER, Policy
from reconciler.model.record import Record
from reconciler.model.snapshot import Snapshot
from reconciler.model.trouble import Trouble

RESTORE = "put the original file back, or move this batch's files out of the workspace"


def refuse(snap: Snapshot) -> Plan | None:
    """The plan that outranks every shape, or None when the shape may decide."""
    name = snap.name
    if snap.problems:
        return Plan(
            name,
            "; ".join(snap.problems),
            then=Attention("mend what is named here, then run again", Trouble.BAD_FILE),
        )
    if snap.bad_record is not None:
        # Reading it as "no metadata" would pay for the batch again.
        restore = "restore the metadata file, or move this batch's files out of the workspace"
        hint = snap.bad_record_hint or restore
        return Plan(name, snap.bad_record, then=Attention(hint, Trouble.BAD_RECORD))
    if snap.in_done:
        return _already_done(snap)
    if snap.quarantine_tail is not None:
        because = f"its move to quarantine/{snap.quarantine_tail}/ was interrupted"
        step = Quarantine(name, expects=expects(snap), reason=because, finishing=snap.quarantine_tail)
        return Plan(name, because, (step,))
    if _clashes_with_history(snap):
        roles = " and ".join(f"batch_{role.value}_{name}.jsonl" for role in Role if role in snap.history)
        because = f"done/ holds {roles} already; nothing is ever sent for a name in done/"
        return Plan(name, because, then=Attention("give the new input another name", Trouble.NAME_TAKEN))
    drift = _drift(snap)
    if drift is not None:
        return Plan(name, drift, then=Attention(RESTORE, Trouble.FILE_CHANGED))
    return None


def expects(snap: Snapshot) -> Expects:
    """What every operation on this snapshot relies on."""
    return Expects(snap.files, None if snap.record is None else snap.record.generation)


def asked_at(record: Record | None, policy: Policy, *, here: bool = False) -> str:
    """
    The provider that has a batch: the one its record names, or else the one that is configured.

    With *here*, the embedded provider counts too; it never has a batch that another process could ask it for.
    """
    if record is not None and record.provider is not None:
        return record.provider if here or record.provider != LOCAL else NO_PROVIDER
    return policy.provider if policy.provider != LOCAL else NO_PROVIDER


def to_match(snap: Snapshot, policy: Policy) -> MatchRequestIds:
    """The step that holds a batch's answers against its input, and against what is asked of answers."""
    wanted = extraction_of(snap.record, policy)
    return MatchRequestIds(snap.name, expects=expects(snap), extraction=wanted)


def extraction_of(record: Record | None, policy: Policy) -> Extraction | None:
    """
    What the answers of a live batch are held to: what the settings say, else what they were held to before.

    Before the first time, what the author of the requests has asked for counts as that.
    Settings that say nothing of it choose nothing, so a pass without the flag of an earlier one changes no
    verdict. And what a batch was held to when it handed ids to a child stays: an answer that was invalid then
    must not become valid while the child asks for it again.
    """
    earlier = None if record is None else record.held_to
    pinned = earlier is not None and record is not None and bool(record.children)
    return policy.extraction if policy.extraction_chosen and not pinned else earlier


def _already_done(snap: Snapshot) -> Plan:
    """Live files beside `done/<name>/`: the tail of an interrupted move, or a clash."""
    if not snap.files and snap.record is None:
        return Plan(snap.name, "it is in done/", then=Settled())
    because = f"done/{snap.name}/ is there already: remove the copies that an interrupted move left behind"
    return Plan(snap.name, because, (MoveToDone(snap.name, expects=expects(snap), finishing=True),))


def _clashes_with_history(snap: Snapshot) -> bool:
    """Whether a live input stands beside flat files of the same name in `done/`."""
    fact = snap.files.get(Role.INPUT)
    return bool(snap.history) and fact is not None and not fact.path.startswith("done/")


def _drift(snap: Snapshot) -> str | None:
    """How a file differs from what metadata knows of it, or None."""
    if snap.record is None:
        return None
    known: dict[Role, FileDigest | None] = {role: snap.record.roles.get(role) for role in ANSWERS}
    known[Role.INPUT] = snap.record.input.digest if snap.record.input is not None else None
    seen = _digests(snap)
    for role, recorded in known.items():
        fact = snap.files.get(role)
        if recorded is None or fact is None:
            continue
        if fact.size != recorded.size:
            return f"{fact.path} has {fact.size} bytes, its metadata says {recorded.size}: it was changed"
        if role in seen and seen[role] != recorded:
            return f"{fact.path} is not the file that its metadata knows (other sha256): it was changed"
    return None


def _digests(snap: Snapshot) -> Mapping[Role, FileDigest]:
    """Digests that this pass has computed, if any."""
    if snap.matched is None or snap.matched.coverage is None:
        return {}
    return snap.matched.coverage.digests
