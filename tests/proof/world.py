"""
A simulated world: a workspace that can lose its power, a provider, time, and chance from one seed.

The engine in it is the real one, with real files in memory and real calls over loopback. Time stands still
until somebody waits; tokens and every other number that would differ from run to run come from the seed. All
that happens is written down, so that two runs of one seed can be compared byte for byte.
"""

from __future__ import annotations

import hashlib
import os
import random
import re
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import attrs

from reconciler import engine, resuming
from reconciler.errors import ReconcilerError, WorkspaceLocked
from reconciler.model.report import Report
from reconciler.providers.http import Http
from reconciler.testing import FakeProvider
from reconciler.workspace.effects import Effects
from reconciler.workspace.layout import LOCK
from tests import workspaces
from tests.proof.fortunes import Fortunes
from tests.proof.moments import Moment, Simulated
from tests.proof.users import Users
from tests.stopping import PROVIDERS, client_of
from tests.workspace.faults import Crash
from tests.workspaces import scratch, tree

START: Final = 1_800_000_000.0
"""When every world begins, in Unix seconds."""

QUIET: Final = 5.0
"""`settle_seconds`: how long an input has to stand still before it is sent."""

OUTPUT: Final = 9
"""Tokens that a request of these worlds may be answered with."""

UNIT: Final = 4_500_000
"""Nano-dollars that one request may cost, at the batch price."""

PRICES: Final = "".join(
    f'[prices.{name}."*"]\ninput = 0\noutput = 1000\nmost = {OUTPUT}\n' for name in PROVIDERS
)

_PORT: Final = re.compile(rb"127\.0\.0\.1:[0-9]+")


class World:
    """
    One world; see `begin`.

    Args:
        root: Where the workspace is made.
        fake: The provider.
        room: Makes its calls.
        provider: Its name.
        seed: For tokens.
    """

    def __init__(self, root: Path, fake: FakeProvider, room: Http, provider: str, seed: int) -> None:
        self.fake = fake
        self.root = root
        self.provider = provider
        self.tokens = random.Random(f"tokens {seed}")
        self.users = Users(root, fake, provider, self.note)
        self.fortunes = Fortunes(fake)
        self.full = False
        self.held: tuple[dict[str, bytes], set[str]] | None = None
        """What lay there, and what users had in hand, when it was last held to what its files can show."""
        self.sent = False
        """Whether the last pass has made a batch."""
        self.unread: set[Path] = set()
        """What users had changed or taken away when the last pass came."""
        self.over: dict[str, int] = {}
        """How often each request was sent whose time limit has ended it."""
        self.released: set[str] = set()
        """Batches that a person has let go, whatever became of their samples."""
        self.report: Report | None = None
        self.log: list[str] = []
        (root / "workdir").mkdir(parents=True)
        self.online = Simulated(
            root,
            fake,
            client_of(provider, fake),
            flags={"settle_seconds": QUIET, "files": (("user", PRICES),), **_limit(seed), **_room(seed)},
            room=room,
            token=lambda: self.tokens.randbytes(16).hex(),
        )

    def lift(self, limit: str) -> None:
        """A person takes a limit away, so that what it has held goes."""
        self.online.flags = {key: value for key, value in self.online.flags.items() if key != limit}

    def wait(self, seconds: float) -> None:
        """Time goes on, or back."""
        self.users.go_on(seconds)
        self.note(f"time {seconds}")

    # --- passes ---------------------------------------------------------------------------------------------

    def run(
        self,
        stop: int = 0,
        failure: Callable[[], BaseException] = Crash,
        cut: random.Random | None = None,
        *,
        fills: bool = False,
    ) -> bool:
        """
        One pass.

        Args:
            stop: At which of its effects it is stopped; 0 for none.
            failure: By what.
            cut: The power goes too, and this chooses what is left; None leaves all of it.
            fills: The disk gets full there instead, and stays so.

        Returns:
            Whether it was stopped by the end of its process.
        """
        moment = Moment(
            self.root, stop=stop, failure=failure, cut=cut is not None, full=self.full, fills=fills
        )
        before, self.unread = len(self.fake.batches), {*self.users.touched}
        died = self._pass(moment)
        self.full = moment.full
        self.sent = len(self.fake.batches) > before
        if died and cut is not None:
            self._lose_power(moment, cut)
        self.note(f"pass stop={stop} died={died}", moment.seen)
        return died

    def _pass(self, moment: Moment) -> bool:
        """A pass with this tap; gives whether its process died."""
        online = attrs.evolve(self.online, tap=moment, syncs=moment.synced)
        self.report = None
        try:
            options = attrs.evolve(online.options, pause=self.users.go_on)
            self.report = engine.reconcile(str(self.root), online.settings(), options)
        except Crash:
            return True
        except (ReconcilerError, OSError) as error:
            self.note(f"ended by {type(error).__name__}")
        return False

    def _lose_power(self, moment: Moment, cut: random.Random) -> None:
        """What was not synced is lost, in one of the ways that a cut allows."""
        state = cut.choice([*moment.states()])
        # The times of what users wrote are theirs, and no cut brings them back to life as younger files.
        times = {path: path.stat().st_mtime for path in self.root.glob("workdir/batch_*") if path.is_file()}
        for each in self.root.iterdir():
            shutil.rmtree(each) if each.is_dir() else each.unlink()
        state.build(self.root)
        for path, time in times.items():
            if path.exists():
                os.utime(path, (time, time))
        self.note(f"cut: {state.how}")

    def race(self, at: int) -> None:
        """A second reconciler begins a pass when another is at one of its effects; one of the two works."""
        moment = Moment(self.root, stop=at, full=self.full, meanwhile=lambda: self._second(moment))
        self._pass(moment)
        self.note(f"race at={at}", moment.seen)

    def _second(self, first: Moment) -> None:
        before, calls = workspaces.files(self.root), len(self.fake.calls)
        second = attrs.evolve(self.online, tap=Moment(self.root, full=self.full))
        try:
            engine.reconcile(str(self.root), second.settings(), second.options)
        except WorkspaceLocked:
            assert workspaces.files(self.root) == before, "a second reconciler changed something"
            assert len(self.fake.calls) == calls, "a second reconciler called the provider"
        except (ReconcilerError, OSError) as error:
            self.note(f"second ended by {type(error).__name__}")
        else:
            taken = [each.startswith("lock ") for each in first.seen[:-1]]
            assert not any(taken), f"two reconcilers at once: {first.seen}"
        finally:
            if self.online.room is not None:
                self.online.room.tap = first

    def locked_out(self) -> None:
        """Somebody else holds the lock all the while: a pass says so, and changes nothing."""
        fx = Effects(str(self.root))
        try:
            with fx.lock(LOCK):
                self._second(Moment(self.root, seen=["lock .reconciler/lock", "held"]))
        finally:
            fx.close()
        self.note("locked out")

    def resume(self) -> None:
        """A person lets batches be sent again to where others were refused, and those that a sample holds."""
        self.released |= self.users.after.keys()
        if (self.root / ".reconciler" / "walls").exists() or self.users.after:
            resuming.resume(str(self.root), self.online.settings(), self.online.options)

    # --- what happened --------------------------------------------------------------------------------------

    def note(self, what: str, more: Sequence[str] = ()) -> None:
        """Write down what happened, and all that lies there now."""
        found = hashlib.sha256()
        for path, data in tree(self.root).items():
            found.update(path.encode() + b"\0" + _PORT.sub(b"", data) + b"\0")
        self.log.append("\n".join([f"{self.fake.clock.now:.3f} {what} {found.hexdigest()}", *more]))

    @property
    def digest(self) -> str:
        """Equal for equal worlds, from their first moment on."""
        return hashlib.sha256("\n".join(self.log).encode()).hexdigest()


def _limit(seed: int) -> dict[str, float]:
    """The limit of cost of a world: none, or room for a few requests at a time."""
    return {} if seed % 3 == 0 else {"max_cost_usd": (3 + seed % 5) * UNIT / 10**9}


def _room(seed: int) -> dict[str, int]:
    """How many batches may be at the provider at once: as many as come, or one or two."""
    return {} if seed % 4 else {"max_in_flight": 1 + seed // 4 % 2}


@contextmanager
def begin(provider: str, seed: int, fake: FakeProvider) -> Iterator[World]:
    """A world in which nothing has happened yet; forgets all that the fake provider knew."""
    fake.reset()
    fake.clock.advance(START - fake.clock.now)
    chance = random.Random(f"calls {seed}")

    with scratch() as folder:
        worlds: list[World] = []
        room = Http(
            lambda seconds, _stopping: worlds[0].users.go_on(seconds),
            chance=chance.random,
            now=lambda: fake.clock.now,
            clock=lambda: fake.clock.now,
        )
        with room:
            worlds.append(World(folder / "w", fake, room, provider, seed))
            yield worlds[0]
