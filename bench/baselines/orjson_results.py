"""The results file of one batch, in input order, written with orjson: every line is decoded whole."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import orjson

from bench.baselines.records import record_of

BUFFER: Final = 1 << 20


def write_results(asked: Path, answers: Sequence[Path], batch: str, target: Path) -> str:
    """
    Write *target*, whole and on disk under its name.

    Args:
        asked: The input, which gives the order.
        answers: The answer files; the ids are known to match.
        batch: The name of the batch.
        target: The results file.

    Returns:
        Its SHA-256.
    """
    found = {}
    for path in answers:
        with path.open("rb", buffering=BUFFER) as lines:
            for line in lines:
                record = record_of(orjson.loads(line), batch)
                found[record["custom_id"]] = orjson.dumps(record) + b"\n"
    temporary = target.with_suffix(".tmp")
    hasher = hashlib.sha256()
    with asked.open("rb", buffering=BUFFER) as lines, temporary.open("wb", buffering=BUFFER) as out:
        for line in lines:
            data = found[orjson.loads(line)["custom_id"]]
            hasher.update(data)
            out.write(data)
        out.flush()
        os.fsync(out.fileno())
    temporary.replace(target)
    return hasher.hexdigest()
