"""
Power cuts: stop the power at any moment of a scenario, and mend whatever the disk may hold then.

A scenario is run once under a recorder; at each change, each sync and the end, every state that a cut may
leave there is built in a workspace of its own, which has to keep its promises and to come to the same end as
a run without a fault.
"""

from __future__ import annotations

import contextlib
import json
import random
import shutil
from collections.abc import Sequence
from typing import Final

import attrs

from reconciler.testing import FakeProvider
from tests import stopping
from tests.crashing import asked, end_state, mend, normal, sound
from tests.proof.disk import Recorder, State
from tests.scenarios import SCENARIOS, Scenario, fresh
from tests.stopping import Shared, begun, ending, mended, whole
from tests.workspace.faults import Crash
from tests.workspaces import leftovers, run, scratch

LEDGER: Final = ".reconciler/ledger.jsonl"

CASES: Final = tuple(case for case in SCENARIOS if case != "pass-by-nobody")
"""The scenarios."""


@attrs.frozen
class Cut:
    """One moment of a run, and one state that a cut may leave there."""

    moment: int
    what: str
    state: State

    def __str__(self) -> str:
        return f"cut {self.moment} ({self.what}): {self.state.how}"


@attrs.define
class Cutting(Recorder):
    """
    A recorder that writes down what a cut would leave, at every moment.

    With *dies*, the process is killed before that change, and what counts are the moments of the next one:
    what the first has left without a sync is as unsynced as ever.
    """

    dies: int = 0
    changes: int = 0
    cuts: list[Cut] = attrs.field(factory=list)
    moments: int = 0
    seen: set[str] = attrs.field(factory=set)

    def __call__(self, change: str, path: str) -> None:
        """Before a change."""
        self.changes += 1
        if self.changes > self.dies:
            self.cut(f"before {change} {path}")
            return
        self.catch_up()
        if self.changes == self.dies:
            raise Crash

    def synced(self, opened: Sequence[int]) -> None:
        """Before a sync."""
        if self.changes > self.dies:
            self.cut("before a sync")
        super().synced(opened)

    def cut(self, what: str) -> None:
        """Write down what a cut leaves here, but for what another moment has left."""
        self.moments += 1
        for state in self.states():
            if state.digest not in self.seen:
                self.seen.add(state.digest)
                self.cuts.append(Cut(self.moments, what, state))


def cuts_of(scenario: Scenario, dies: int = 0) -> tuple[list[Cut], int]:
    """Every cut of a scenario, and how many moments it has; with *dies*, of the pass after that kill."""
    with fresh(scenario) as root:
        recorder = Cutting(root, dies=dies)
        with contextlib.suppress(Crash):
            scenario.act(root, recorder)
        if dies:
            run(root, tap=recorder, **scenario.flags)
        recorder.cut("at the end")
        return recorder.cuts, recorder.moments


def hold(scenario: Scenario, cut: Cut, wanted: dict[str, bytes], before: dict[str, int]) -> None:
    """
    Mend one cut.

    Raises:
        AssertionError: A promise is broken, or passes do not come to the same end.
    """
    with scratch() as folder:
        root = folder / "w"
        cut.state.build(root)
        sound(root, str(cut))
        assert asked(root).items() >= before.items(), cut
        mend(scenario, root, wanted)
        assert in_turn(normal(root)) == in_turn(wanted), cut
        assert leftovers(root) == [], cut
        sound(root, f"{cut}, and mended")


def in_turn(files: dict[str, bytes]) -> dict[str, bytes]:
    """The same with history batch by batch: which batch of a group comes to its end first may differ."""
    lines = files.get(LEDGER, b"").splitlines(keepends=True)
    history = sorted(lines, key=lambda line: str(json.loads(line)["batch"]))
    return {**files, LEDGER: b"".join(history)}


def sweep(case: str, some: int | None = None) -> tuple[int, int]:
    """
    Cut the power all over a scenario.

    Args:
        case: Which one.
        some: How many of its states to try, the same in every run; None for all.

    Returns:
        How many moments it has, and how many states were tried.
    """
    scenario = SCENARIOS[case]
    wanted, _ = end_state(scenario)
    with fresh(scenario) as root:
        before = dict(asked(root))
    cuts, moments = cuts_of(scenario)
    if some is not None and some < len(cuts):
        cuts = random.Random(case).sample(cuts, some)
    for cut in cuts:
        hold(scenario, cut, wanted, before)
    return moments, len(cuts)


def sweep_after_kills(case: str, some: int | None = None) -> int:
    """
    Kill a scenario, and cut the power all over the pass that comes then.

    Args:
        case: Which one.
        some: How many kills to try, each with as many states; None for every kill and every state.

    Returns:
        How many states were tried.
    """
    scenario, chance, tried = SCENARIOS[case], random.Random(case), 0
    wanted, changes = end_state(scenario)
    with fresh(scenario) as root:
        before = dict(asked(root))
    kills = range(1, changes + 1)
    for dies in kills if some is None else chance.sample(kills, min(some, changes)):
        cuts, _ = cuts_of(scenario, dies)
        for cut in cuts if some is None else chance.sample(cuts, min(some, len(cuts))):
            hold(scenario, attrs.evolve(cut, what=f"{cut.what}, after a kill at {dies}"), wanted, before)
            tried += 1
    return tried


@attrs.define
class Stopping(Recorder):
    """A recorder that ends the process at one moment, a change or a sync; 0 for none."""

    stop: int = 0
    moments: int = 0

    def __call__(self, _change: str, _path: str) -> None:
        """Before a change, of the disk or at the provider."""
        self._pass()

    def synced(self, opened: Sequence[int]) -> None:
        """Before a sync."""
        self._pass()
        super().synced(opened)

    def _pass(self) -> None:
        self.catch_up()
        self.moments += 1
        if self.moments == self.stop:
            raise Crash


def online_cuts(provider: str, fake: FakeProvider, some: int) -> int:
    """
    Cut the power while a batch is on its way through a provider.

    Args:
        provider: Which one.
        fake: The provider.
        some: How many moments to try, each with one of the states that it may leave.

    Returns:
        How many moments there are.
    """
    with begun(provider, fake) as online:
        recorder = Stopping(online.root)
        whole(tapped(online, recorder))
        mended(online)
        wanted, moments = ending(online), recorder.moments
    chance = random.Random(provider)
    for stop in chance.sample(range(1, moments + 1), min(some, moments)):
        with begun(provider, fake) as online:
            recorder = Stopping(online.root, stop=stop)
            with contextlib.suppress(Crash):
                whole(tapped(online, recorder))
            state = chance.choice([*recorder.states()])
            when = f"{provider}: cut {stop} of {moments}, {state.how}"
            shutil.rmtree(online.root)
            state.build(online.root)
            stopping.sound(online, when)
            batch = mended(online)
            stopping.sound(online, f"{when}, and mended")
            assert fake.calls.count("create") <= 1, when
            if ending(online) != wanted:
                assert batch is not None, when
                stopping.in_doubt(online, batch, when)
            else:
                stopping.settled(online, when)
    return moments


def tapped(online: Shared, recorder: Stopping) -> Shared:
    """The same, under a recorder."""
    return attrs.evolve(online, tap=recorder, syncs=recorder.synced)
