"""Receipts hold what plans read of them, or their metadata cannot be read: no pass stumbles over them."""

from collections.abc import Mapping
from typing import Any

import pytest

from reconciler.errors import BadMetadata
from reconciler.model.identity import BatchName
from reconciler.model.record import Record
from reconciler.workspace import metadata
from reconciler.workspace.receipt_fields import read_receipts

SOUND: dict[str, Any] = {
    "process-output": {
        "processor": "a.py:f/1",
        "unhandled": {"requests": 1, "ids": "0f", "told": "1 broken"},
    },
    "process-errors": {"attention": ["0f"], "never": [], "again": ["ff"], "faults": ["KeyError"]},
    "change-requests": {
        "by": {"over-length": "a.py:f/1"},
        "named": {"over-length": "/a.py:f"},
        "kept": [{"why": "no", "attention": True, "ids": ["1"]}],
        "lines": None,
    },
    "of-a-later-version": {"anything": [1, {}]},
}


def test_receipts_that_are_sound_are_read() -> None:
    """They come back as they are, whatever else stands in them."""
    assert read_receipts(SOUND) == SOUND
    assert read_receipts({"process-output": {"unhandled": {}}}) == {"process-output": {"unhandled": {}}}


@pytest.mark.parametrize(
    "odd",
    [
        5,
        {"process-errors": 5},
        {"process-output": {"processor": 5}},
        {"process-output": {"named": 5}},
        {"process-errors": {"provider": ["a"]}},
        {"change-requests": {"by": ["a"]}},
        {"change-requests": {"by": {"over-length": 5}}},
        {"change-requests": {"by": {"a-class-of-a-later-version": "x/1"}}},
        {"change-requests": {"by": {}, "named": {"over-length": 5}}},
        {"change-requests": {"by": {}, "named": "a"}},
        {"process-errors": {"named": {}}},
        {"change-requests": {"lines": 5}},
        {"change-requests": {"lines": {"sha256": "0"}}},
        {"process-errors": {"attention": 5}},
        {"process-errors": {"attention": ["zz"]}},
        {"process-errors": {"never": [5]}},
        {"process-errors": {"faults": {}}},
        {"process-errors": {"faults": [5]}},
        {"process-output": {"unhandled": 5}},
        {"process-output": {"unhandled": {"requests": 1}}},
        {"process-output": {"unhandled": {"requests": "1", "ids": "0"}}},
        {"process-output": {"unhandled": {"requests": 1, "ids": "zz"}}},
        {"change-requests": {"kept": {}}},
        {"change-requests": {"kept": [5]}},
        {"change-requests": {"kept": [{"why": "no", "attention": True}]}},
        {"change-requests": {"kept": [{"why": "no", "attention": 1, "ids": []}]}},
        {"change-requests": {"kept": [{"why": 5, "attention": True, "ids": []}]}},
        {"change-requests": {"kept": [{"why": "no", "attention": True, "ids": [5]}]}},
    ],
)
def test_odd_receipts_are_told_of_one_batch(odd: Any) -> None:
    """Metadata that holds them is refused, so that its batch stays and the others go on."""
    with pytest.raises((TypeError, ValueError, KeyError)):
        read_receipts(odd)
    if isinstance(odd, Mapping) and all(isinstance(each, Mapping) for each in odd.values()):
        name = BatchName("1")
        document = metadata.encode(Record(name, receipts=odd))
        with pytest.raises(BadMetadata):
            metadata.decode(document, "workdir/batch_metadata_1.jsonl", name)
