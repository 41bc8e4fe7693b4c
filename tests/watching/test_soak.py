"""Hours of a watcher that is killed every half minute: nothing is lost or doubled, and nothing piles up."""

from pathlib import Path
from typing import Any, BinaryIO

import attrs
import pytest

from tests.watching.counting import Outcome
from tests.watching.soak import DRIFT, Rest, Soak, Soaked, soak
from tests.workspaces import scratch


@pytest.mark.parametrize(
    ("hours", "requests", "seed"),
    [(0.5, 10, 1), *(pytest.param(6, 100, seed, marks=pytest.mark.slow) for seed in (2, 3))],
)
def test_a_soak_loses_doubles_and_leaks_nothing(hours: float, requests: int, seed: int) -> None:
    """After each stretch as many files are open as before, and at the end all requests are answered once."""
    with scratch() as folder:
        found = soak(folder / "w", hours, requests=requests, seed=seed)

    end = found.outcome
    assert (end.lost, end.doubled) == (0, 0), (seed, found)
    assert max(end.descriptors, found.opened) <= 0, (seed, found)
    assert end.dropped >= 13 * hours
    assert end.kills - found.looked > 30 * hours


NOTHING = Outcome(dropped=0, lost=0, doubled=0, in_doubt=0, kills=0, passes=0, descriptors=0)


class Leaking(Soak):
    """A life in which each kill leaves an open file and a mebibyte behind, until it ends."""

    def __init__(self, *args: Any, **more: Any) -> None:
        super().__init__(*args, **more)
        self.left: list[tuple[BinaryIO, bytes]] = []

    def live(self) -> None:
        """Live, and clean up."""
        super().live()
        while self.left:
            self.left.pop()[0].close()

    def died(self, at: str) -> None:
        """Leave something behind."""
        super().died(at)
        self.left.append((Path("/dev/null").open("rb"), b"x" * (1 << 20)))  # noqa: SIM115 - left open


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="memory and open files are read in /proc")
def test_what_leaks_is_seen() -> None:
    """Where each kill leaves a file open and memory behind, the figures of the soak say so."""
    with scratch() as folder:
        found = soak(folder / "w", 0.4, requests=3, life=Leaking)

    assert found.outcome.kills > 5
    assert found.opened > 0
    assert found.drift > DRIFT


def test_what_grows_is_told() -> None:
    """Twice the effects a batch late in life are told, thrice the time of one, a file, a tenth of memory."""
    rest = Rest(
        hours=0, batches=0, kills=0, passes=9, changes=10, seconds=1, descriptors=3, resident=100, objects=9
    )
    early = [attrs.evolve(rest, batches=n) for n in range(1, 7)]
    late = [attrs.evolve(rest, batches=n, changes=20, seconds=6.0) for n in range(7, 13)]
    late[3] = attrs.evolve(late[3], descriptors=4, resident=110)

    found = Soaked(NOTHING, 0, early + late)

    assert found.growth == pytest.approx((2, 3))
    assert found.opened == 1
    assert found.drift == pytest.approx(0.1)
