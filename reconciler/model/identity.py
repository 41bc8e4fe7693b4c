"""
Names of batches and of the files that belong to them.

Pure. A name is taken whole: `7_part2` has nothing to do with `7`.
"""

from __future__ import annotations

import enum
import re
import unicodedata
from collections.abc import Iterable
from typing import Final, NewType, cast

from reconciler.native import NATIVE, Native

BatchName = NewType("BatchName", str)

# What we append ourselves (.r<k> for a child, .q<n> for a dismissed twin) comes on top of the 90 characters:
# the longest name still has children.
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,89}(?:\.[rq][0-9]{1,9}){0,3}", re.ASCII)
_LEAF: Final = re.compile(rf"{_NAME.pattern}\.jsonl", re.ASCII)
_CHILD: Final = re.compile(r"(?P<root>.+)\.r(?P<k>[0-9]+)", re.ASCII)


class Role(enum.StrEnum):
    """Which file of a triple; METADATA is the record beside it."""

    INPUT = "input"
    OUTPUT = "output"
    ERROR = "error"
    METADATA = "metadata"

    __hash__ = str.__hash__  # that of Enum is a Python function, and a pass looks roles up by the million


ANSWERS: Final = (Role.OUTPUT, Role.ERROR)
"""The roles that hold answers, in the order in which they are read."""

_FILE: Final = re.compile(r"batch_(input|output|error|metadata)_(.+)\.jsonl", re.DOTALL)
_SUFFIX: Final = len(".jsonl")

BITS: Final = {role: 1 << at for at, role in enumerate(Role)}
"""A bit for each role, so that a set of roles is a small number."""
_BIT_OF: Final[dict[str, int]] = {role.value: bit for role, bit in BITS.items()}


def parse_name(text: str) -> BatchName | None:
    """The name when *text* is one, else None."""
    return BatchName(text) if _NAME.fullmatch(text) else None


def file_name(role: Role, name: str) -> str:
    """The file that holds *role* of the batch *name*, without a folder."""
    return f"batch_{role.value}_{name}.jsonl"


def parse_file_name(text: str) -> tuple[Role, BatchName] | None:
    """Role and batch of a file name, or None when it is not one of ours."""
    found = _FILE.fullmatch(text)
    if found is None:
        return None
    name = parse_name(found[2])
    return None if name is None else (Role(found[1]), name)


def parse_file_names(
    names: list[str], native: Native | None = NATIVE
) -> tuple[dict[BatchName, int], list[str]]:
    """
    What `parse_file_name` says of many names, grouped by batch.

    Args:
        names: The names of files.
        native: The C code that looks at them first, None where Python does it all.

    Returns:
        The roles of each batch as a sum of `BITS`, and the names that are not ours.
    """
    if native is None:
        return _parsed(names)
    batches, left = cast("tuple[dict[BatchName, int], list[str]]", native.group_names(names))
    if left:
        more, left = _parsed(left)
        for name, bits in more.items():
            batches[name] = batches.get(name, 0) | bits
    return batches, left


def _parsed(names: Iterable[str]) -> tuple[dict[BatchName, int], list[str]]:
    """
    The same in Python.

    A folder may hold hundreds of thousands of names: each is cut once, and each batch is checked once.
    """
    found: dict[str, int] = {}
    others: list[str] = []
    bit_of, roles_of = _BIT_OF.get, found.get
    for text in names:
        try:
            head, role, leaf = text.split("_", 2)
        except ValueError:
            others.append(text)
            continue
        bit = bit_of(role)
        if bit is None or head != "batch":
            others.append(text)
        else:
            found[leaf] = roles_of(leaf, 0) | bit
    check = _LEAF.fullmatch
    batches = {BatchName(leaf[:-_SUFFIX]): bits for leaf, bits in found.items() if check(leaf)}
    if len(batches) < len(found):
        wrong = ((leaf, bits) for leaf, bits in found.items() if not check(leaf))
        others += [
            f"batch_{role}_{leaf}" for leaf, bits in wrong for role, bit in _BIT_OF.items() if bits & bit
        ]
    return batches, others


def fold(name: str) -> str:
    """The key under which two names clash on a file system that ignores case or normalises."""
    return unicodedata.normalize("NFC", name).casefold()


def lineage_root(name: str) -> BatchName:
    """`7` for `7`, `7.r1` and `7.r2`: children are named from the root."""
    found = _CHILD.fullmatch(name)
    return BatchName(found["root"] if found else name)


def child_number(name: str) -> int:
    """2 for `7.r2`, 0 for a name that is no child's."""
    found = _CHILD.fullmatch(name)
    return int(found["k"]) if found else 0


def child_name(root: str, k: int) -> BatchName:
    """The k-th retry child of a lineage (k counts from 1)."""
    return BatchName(f"{root}.r{k}")
