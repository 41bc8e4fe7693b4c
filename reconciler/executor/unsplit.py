"""Hold a file that shall be split, and the names of its parts, to being new."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from reconciler.errors import BadMetadata, NeedsPerson
from reconciler.model.coverage import FileDigest
from reconciler.model.identity import BatchName, Role, file_name, fold
from reconciler.workspace import ledger, settled
from reconciler.workspace.effects import Effects
from reconciler.workspace.layout import DONE, QUARANTINE, Layout
from reconciler.workspace.ledger import PAID
from reconciler.workspace.scan import scan

EVENT: Final = "file.split"


def is_new_split(fx: Effects, first: BatchName, facts: dict[str, object], *, again: bool) -> bool:
    """
    Whether history knows nothing of this very split.

    Raises:
        NeedsPerson: The same file was split here before, in another way, or sent as it is.
    """
    split: list[Mapping[str, Any]] = []
    sent = None
    for entry in ledger.entries(fx):
        if entry.event == EVENT and entry.fields.get("source") == facts["source"]:
            split.append(entry.fields)
        elif entry.event in PAID and entry.fields.get("input") == facts["source"] and facts["batches"] != 1:
            sent = entry.fields.get("batch")
    if any(each.get("batch") == first and facts.items() <= each.items() for each in split):
        return False
    told, hint = "", "--again splits it all the same, and its requests may be paid for twice"
    if split:
        told = f"split here before, into {split[0].get('batches')} batches from {split[0].get('batch')} on"
        hint = f"give the options of that time to complete it\n{hint}"
    elif sent is not None:
        told = f"sent before, as batch {sent}"
    if told and not again:
        raise NeedsPerson(f"this file was {told}; nothing was made", hint=hint)
    return True


def names_taken(fx: Effects, layout: Layout, names: Sequence[BatchName]) -> dict[BatchName, str]:
    """Those of *names* that are taken, and by what."""
    listing = scan(fx, layout)
    live = {fold(other): other for other in listing.batches}
    found: dict[BatchName, str] = {}
    for name in names:
        paths = [settled.folder_of(name), *(f"{DONE}/{file_name(role, name)}" for role in Role)]
        if fold(name) in live:
            found[name] = layout.live_path(file_name(Role.INPUT, live[fold(name)]))
        elif name in listing.quarantined:
            found[name] = f"{QUARANTINE}/{listing.quarantined[name][-1]}"
        elif path := next((path for path in paths if fx.kind(path) is not None), ""):
            found[name] = path
    return found


def is_there(fx: Effects, layout: Layout, name: BatchName, digest: FileDigest) -> bool:
    """Whether this very input is here already, wherever its batch has got to."""
    leaf = file_name(Role.INPUT, name)
    paths = [layout.live_path(leaf), f"{DONE}/{leaf}"]
    paths += [f"{QUARANTINE}/{each.name}/{leaf}" for each in fx.listing(QUARANTINE)]
    for path in paths:
        fact = fx.fact(path)
        if fact is not None and fact.size == digest.size and fx.digest(path) == digest:
            return True
    try:
        return settled.read(fx, name).files.get(leaf) == digest
    except (BadMetadata, OSError):
        return False
