"""
The power may be cut at any moment: what was not synced is lost, torn or kept, and nothing is broken by it.

A kill cannot show that a sync is missing; this can.
"""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import attrs
import pytest

from reconciler.engine import reconcile
from reconciler.model.policy import LOCAL
from reconciler.session import Options
from reconciler.testing import FakeProvider
from tests.crashing import asked, end_state
from tests.proof.disk import Recorder, State
from tests.proof.power import CASES, Cutting, cuts_of, hold, online_cuts, sweep, sweep_after_kills
from tests.scenarios import SCENARIOS, fresh
from tests.stopping import PROVIDERS, begun, whole
from tests.workers import Noted, plugged
from tests.workspaces import answered, put, request, run, settings

SOME = 16
"""States that a normal run tries of each scenario; a slow one tries all."""
KILLS: Final = 4
"""Kills that a normal run tries of each scenario, with as many states of the pass after each."""


@pytest.mark.parametrize("case", CASES)
def test_the_power_is_cut(case: str) -> None:
    """Whatever a cut leaves keeps every promise, and three passes reach the end of a run without one."""
    moments, tried = sweep(case, SOME)
    assert moments > 10
    assert tried >= min(SOME, 8)


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES)
def test_the_power_is_cut_anywhere(case: str) -> None:
    """The same for every state of every moment."""
    sweep(case)


@pytest.mark.parametrize("case", CASES)
def test_the_power_is_cut_after_a_kill(case: str) -> None:
    """What a killed pass did not sync may be lost in the next, which relies on it: nothing is broken."""
    assert sweep_after_kills(case, KILLS) >= KILLS


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES)
def test_the_power_is_cut_after_every_kill(case: str) -> None:
    """The same for more kills of each scenario, and more states of the pass after each."""
    sweep_after_kills(case, 25)


@pytest.mark.parametrize("provider", ["openai", "anthropic"])
def test_the_power_is_cut_online(provider: str, fake_provider: FakeProvider) -> None:
    """Sent, asked for and fetched: whatever a cut leaves, it is paid for once and comes to the same end."""
    online_cuts(provider, fake_provider, SOME)


@pytest.mark.slow
@pytest.mark.parametrize("provider", PROVIDERS)
def test_the_power_is_cut_anywhere_online(provider: str, fake_provider: FakeProvider) -> None:
    """The same for more states, at every provider."""
    online_cuts(provider, fake_provider, 300)


@attrs.define
class Unsynced(Recorder):
    """A recorder that begins with nothing synced but names, and looks when a batch gets its folder."""

    missing: list[str] = attrs.field(factory=list)
    folders_seen: int = 0

    def __call__(self, change: str, path: str) -> None:
        """Look at what stands in the folder that gets its name now."""
        self.catch_up()
        if (change, path) == ("rename", "done/1"):
            self.folders_seen += 1
            for each in (self.root / "done/.staging-1").iterdir():
                if self.safe.get(each.stat().st_ino) != each.read_bytes():
                    self.missing.append(each.name)


def test_what_users_wrote_is_synced_before_it_moves(tmp_path: Path) -> None:
    """Whoever wrote a file of the batch: all of it is on disk before its folder gets its name in `done/`."""
    put(tmp_path / "w", "1", input=[request(0)], output=[answered(0)])
    recorder = Unsynced(tmp_path / "w")
    recorder.safe.clear()
    run(tmp_path / "w", tap=recorder)
    assert recorder.folders_seen == 1
    assert recorder.missing == []


@attrs.define
class Sent(Recorder):
    """A recorder that begins with nothing synced but names, and looks when the first thing leaves."""

    on_disk: list[bool] = attrs.field(factory=list)

    def __call__(self, change: str, _path: str) -> None:
        """Look at the input when something is sent, here or to a provider."""
        self.catch_up()
        if change == "live-open" or change.startswith("POST "):
            asked = self.root / "workdir/batch_input_1.jsonl"
            self.on_disk.append(self.safe.get(asked.stat().st_ino) == asked.read_bytes())


@pytest.mark.parametrize("provider", ["openai", "anthropic"])
def test_what_users_wrote_is_synced_before_it_is_sent(provider: str, fake_provider: FakeProvider) -> None:
    """What was paid for must not have lost its questions: an input is on disk before any of it leaves."""
    with begun(provider, fake_provider) as online:
        recorder = Sent(online.root)
        recorder.safe.clear()
        whole(attrs.evolve(online, tap=recorder, syncs=recorder.synced))
    assert recorder.on_disk
    assert all(recorder.on_disk)


def test_what_users_wrote_is_synced_before_it_is_answered_here(tmp_path: Path) -> None:
    """The same where a worker on this machine is called."""
    put(tmp_path / "w", "1", input=[request(0)])
    recorder = Sent(tmp_path / "w")
    recorder.safe.clear()
    options = Options(plugged=plugged(Noted(tmp_path / "calls")), tap=recorder, syncs=recorder.synced)
    reconcile(str(tmp_path / "w"), settings(provider=LOCAL, settle_seconds=0.0), options)
    assert recorder.on_disk == [True]


@attrs.define
class Lying(Cutting):
    """A disk that says it has synced, and has not."""

    def synced(self, opened: Sequence[int]) -> None:
        """Do nothing."""
        self.cut(f"before a sync of {len(opened)} that is none")


def test_a_missing_sync_shows() -> None:
    """Without syncs there are cuts that break a promise: the sweep is able to find them."""
    scenario = SCENARIOS["first-pass"]
    wanted, _ = end_state(scenario)
    with fresh(scenario) as root:
        before = dict(asked(root))
        lying = Lying(root)
        scenario.act(root, lying)
        lying.cut("at the end")
    broken = 0
    for cut in lying.cuts:
        try:
            hold(scenario, cut, wanted, before)
        except AssertionError:
            broken += 1
    assert broken > 0


def test_one_run_is_like_another() -> None:
    """The moments of a scenario and what a cut leaves at each come to the same every time."""
    first, second = (cuts_of(SCENARIOS["retry-missing"]) for _ in range(2))
    assert first[1] == second[1]
    assert [(cut.moment, cut.what, cut.state.how) for cut in first[0]] == [
        (cut.moment, cut.what, cut.state.how) for cut in second[0]
    ]


def contents(states: Sequence[State]) -> set[tuple[tuple[str, bytes | None], ...]]:
    """What the states hold, without inodes."""
    return {tuple((path, data) for path, _, data in state.files) for state in states}


def test_what_a_cut_leaves_of_a_new_file(tmp_path: Path) -> None:
    """A name may be lost with all its content; or stand there with none, half or all of it."""
    recorder = Recorder(tmp_path)
    (tmp_path / "a").write_bytes(b"1234")
    assert contents([*recorder.states()]) == {
        (),
        (("a", b""),),
        (("a", b"12"),),
        (("a", b"1234"),),
    }


def test_what_a_sync_keeps(tmp_path: Path) -> None:
    """Content lasts from the sync of its file on, a name from that of its folder on, a rename as a whole."""
    recorder = Recorder(tmp_path)
    path = tmp_path / "a"
    path.write_bytes(b"1234")
    with path.open("rb") as file:
        recorder.synced([file.fileno()])
    assert contents([*recorder.states()]) == {(), (("a", b"1234"),)}
    path.rename(tmp_path / "b")
    assert contents([*recorder.states()]) == {(), (("a", b"1234"),), (("b", b"1234"),)}
    with_folder(recorder, tmp_path)
    assert contents([*recorder.states()]) == {(("b", b"1234"),)}


def test_what_was_synced_and_is_written_anew(tmp_path: Path) -> None:
    """Of a line that was appended to a synced file there is nothing, half or all; the rest stays."""
    (tmp_path / "a").write_bytes(b"12")
    recorder = Recorder(tmp_path)
    with (tmp_path / "a").open("ab") as file:
        file.write(b"3456")
    assert contents([*recorder.states()]) == {(("a", data),) for data in (b"12", b"1234", b"123456")}


def with_folder(recorder: Recorder, folder: Path) -> None:
    """Sync a folder."""
    opened = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        recorder.synced([opened])
    finally:
        os.close(opened)
