"""Requests that were given up: `failed-items/` holds those that the manifests count, and no other."""

from __future__ import annotations

from reconciler.check.verdict import Verdict, ids_of
from reconciler.executor.context import View
from reconciler.executor.unhandled import items_of, read_item
from reconciler.model.coverage import NOTHING, Tally, hash_id
from reconciler.model.identity import Role, file_name
from reconciler.model.words import many
from reconciler.workspace.observe import children_of
from reconciler.workspace.scan import Listing
from reconciler.workspace.settled import Manifest


def check_given_up(view: View, listing: Listing, manifest: Manifest, verdict: Verdict) -> None:
    """Hold the ids that were collected of a settled batch against its account."""
    path, wanted = items_of(manifest.name), manifest.coverage.given_up
    if view.look.fact(path) is None:
        if wanted != NOTHING:
            told = f"told of {many(wanted.requests, 'request')} given up, and is not there any more"
            verdict.notes.append(f"{path}: {told}")
        return
    with view.look.open(path) as stream:
        items = [item for line in stream if (item := read_item(line)).given_up]
    found = Tally.of(hash_id(item.custom_id) for item in items if item.custom_id is not None)
    if found == wanted or found == wanted - _going(view, listing, manifest):
        return
    told = f"{many(found.requests, 'request')} given up, {manifest.name} has given up {wanted.requests}"
    if found.requests == wanted.requests:
        told = f"other requests than {manifest.name} has given up"
    verdict.object(1, path, told, "given-up-differs")


def _going(view: View, listing: Listing, manifest: Manifest) -> Tally:
    """The ids of a child that was made, and was cut off before they went over to it."""
    for child in children_of(view.look, view.layout, listing, manifest.name):
        if child.parent == manifest.name and child.name not in manifest.children:
            fact = view.look.fact(view.layout.live_path(file_name(Role.INPUT, child.name)))
            return NOTHING if fact is None else Tally.of(ids_of(view, fact))
    return NOTHING
