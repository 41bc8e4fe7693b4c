"""Names for batches that come in numbers: of a file that is split, of a registry that is imported."""

from __future__ import annotations

from typing import Final

from reconciler.errors import UsageError
from reconciler.model.identity import BatchName, lineage_root, parse_name
from reconciler.workspace.reading import locate

LONGEST: Final = 80
"""Characters of a prefix, so that every number fits behind it."""


def prefix_of(path: str) -> str:
    """The name of a file, as the beginning of names of batches."""
    leaf = locate(path)[0].rpartition("/")[2]
    for ending in (".jsonl", ".ndjson", ".json", ".txt", ".csv"):
        if leaf.endswith(ending):
            leaf = leaf.removesuffix(ending)
            break
    return clean_name(leaf) or "batch"


def clean_name(text: str) -> str:
    """*text* with what no name of a batch may hold replaced; maybe empty."""
    kept = "".join(each if each.isascii() and (each.isalnum() or each in "._-") else "-" for each in text)
    return kept.lstrip("._-")[:LONGEST]


def counted_names(prefix: str, count: int) -> list[BatchName]:
    """
    The names, in order: they sort as they are counted.

    Raises:
        UsageError: The prefix cannot begin a name.
    """
    width = max(2, len(str(count)))
    names = [parse_name(f"{prefix}_{number:0{width}}") for number in range(1, count + 1)]
    found = [name for name in names if name is not None and lineage_root(name) == name]
    if len(prefix) > LONGEST or len(found) != count:
        told = f"{prefix!r:.100} cannot begin the name of a batch"
        raise UsageError(told, hint=f"--name takes letters, digits, . _ -; at most {LONGEST} characters")
    return found
