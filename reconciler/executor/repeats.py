"""Which requests of a workspace more than one lineage asks; a pure read of inputs."""

from __future__ import annotations

from reconciler.errors import StaleSnapshot, TransientError
from reconciler.executor.asked import Asked
from reconciler.executor.context import View
from reconciler.executor.lineages import lineages
from reconciler.executor.standings import WIDTH
from reconciler.model.identity import Role


def asked_twice(view: View) -> frozenset[bytes]:
    """
    The digests of the ids that more than one lineage asks, as far as their inputs are there.

    Raises:
        TransientError: A pass moved files while they were read; the same again will do.
    """
    found = list(lineages(view))
    if len(found) == 1:
        return frozenset()
    seen: set[bytes] = set()
    twice: set[bytes] = set()
    for lineage in found:
        fact = lineage.root.files.get(Role.INPUT)
        if fact is None:
            continue
        try:
            digests = bytes(Asked(view, fact).digests)
        except (StaleSnapshot, FileNotFoundError) as error:
            message = f"{lineage.root.name}: a pass is working on it ({error})"
            raise TransientError(message, hint="the same again, when the pass has ended") from error
        for at in range(0, len(digests), WIDTH):
            each = digests[at : at + WIDTH]
            (twice if each in seen else seen).add(each)
    return frozenset(twice)
