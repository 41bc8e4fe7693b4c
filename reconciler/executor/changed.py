"""The request lines that user code has changed, from when they are durable until a child holds them."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from collections.abc import Set as AbstractSet

from reconciler.codec.request import request_id
from reconciler.errors import PermanentError
from reconciler.executor.context import View
from reconciler.executor.reading import Lines
from reconciler.model.changes import Changes
from reconciler.model.coverage import hash_id
from reconciler.workspace.layout import CHANGED

Instead = Callable[[int], bytes]
"""The changed line of a request, by the hash of its id."""


class ChangesGone(PermanentError):
    """Changed lines that a receipt names are not there."""


def changed_path(name: str) -> str:
    """Where the changed lines of a batch stand until its child has them."""
    return f"{CHANGED}/{name}.jsonl"


@contextlib.contextmanager
def instead_of(
    view: View, parent: str, changes: Changes, wanted: AbstractSet[int], child: str
) -> Iterator[Instead]:
    """
    The changed lines of *wanted* requests, open for reading as long as this lasts.

    Args:
        view: Rooms and settings.
        parent: The batch whose requests were changed.
        changes: What was made of them.
        wanted: Hashes of the ids that must not be sent as they are.
        child: The input of the child: once that is there, it holds them.

    Raises:
        ChangesGone: Some of them are nowhere to be found.
    """
    if not wanted:
        nothing: dict[int, bytes] = {}
        yield nothing.__getitem__  # nothing was changed, so nobody asks
        return
    fact, path = view.look.fact(changed_path(parent)), changed_path(parent)
    ours = fact is not None
    if fact is None:
        fact, path = view.look.fact(child), child
    if fact is None:
        raise ChangesGone(f"{changed_path(parent)} is gone, and with it what was changed of {parent}")
    at: dict[int, tuple[int, int]] = {}
    lines = Lines(view, fact, digest=True)
    for line in lines:
        at[hash_id(request_id(line, path))] = (line.offset, len(line.data))
    if not wanted <= at.keys() or (ours and lines.digest != changes.lines):
        raise ChangesGone(f"{path} is not what was written of the changed requests of {parent}")
    with view.look.open_random(path) as read:
        yield lambda hashed: read(*at[hashed])
