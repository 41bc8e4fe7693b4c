"""What an audit found, and what was repaired: as lines for people, as one JSON document for machines."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from reconciler.cli.console import out, paint, safe
from reconciler.cli.render import hint
from reconciler.model.words import many

if TYPE_CHECKING:
    from reconciler.check import Verdict
    from reconciler.repairing import Repaired


def verdict(found: Verdict) -> None:
    """What an audit found, for people."""
    for finding in found.findings:
        label = paint(f"promise {finding.promise} does not hold", "error")
        out(f"{label}  {safe(finding.where)}: {safe(finding.what)}")
    for note in found.notes:
        out(f"{paint('note', 'faint')}  {safe(note)}")
    account = ", ".join(f"{count} {part}" for part, count in found.account.items()) or "no request yet"
    out(f"{many(found.batches, 'batch', 'batches')}; requests: {account}")
    if found.findings:
        out(paint(f"{many(len(found.findings), 'violation')} found", "error"))
    else:
        out(paint("every id is accounted for, every settled file is what it was", "settled"))


def repaired(found: Repaired, workspace: str) -> None:
    """What was repaired, what was left, and what the files say now, for people."""
    for each in found.done:
        out(f"{paint('repaired', 'settled')}  {safe(each.path)}: {safe(each.told)}")
    for one in found.left:
        out(f"{paint('left', 'waiting')}  {safe(one.path)}: {safe(one.why)}")
        hint(one.hint, workspace, "      ")
    verdict(found.verdict)


def repaired_fields(found: Repaired) -> dict[str, Any]:
    """The same for machines."""
    return {
        **verdict_fields(found.verdict),
        "repaired": [{"path": each.path, "what": each.told} for each in found.done],
        "left": [{"path": each.path, "why": each.why, "hint": each.hint or None} for each in found.left],
    }


def verdict_fields(found: Verdict) -> dict[str, Any]:
    """What an audit found, for machines."""
    return {
        "workspace": found.root,
        "batches": found.batches,
        "account": dict(found.account),
        "findings": [
            {"promise": each.promise, "code": each.code, "where": each.where, "what": each.what}
            for each in found.findings
        ],
        "notes": list(found.notes),
        "holds": not found.findings,
    }
