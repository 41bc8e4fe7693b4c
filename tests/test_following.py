"""
A sample goes first: what waits for it, what lets it go, and what is paid for.

The real client and the real network against the fake provider; a wait moves its clock and takes no time.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final

import pytest

from reconciler.authoring.adding import add
from reconciler.authoring.items import Item, Wanted, item_of
from reconciler.authoring.parting import Asked
from reconciler.check import check
from reconciler.decide_online import cancel, submit
from reconciler.model.failure import InDoubt
from reconciler.model.report import State
from reconciler.providers.http import Http
from reconciler.resuming import resume
from reconciler.status import status
from reconciler.testing import FakeProvider, Fate
from reconciler.testing.fates import http_error
from reconciler.workspace.effects import Tap, no_tap
from reconciler.workspace.template import create
from tests.online import Online
from tests.stopping import client_of
from tests.workspace.faults import Crash, Trip
from tests.workspaces import ledger, leftovers, record, results, scratch, settings

FIRST: Final = "r-0001"
REST: Final = ("r-0002", "r-0003")
POINTS: Final = 5
"""Changes that a normal run tries of each scenario, the same in every run; a slow one tries all."""

WRONG: Final = Fate(default=http_error(400, "invalid_request_error"))


def items(count: int = 12) -> list[Item]:
    """Prompts of many lengths, for two models."""
    models = ("gpt-4o-mini", "gpt-4o")
    return [item_of(Wanted(models[n % 3 == 0], prompt=f"{'much ' * n}{n}")) for n in range(count)]


def alike(count: int = 10) -> list[Item]:
    """Prompts for one model."""
    return [item_of(Wanted("gpt-4o-mini", prompt=f"question {n}")) for n in range(count)]


@contextmanager
def made(root: Path, fake: FakeProvider, asked: list[Item], share: float = 0.9) -> Iterator[Online]:
    """A workspace whose requests have a canary of four, and one room for the calls of all passes."""
    fake.clock.advance(60)
    create(str(root))
    with Http(lambda seconds, _stop: fake.clock.advance(seconds)) as room:
        online = Online(root, fake, client_of("openai", fake), wire=lambda: room)
        write(online, asked, share)
        yield online


def write(online: Online, asked: list[Item], share: float = 0.9, tap: Tap = no_tap) -> None:
    """Make the inputs."""
    online.tap, before = tap, online.tap
    how = Asked("r", items_per_batch=4, canary=4, share=share)
    try:
        add(str(online.root), settings(), asked, how, online.options)
    finally:
        online.tap = before


def sent(online: Online) -> Counter[str]:
    """How often each request was sent, as history and the inputs have it."""
    known = ("batch.submitted", "batch.adopted")
    names = {each["batch"] for each in ledger(online.root) if each["event"] in known}
    assert len(names) == online.creates()
    return Counter(custom_id for name in names for custom_id in ids_of(online.root, name))


def test_the_rest_follows_what_went_well(tmp_path: Path, fake_provider: FakeProvider) -> None:
    """Only the sample is sent at first; nothing of it is sent again with the rest."""
    with made(tmp_path / "w", fake_provider, alike()) as online:
        first = online.run()
        assert online.creates() == 1
        assert first.exit_code == 75
        assert {first.batch(name).because for name in REST} == {
            "r-0001 goes ahead; it follows once that has settled, with enough valid answers"
        }
        assert online.wait().exit_code == 0
        assert online.creates() == 3
        assert sorted(sent(online).values()) == [1] * 10
        assert check(str(online.root), settings()).findings == []


def test_nobody_waits_for_a_sample_that_needs_a_person(tmp_path: Path, fake_provider: FakeProvider) -> None:
    """A limit of cost holds the sample: `--wait` comes back at once, and so does it while nothing changes."""
    with made(tmp_path / "w", fake_provider, alike()) as online:
        online.flags = {"max_cost_usd": 0.000001}
        began = fake_provider.clock.now
        report = online.wait()
        assert fake_provider.clock.now - began < 600
        assert (report.exit_code, online.creates()) == (3, 0)
        assert report.batch(FIRST).state is State.HELD
        assert {report.batch(name).state for name in REST} == {State.WAITING}


def test_a_sample_that_goes_wrong_holds_the_rest(tmp_path: Path, fake_provider: FakeProvider) -> None:
    """A person is told, with what to type; `--wait` comes back, and nothing more was sent."""
    fake_provider.default(WRONG)
    with made(tmp_path / "w", fake_provider, alike()) as online:
        report = online.wait()
        assert (report.exit_code, online.creates()) == (3, 1)
        held = report.batch(REST[0])
        assert held.state is State.ATTENTION
        assert held.because == "r-0001 went ahead: 0 of 4 valid answers, and 90% were asked for"
        assert f"reconcile submit WORKSPACE {REST[0]}" in held.hint
        seen = status(str(online.root), online.settings(), online.options.plugged)
        assert {row.name: "went ahead" in row.because for row in seen.rows}[REST[1]]


def test_a_person_lets_all_go_or_one_or_none(tmp_path: Path, fake_provider: FakeProvider) -> None:
    """`submit` sends the one that is named, `cancel` drops another for good, `resume` lets the others go."""
    fake_provider.script(WRONG)
    with made(tmp_path / "w", fake_provider, alike(18)) as online:
        online.wait()
        online.decide(submit, "r-0002")
        assert online.creates() == 2
        online.decide(cancel, "r-0003")
        assert {row["error"]["class"] for row in results(online.root, "r-0003")} == {"cancelled"}
        (told,) = [
            line for line in resume(str(online.root), online.settings(), online.options) if "r-0004" in line
        ]
        assert "went ahead" in told
        assert online.wait().exit_code == 0
        assert sum(sent(online).values()) == 18 - 4
        assert resume(str(online.root), online.settings(), online.options) == ()


def test_what_succeeds_when_asked_again_is_valid(tmp_path: Path, fake_provider: FakeProvider) -> None:
    """The retry children of a canary count: the share is drawn once all of it has settled."""
    fake_provider.script(Fate(default=http_error(500)))
    with made(tmp_path / "w", fake_provider, alike(), share=1.0) as online:
        assert online.wait().exit_code == 0
        events = [(each["event"], each["batch"]) for each in ledger(online.root)]
        settled = events.index(("batch.settled", f"{FIRST}.r1"))
        assert all(events.index(("batch.creating", name)) > settled for name in REST)


def test_a_share_is_enough(tmp_path: Path, fake_provider: FakeProvider) -> None:
    """Three of four valid answers are 75 %."""
    bad = {"n": 0}

    def one(_custom_id: str) -> Any:
        bad["n"] += 1
        return http_error(400, "invalid_request_error") if bad["n"] == 1 else None

    for share, code in ((0.75, 0), (0.76, 3)):
        fake_provider.reset()
        bad["n"] = 0
        fake_provider.script(Fate(choose=one))
        with made(tmp_path / str(share), fake_provider, alike(), share=share) as online:
            assert online.wait().exit_code == code, share


def test_a_canary_that_needs_a_person_keeps_nobody_waiting(
    tmp_path: Path, fake_provider: FakeProvider
) -> None:
    """Refused whole at its provider: the rest says so, and `--wait` ends."""
    fake_provider.script(Fate(end="failed"))
    with made(tmp_path / "w", fake_provider, alike()) as online:
        report = online.wait()
        assert (report.exit_code, online.creates()) == (3, 1)
        assert "needs a person" in report.batch(REST[0]).because


def test_a_canary_that_is_gone_lets_nothing_go(tmp_path: Path, fake_provider: FakeProvider) -> None:
    """Somebody has moved its files away: a person decides."""
    with made(tmp_path / "w", fake_provider, alike()) as online:
        for path in (online.root / "workdir").glob(f"batch_*_{FIRST}.jsonl"):
            path.unlink()
        report = online.wait()
        assert (report.exit_code, online.creates()) == (3, 0)
        assert "is not here any more" in report.batch(REST[0]).because


def test_each_kind_waits_for_its_own(tmp_path: Path, fake_provider: FakeProvider) -> None:
    """A sample of each model goes first, and a batch waits for that of its own model."""
    with made(tmp_path / "w", fake_provider, items()) as online:
        live = sorted(path.name[12:-6] for path in (online.root / "workdir").glob("batch_input_*"))
        after = {name: record(online.root, name).get("after", {}).get("batches") for name in live}
        assert [name for name, first in after.items() if first is None] == ["r-0001", "r-0002"]
        models = {name: model_of(online.root, name) for name in live}
        assert all(models[first[0]] == models[name] for name, first in after.items() if first)
        assert online.wait().exit_code == 0
        assert sorted(sent(online).values()) == [1] * 12


def model_of(root: Path, name: str) -> str:
    """The model that the first line of an input names."""
    text = (root / "workdir" / f"batch_input_{name}.jsonl").read_text()
    return text.split('"model":"')[1].split('"')[0]


# Killed


def test_a_canary_appears_last(tmp_path: Path, fake_provider: FakeProvider) -> None:
    """A script that is cut off leaves none alone, whose rest a second run would sample once more."""
    trip = Trip()
    with made(tmp_path / "w", fake_provider, []) as online:
        write(online, alike(), tap=trip)
    named = [path for change, path in trip.seen if "batch_input_" in path and change in ("link", "rename")]
    assert FIRST in named[-1], named


def stop_the_script(fake: FakeProvider, points: int) -> None:
    """Stop the adding before some of its changes, run passes, run the script again, and go on."""
    with scratch() as folder, made(folder / "w", fake, []) as online:
        trip = Trip()
        write(online, alike(), tap=trip)
        wanted = {name: sorted(ids_of(online.root, name)) for name in (FIRST, *REST)}
    every = range(1, len(trip.seen) + 1)
    for point in random.Random(7).sample(every, points) if points else every:
        fake.reset()
        fake.default(WRONG)
        with scratch() as folder, made(folder / "w", fake, []) as online:
            when = f"stopped before {point}: {trip.seen[point - 1]}"
            with suppress(Crash):
                write(online, alike(), tap=Trip(point))
            online.run()
            write(online, alike())
            # Another sample may have been drawn of what was left, and it alone goes.
            found = [custom_id for name in (FIRST, *REST) for custom_id in ids_of(online.root, name)]
            assert sorted(found) == sorted(custom_id for each in wanted.values() for custom_id in each), when
            assert online.wait().exit_code == 3, when
            assert sent(online) == Counter(ids_of(online.root, FIRST)), when


def ids_of(root: Path, name: str) -> list[str]:
    """The ids of an input, live or settled."""
    paths = [*root.glob(f"workdir/batch_input_{name}.jsonl"), *root.glob(f"done/{name}/batch_input_*.jsonl")]
    return [line.split('"custom_id":"')[1].split('"')[0] for line in paths[0].read_text().splitlines()]


def stop_the_passes(fake: FakeProvider, points: int) -> None:
    """Stop passes before some of their changes; the rest goes after the sample all the same, once."""
    trip = Trip()
    for online in stages(fake, trip):
        assert online.creates() == 3
    every = range(1, len(trip.seen) + 1)
    for point in random.Random(8).sample(every, points) if points else every:
        for online in stages(fake, Trip(point)):
            when = f"stopped before {point}: {trip.seen[point - 1]}"
            report = online.wait()
            # A create of which nobody knows whether it left is a person's, as ever; it was never sent here.
            doubtful = [each.name for each in report.batches if isinstance(each.failure, InDoubt)]
            assert report.exit_code == (3 if doubtful else 0), when
            events = [(each["event"], each["batch"]) for each in ledger(online.root)]
            begun = [name for name in REST if ("batch.creating", name) in events]
            if ("batch.settled", FIRST) not in events:
                assert (doubtful, begun) == ([FIRST], []), when
                continue
            settled = events.index(("batch.settled", FIRST))
            assert all(events.index(("batch.creating", name)) > settled for name in begun), when
            assert begun == list(REST), when
            assert set(sent(online).values()) == {1}, when
            assert not leftovers(online.root), when
            assert check(str(online.root), settings()).findings == [], when


def stages(fake: FakeProvider, tap: Trip) -> Iterator[Online]:
    """Requests whose sample goes first, and what came of them until *tap* ended that."""
    fake.reset()
    with scratch() as folder, made(folder / "w", fake, alike()) as online:
        online.tap = tap
        with suppress(Crash):
            online.wait()
        online.tap = no_tap
        yield online


def test_the_script_is_stopped(fake_provider: FakeProvider) -> None:
    """Nothing goes before the sample, and nothing of it is paid for twice."""
    stop_the_script(fake_provider, POINTS)


def test_a_pass_is_stopped(fake_provider: FakeProvider) -> None:
    """The same for passes."""
    stop_the_passes(fake_provider, POINTS)


@pytest.mark.slow
def test_stopped_before_every_change(fake_provider: FakeProvider) -> None:
    """Both, at every change."""
    stop_the_script(fake_provider, 0)
    stop_the_passes(fake_provider, 0)
