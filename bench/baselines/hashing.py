"""The SHA-256 of files, and nothing else."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path
from typing import Final

BUFFER: Final = 1 << 20


def digests_of(paths: Iterable[Path]) -> dict[str, str]:
    """The digest of each file, by its name."""
    return {path.name: _digest_of(path) for path in paths}


def _digest_of(path: Path) -> str:
    hasher, block = hashlib.sha256(), bytearray(BUFFER)
    with path.open("rb", buffering=0) as stream:
        while size := stream.readinto(block):
            hasher.update(memoryview(block)[:size])
    return hasher.hexdigest()
