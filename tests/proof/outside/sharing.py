"""Several ways to one folder: links, bind mounts, two workspaces over one live folder."""

from __future__ import annotations


def bound() -> int:
    """Later."""
    return 0


def shared_live() -> int:
    """Later."""
    return 0
