"""A folder's names, one after the other, and nothing else: the least that any scan can cost."""

from __future__ import annotations

import os


def count(folder: str) -> int:
    """How many names there are in *folder*."""
    found = 0
    with os.scandir(folder) as entries:
        for _entry in entries:
            found += 1
    return found
