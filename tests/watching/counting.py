"""What came of the life of a watched workspace: requests paid for, answers, open files, memory."""

from __future__ import annotations

import ctypes
import gc
import os
import re
import time
from collections import Counter
from collections.abc import Iterable
from http.client import HTTPConnection
from pathlib import Path

import attrs

from reconciler.testing import FakeProvider
from reconciler.testing.world import Batch
from tests.workspaces import results


@attrs.frozen
class Outcome:
    """
    How a life has ended.

    Attributes:
        dropped: Batches that users have put there.
        lost: Requests of them that have no answer in the end.
        doubled: Requests that were paid for twice.
        in_doubt: Batches that were held until a person decided.
        kills: How often the watcher died.
        passes: Passes that watchers made.
        descriptors: Open files at the end, less those at the beginning.
    """

    dropped: int
    lost: int
    doubled: int
    in_doubt: int
    kills: int
    passes: int
    descriptors: int


def answered_in(root: Path, name: str) -> set[str]:
    """The requests of a batch that have an answer."""
    if not (root / "target" / f"{name}.results.jsonl").exists():
        return set()
    return {row["custom_id"] for row in results(root, name) if row["outcome"] == "answered"}


def paid_twice(batches: Iterable[Batch]) -> int:
    """How many requests stand in the batches of the provider more than once."""
    paid: Counter[bytes] = Counter()
    for batch in batches:
        for _, line in batch.source.lines():
            paid.update(set(re.findall(rb"hi (n\d+-\d+)", line)))
    return sum(count > 1 for count in paid.values())


def served(fake: FakeProvider) -> None:
    """Have the provider's server answer once: what it opens for good is open then."""
    asked = HTTPConnection("127.0.0.1", fake.port)
    asked.request("GET", "/")
    asked.getresponse().read()
    asked.close()


def open_files(expected: int = 0) -> int:
    """How many files this process has open; the provider's server lives here too and closes later."""
    here, ends = Path("/proc/self/fd"), time.monotonic() + 10
    if not here.exists():
        return 0
    while (found := len(list(here.iterdir()))) > expected > 0 and time.monotonic() < ends:
        os.sched_yield()
    return found


def resident() -> int:
    """Bytes of memory that this process holds, after what is free was given back; 0 where nobody tells."""
    gc.collect()
    statm = Path("/proc/self/statm")
    if not statm.exists():
        return 0
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
    return int(statm.read_text("ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE")
