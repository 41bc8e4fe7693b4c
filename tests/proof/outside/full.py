"""The proofs from outside in full, as `python -m tests.proof outside` runs them."""

from __future__ import annotations

from typing import Final

from reconciler.testing import FakeProvider
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
            failed += sum(stops.failures(sticky=sticky, some=FAILURES) for sticky in (False, True))
            stood_still(stops)
            for blocks in range(BLOCKS if some is None else 1):
                for deadly in (False, True):
                    limited(stops, blocks, deadly=deadly)
                    files += 1
    disks = sum(
        mounts.apart("full", name, *PAGES) for name in ("settle", "local", "send-openai", "fetch-openai")
    )
    disks += sum(mounts.apart("small", name) for name in ("settle", "local"))
    moved = sum(mounts.apart("elsewhere", name, str(some or 0)) for name in ("settle", "fetch-openai"))
    return (
        f"{len(CASES)} cases: {killed} kills, {asked} SIGTERMs, {failed} failed calls, "
        f"{len(CASES)} lock holders stopped, {files} runs under ulimit -f, "
        f"{disks} on full disks, {moved} kills with done/ elsewhere"
    )
