"""
Batches with answers: match them, then settle them, retry what may be retried, or call a person.

Pure ladders of early returns, one comment per leaf.
"""

from __future__ import annotations

from typing import Final

from reconciler.model.coverage import NOTHING, Coverage
from reconciler.model.identity import ANSWERS, Role
from reconciler.model.operation import AnswerHere, Cancel, CheckOnline, Download, Quarantine
from reconciler.model.outcome import ErrorClass
from reconciler.model.plan import Attention, Held, Plan, Waiting
from reconciler.model.policy import LOCAL, Policy
from reconciler.model.record import Record
from reconciler.model.snapshot import Matched, Mismatch, Snapshot
from reconciler.model.status import Phase, phase_of
from reconciler.model.trouble import Trouble
from reconciler.model.words import many
from reconciler.planner.limiting import are_leftovers
from reconciler.planner.safety import asked_at, expects, to_match
from reconciler.planner.settling import plan_settling
from reconciler.planner.staying import by_hand

_NEVER_RAN: Final = frozenset({ErrorClass.EXPIRED, ErrorClass.CANCELLED, ErrorClass.TIME_LIMIT})
TO_MATCH: Final = "its answers are here: hold them against the input"


def plan_answers(snap: Snapshot, policy: Policy) -> Plan:
    """Answers are here: fetch what is not closed, match, then decide by the account."""
    fetch = open_roles(snap)
    if fetch:
        return _fetch(snap, policy, fetch)
    if snap.matched is None:
        return Plan(snap.name, TO_MATCH, (to_match(snap, policy),))
    return _by_verdict(snap, snap.matched, policy)


def answer_here(snap: Snapshot, policy: Policy) -> AnswerHere:
    """The step that answers a batch in this process."""
    most, table = policy.max_attempts, policy.classes
    limit = None if snap.record is None else snap.record.limit
    until = None if limit is None else limit.until
    return AnswerHere(snap.name, expects=expects(snap), max_attempts=most, classes=table, until=until)


def ask_after(snap: Snapshot, record: Record, provider: str) -> CheckOnline | Cancel:
    """How a batch under way is asked after: one that is rescued is stopped, until its provider says so."""
    runs = phase_of(record.status) is Phase.RUNNING
    if runs and record.online.rescue and "cancel" not in (record.status or "").lower():
        return Cancel(snap.name, provider=provider, expects=expects(snap))
    return CheckOnline(snap.name, provider=provider, expects=expects(snap))


def open_roles(snap: Snapshot) -> tuple[Role, ...]:
    """Answer files that the provider has and this folder has not."""
    known = () if snap.record is None else snap.record.at_provider
    return tuple(role for role in known if role not in snap.files)


def _fetch(snap: Snapshot, policy: Policy, roles: tuple[Role, ...]) -> Plan:
    """One file came down and the other did not: an archived half would lose paid answers."""
    record = snap.record
    if record is not None and record.provider == LOCAL and LOCAL in policy.reachable:
        if record.status is None:
            because = "its metadata promises answers of this process, and says that none was ever begun"
            hint = "nothing is called: restore its metadata, or move away what answers are here"
            return Plan(snap.name, because, then=Attention(hint))
        # It was answered here; what is not published yet stands in its durable progress.
        because = "it was answered here, and not every answer file is published yet"
        return Plan(snap.name, because, (answer_here(snap, policy),))
    provider = asked_at(record, policy)
    words = " and ".join(role.value for role in roles)
    because = f"{provider} has its {words} file too, which is not here yet"
    if provider not in policy.reachable:
        if provider in policy.keyless:
            return Plan(snap.name, because, then=Held(policy.keyless[provider], Trouble.NO_KEY))
        hint = f"download the {words} file by hand: this version has no client for provider {provider!r}"
        return Plan(snap.name, because, then=Held(hint))
    return Plan(
        snap.name, because, (Download(snap.name, provider=provider, roles=roles, expects=expects(snap)),)
    )


def _by_verdict(snap: Snapshot, matched: Matched, policy: Policy) -> Plan:
    """Matching has spoken."""
    name = snap.name
    if matched.bad_input or matched.coverage is None:
        # Nothing in the answers can mend an input that cannot be read.
        because = "; ".join(matched.bad_input) or "its input cannot be read"
        return Plan(name, because, then=Attention("mend the input line, then run again", Trouble.BAD_INPUT))
    if matched.mismatch is not None:
        because = describe(matched.mismatch)
        step = Quarantine(name, expects=expects(snap), reason=because, details=_details(matched.mismatch))
        return Plan(name, because, (step,))
    if matched.late:
        because = f"answered here after it went over to a retry child: {', '.join(matched.late)}"
        hint = "take these lines out of the answer file, or the child's files out of the workspace"
        return Plan(name, because, then=Attention(hint, Trouble.ID_MISMATCH))
    coverage = matched.coverage
    if not coverage.conserved:
        because = "the parts of its account do not add up; nothing was touched"
        return Plan(name, because, then=Attention("this is a fault of the reconciler; please report it"))
    if coverage.missing != NOTHING and not _missing_are_leftovers(snap.record, coverage):
        return _incomplete(snap, matched, coverage, policy)
    return plan_settling(snap, coverage, policy)


def _missing_are_leftovers(record: Record | None, coverage: Coverage) -> bool:
    """Whether the provider itself agrees that the missing ids were never answered."""
    if record is None or record.batch_id is None:
        return False
    here = (coverage.input - coverage.missing).requests
    return are_leftovers(record, here, here - coverage.failed_in(_NEVER_RAN).requests)


def _incomplete(snap: Snapshot, matched: Matched, coverage: Coverage, policy: Policy) -> Plan:
    """Ids without an answer, and nobody has said that no more are coming."""
    name, record = snap.name, snap.record
    count = coverage.missing.requests
    verb = "has" if count == 1 else "have"
    because = f"{count} of {many(coverage.input.requests, 'id')} {verb} no answer"
    if matched.missing:
        # An account alone, as status has it, names none.
        because += f": {_some(matched.missing, count)}"
    if record is None or record.batch_id is None:
        return Plan(name, because, then=Attention(by_hand(name), Trouble.ID_MISMATCH))
    provider = asked_at(record, policy)
    if provider not in policy.reachable:
        return Plan(
            name,
            f"{because}; it is at {provider} as {record.batch_id}",
            then=Attention(by_hand(name), Trouble.ID_MISMATCH),
        )
    if phase_of(record.status) is Phase.RUNNING:
        if snap.asked:
            told = f"{because}; {provider} is still working on it ({record.status or 'no word'})"
            return Plan(name, told, then=Waiting(snap.seen_at + policy.poll_seconds))
        return Plan(name, because, (ask_after(snap, record, provider),))
    roles = tuple(role for role in ANSWERS if record.remote_file(role))
    if not roles and not snap.asked:
        # It was believed to have none, and may name one yet.
        return Plan(name, because, (ask_after(snap, record, provider),))
    if roles and "download-again" not in record.receipts:
        # A cut download looks like this; the second look is free.
        return Plan(name, because, (Download(name, provider=provider, roles=roles, expects=expects(snap)),))
    return Plan(
        name, f"{because}, and {provider} has no more", then=Attention(by_hand(name), Trouble.ID_MISMATCH)
    )


def describe(mismatch: Mismatch) -> str:
    """The exact difference in one line, with the first few of each kind."""
    parts = []
    for kind, words in (
        ("corrupt", ("line that cannot be read", "lines that cannot be read")),
        ("unknown", ("answer to an id that was never asked", "answers to ids that were never asked")),
        ("duplicate", ("answer too many for its id", "answers too many for their ids")),
        ("both", ("id that is answered in both files", "ids that are answered in both files")),
    ):
        examples: tuple[str, ...] = getattr(mismatch, kind)
        if examples:
            total = mismatch.total.get(kind, len(examples))
            parts.append(f"{many(total, *words)}: {_some(examples, total)}")
    return "; ".join(parts)


def _some(examples: tuple[str, ...], total: int) -> str:
    """The first few of *total* findings."""
    shown = ", ".join(examples)
    return f"{shown} and {total - len(examples)} more" if total > len(examples) else shown


def _details(mismatch: Mismatch) -> dict[str, object]:
    """A mismatch as `reason.json` holds it."""
    return {
        "corrupt": list(mismatch.corrupt),
        "unknown": list(mismatch.unknown),
        "duplicate": list(mismatch.duplicate),
        "both": list(mismatch.both),
        "total": dict(mismatch.total),
    }
