"""
What stands in receipts, held to what plans read of it: metadata may have been edited by anybody.

Pure. Raises TypeError, ValueError or KeyError as `fields.py` does.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from reconciler.workspace.fields import flag, listed, mapping, text, whole


def read_receipts(found: Any) -> dict[str, Mapping[str, Any]]:
    """Receipts of processors, by operation; each is an object."""
    receipts = {key: mapping(value, f"receipt {key}") for key, value in mapping(found, "receipts").items()}
    for receipt in receipts.values():
        for field, read in _READ.items():
            if receipt.get(field) is not None:
                read(receipt, field)
    return receipts


def _hashes(receipt: Mapping[str, Any], field: str) -> None:
    """Ids, as the hexadecimal digits of their hashes."""
    for each in listed(receipt, field):
        int(text(each, field), 16)


def _texts(receipt: Mapping[str, Any], field: str) -> None:
    """Texts."""
    for each in listed(receipt, field):
        text(each, field)


def _kept(receipt: Mapping[str, Any], field: str) -> None:
    """Requests that a transform has not changed."""
    for each in listed(receipt, field):
        kept = mapping(each, field)
        text(kept["why"], field)
        flag(kept["attention"], field)
        _hashes({"ids": kept["ids"]}, "ids")


def _unhandled(receipt: Mapping[str, Any], field: str) -> None:
    """Answers that could not be handled; where there are none the object is empty."""
    unhandled = mapping(receipt[field], field)
    if unhandled:
        whole(unhandled["requests"], field)
        int(text(unhandled["ids"], field), 16)


_READ: Final[Mapping[str, Callable[[Mapping[str, Any], str], None]]] = {
    "again": _hashes,
    "never": _hashes,
    "attention": _hashes,
    "faults": _texts,
    "kept": _kept,
    "unhandled": _unhandled,
}
"""What a batch stays for, by its receipts."""
