"""
What stands in receipts, held to what plans read of it: metadata may have been edited by anybody.

Pure. Raises TypeError, ValueError or KeyError as `fields.py` does.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from reconciler.model.outcome import ErrorClass
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


def _text(receipt: Mapping[str, Any], field: str) -> None:
    """A text."""
    text(receipt[field], field)


def _named(receipt: Mapping[str, Any], field: str) -> None:
    """What a person types for code; by error class, where code is."""
    found = receipt[field]
    for each in mapping(found, field).values() if "by" in receipt else (found,):
        text(each, field)


def _by(receipt: Mapping[str, Any], field: str) -> None:
    """Code by error class."""
    for failed, name in mapping(receipt[field], field).items():
        ErrorClass(failed)
        text(name, field)


def _lines(receipt: Mapping[str, Any], field: str) -> None:
    """The digest of the lines that a transform has changed."""
    found = mapping(receipt[field], field)
    text(found["sha256"], field)
    whole(found["bytes"], field)


_READ: Final[Mapping[str, Callable[[Mapping[str, Any], str], None]]] = {
    "processor": _text,
    "provider": _text,
    "named": _named,
    "by": _by,
    "lines": _lines,
    "again": _hashes,
    "never": _hashes,
    "attention": _hashes,
    "faults": _texts,
    "kept": _kept,
    "unhandled": _unhandled,
}
"""What plans read, and so what a batch stays for."""
