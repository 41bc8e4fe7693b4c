"""The proofs from outside in full, as `python -m tests.proof outside races kills` runs them."""

from __future__ import annotations

from typing import Final

from reconciler.testing import FakeProvider
from tests.proof import races
from tests.proof.outside import mounts, tracing
from tests.proof.outside.limits import limited, stood_still
from tests.proof.outside.process import CASES
from tests.proof.outside.stops import Stops

BLOCKS: Final = 8
PAGES: Final = tuple(map(str, range(16)))
FAILURES: Final = 18
TERMS: Final = 10


def outside(some: int | None) -> str:
    """Everything; of the calls of each case, *some* or all."""
    if tracing.why_not() or mounts.why_not():
        raise AssertionError(tracing.why_not() or mounts.why_not())
    killed = asked = failed = files = 0
    with FakeProvider() as fake:
        for name in CASES:
            stops = Stops(name, fake)
            killed += stops.sweep("KILL", some)
            asked += stops.sweep("TERM", min(some or TERMS, TERMS))
            failures = FAILURES if some is None else some
            failed += sum(stops.failures(sticky=sticky, some=failures) for sticky in (False, True))
            stood_still(stops)
            for blocks in range(BLOCKS if some is None else 1):
                for deadly in (False, True):
                    limited(stops, blocks, deadly=deadly)
                    files += 1
    disks = sum(
        mounts.apart("full", name, *PAGES[:: 1 if some is None else 4])
        for name in ("settle", "local", "send-openai", "fetch-openai")
    )
    disks += sum(mounts.apart("small", name, "3") for name in ("settle", "local"))
    moved = sum(mounts.apart("elsewhere", name, str(some or 0)) for name in ("settle", "fetch-openai"))
    return (
        f"{len(CASES)} cases: {killed} kills, {asked} SIGTERMs, {failed} failed calls, "
        f"{len(CASES)} lock holders stopped, {files} runs under ulimit -f, "
        f"{disks} on full disks, {moved} kills with done/ elsewhere"
    )


def raced(pairs: int) -> str:
    """*pairs* races of two processes, a quarter as many of eight, and a tenth over mounts."""
    if mounts.why_not():
        raise AssertionError(mounts.why_not())
    with FakeProvider() as fake:
        born = sum(races.race(fake, seed, 2) for seed in range(pairs))
        born += sum(races.race(fake, seed, 8) for seed in range(pairs // 4))
    mounted = str(max(pairs // 20, 1))
    apart = mounts.apart("bound", mounted) + mounts.apart("shared-live", mounted)
    return (
        f"{pairs} x 2 and {pairs // 4} x 8 over links: {born} processes; {apart} more over bind mounts, "
        "half of these with two workspaces over one live folder"
    )


def killed(kills: int) -> str:
    """*kills* of passes, and a twentieth more of the command itself."""
    with FakeProvider() as fake:
        passes, workspaces = races.killed(fake, 1, kills)
        commands, more = races.killed_command(fake, 1, kills // 20)
    return f"{passes} kills of passes and {commands} of the command, over {workspaces + more} workspaces"
