"""Where data sets stand: made once, used again, and removed by the run that made them unless told to stay."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, Self

FORMAT: Final = 1
"""Grows with every change of what the data sets hold, so that an old one is never taken for a new one."""


class Shelf:
    """
    A folder of data sets.

    Args:
        folder: Where it is; None for a temporary folder.
        keep: Leave what was made.
    """

    def __init__(self, folder: Path | None, *, keep: bool) -> None:
        self._keep = keep
        self._temporary = folder is None
        self.root = folder or Path(tempfile.mkdtemp(prefix="reconciler-bench-"))
        self._made: list[Path] = []

    def __enter__(self) -> Self:
        self.root.mkdir(parents=True, exist_ok=True)
        return self

    def __exit__(self, *_error: object) -> None:
        if self._keep:
            if self._temporary:
                print(f"kept in {self.root}", file=sys.stderr)
            return
        for path in self._made:
            shutil.rmtree(path, ignore_errors=True)
        if self._temporary:
            shutil.rmtree(self.root, ignore_errors=True)

    def take(self, name: str, fill: Callable[[Path], None]) -> Path:
        """The workspace *name*, made by *fill* where it is not there yet; a half-made one is made anew."""
        path = self.root / f"{name}-v{FORMAT}"
        if not path.is_dir():
            print(f"making {path} ...", file=sys.stderr)
            partial = path.with_suffix(".partial")
            shutil.rmtree(partial, ignore_errors=True)
            (partial / "workdir").mkdir(parents=True)
            self._made.append(partial)
            fill(partial)
            os.sync()  # or else the first work to sync a file would pay for all of them
            partial.rename(path)
            self._made[-1] = path
        return path

    @contextmanager
    def copy(self, workspace: Path) -> Iterator[Path]:
        """A workspace of hard links to the batch files of another, for works that move them."""
        with tempfile.TemporaryDirectory(prefix="copy-", dir=self.root) as folder:
            live = Path(folder) / "workdir"
            live.mkdir()
            for entry in os.scandir(workspace / "workdir"):
                (live / entry.name).hardlink_to(entry.path)
            yield Path(folder)
