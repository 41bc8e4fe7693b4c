"""
What shows only where one may mount: a full disk, `done/` on another device, two ways to one folder.

Each of these runs in a process with mounts of its own (`unshare --mount`), which nobody else sees and which
go with it. `python -m tests.proof.outside.mounts NAME` is that process; it is begun by `apart`.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Final

from reconciler.testing import FakeProvider
from tests.proof.outside.process import CASES, Real
from tests.proof.outside.sharing import bound, shared_live
from tests.proof.outside.stops import FAILED, Stops

PAGE: Final = 4096
MEMORY: Final = Path("/dev/shm")  # noqa: S108 - it is mounted anew, for this process alone
ROOT: Final = Path(__file__).resolve().parents[3]
UNSHARE: Final = ("unshare", "--map-root-user", "--mount", "--propagation", "private")
TIMEOUT: Final = 3600


@cache
def why_not() -> str:
    """Why nothing can be mounted here; empty when it can."""
    if shutil.which("unshare") is None or not MEMORY.is_dir():
        return "there is no unshare(1), or no /dev/shm"
    tried = subprocess.run(
        [*UNSHARE, "mount", "-t", "tmpfs", "none", str(MEMORY)], capture_output=True, check=False, text=True
    )
    return "" if tried.returncode == 0 else f"mounts of one's own are not allowed: {tried.stderr.strip()}"


def apart(what: str, *words: str) -> int:
    """
    Do *what* of `DONE` with mounts of its own; how many runs that were.

    Raises:
        AssertionError: A promise is broken; the traceback is that of the other process.
    """
    ran = subprocess.run(
        [*UNSHARE, sys.executable, "-m", "tests.proof.outside.mounts", what, *words],
        capture_output=True,
        check=False,
        text=True,
        cwd=ROOT,
        timeout=TIMEOUT,
    )
    if ran.returncode != 0:
        raise AssertionError(f"{what} {' '.join(words)}: {ran.stderr}")
    return int(ran.stdout.split()[-1])


def mount(*words: str) -> None:
    """Mount something, for this process and those that it begins."""
    subprocess.run(["mount", *words], check=True)


def full(case: str, *pages: str) -> int:
    """The command on a disk on which only so many pages of 4 KB are free; then there is room again."""
    with FakeProvider() as fake:
        stops = Stops(case, fake)
        for free in map(int, pages):
            mount("-t", "tmpfs", "-o", "size=8m", "none", str(MEMORY))
            when = f"{case}, {free * 4} KB free"
            with stops.case.make(fake) as real:
                used = os.statvfs(MEMORY)
                size = (used.f_blocks - used.f_bfree) * used.f_frsize + free * PAGE
                mount("-o", f"remount,size={size}", str(MEMORY))
                code, said = real.run()
                assert "Traceback" not in said, f"{when}: {said}"
                assert code in FAILED, f"{when}: {code}: {said}"
                stops.case.sound(real, when)
                mount("-o", "remount,size=8m", str(MEMORY))
                stops.hold(real, when)
            subprocess.run(["umount", str(MEMORY)], check=True)
    return len(pages)


def small(case: str, passes: str) -> int:
    """The command in a file system of 64 KB as a whole, too small for the case: nothing is lost in it."""
    mount("-t", "tmpfs", "-o", "size=64k", "none", str(MEMORY))
    with FakeProvider() as fake, CASES[case].make(fake) as real:
        for _ in range(int(passes)):
            code, said = real.run()
            assert "Traceback" not in said, said
            assert code in FAILED, f"{code}: {said}"
            CASES[case].sound(real, f"{case} in 64 KB")
    return int(passes)


def elsewhere(case: str, some: str) -> int:
    """`done/` on another device: killed at some of its calls, the command comes to the same end."""
    with FakeProvider() as fake:
        wanted = Stops(case, fake).wanted

        @contextlib.contextmanager
        def moved(real: Real) -> Iterator[None]:
            done = real.root / "done"
            done.mkdir(mode=0o700)
            mount("-t", "tmpfs", "-o", "size=8m", "none", str(done))
            assert done.stat().st_dev != real.root.stat().st_dev
            try:
                yield
            finally:
                subprocess.run(["umount", str(done)], check=True)

        stops = Stops(case, fake, moved)
        assert stops.wanted == wanted
        return stops.sweep("KILL", int(some) or None)


DONE: Final[Mapping[str, Callable[..., int]]] = {
    "full": full,
    "small": small,
    "elsewhere": elsewhere,
    "bound": bound,
    "shared-live": shared_live,
}


if __name__ == "__main__":
    print(DONE[sys.argv[1]](*sys.argv[2:]))  # noqa: T201 - what `apart` reads
