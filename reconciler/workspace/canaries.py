"""How the batches stand that go ahead of others, their retry children included; a pure read."""

from __future__ import annotations

from reconciler.errors import BadMetadata
from reconciler.model.canary import Sample
from reconciler.model.identity import BatchName, Role, file_name
from reconciler.model.record import After, Record
from reconciler.workspace import metadata, settled
from reconciler.workspace.layout import Layout
from reconciler.workspace.reading import Reading


def sample_of(look: Reading, layout: Layout, after: After) -> Sample:
    """
    What has come of the batches that a held one waits for.

    Args:
        look: The room for reading.
        layout: The workspace.
        after: Which they are.
    """
    answered = requests = 0
    going: dict[BatchName, Record | None] = {}
    gone: list[BatchName] = []
    left = [(name, True) for name in reversed(after.batches)]
    seen: set[BatchName] = set()
    while left:
        name, first = left.pop()
        if name in seen:
            # Whoever edits a manifest may have it name itself.
            continue
        seen.add(name)
        try:
            manifest = settled.read(look, name)
        except (BadMetadata, OSError):
            path = layout.live_path(file_name(Role.METADATA, name))
            if look.fact(path) is not None:
                going[name] = _record(look, path, name)
            elif look.fact(layout.live_path(file_name(Role.INPUT, name))) is not None:
                going[name] = None
            else:
                gone.append(name)
            continue
        answered += manifest.coverage.answered.requests
        requests += manifest.coverage.input.requests if first else 0
        left += [(child, False) for child in manifest.children]
    return Sample(answered, requests, going, tuple(gone))


def _record(look: Reading, path: str, name: BatchName) -> Record | None:
    """The metadata of a live batch; None where it says nothing that can be trusted."""
    try:
        return metadata.decode(look.read(path), path, name)
    except (BadMetadata, OSError):
        return None
