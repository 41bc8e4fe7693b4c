"""
What a simulated world is held to: what is true at every moment, and what it comes to once faults stop.

It reads files and the provider's own memory; of the product it asks only `check` and the last report.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Mapping
from typing import Any, Final

import attrs

from reconciler import engine
from reconciler.check import check
from reconciler.model.failure import InDoubt, Refused
from reconciler.model.record import PATIENCE
from reconciler.model.report import BatchReport, State
from reconciler.workspace.effects import TEMPORARY
from tests import workspaces
from tests.proof.crowds import hold_crowds, waits_for_room
from tests.proof.deadlines import hold_deadlines, judge_limited, judge_once
from tests.proof.fortunes import SENDS, replied
from tests.proof.moments import Moment
from tests.proof.samples import hold_samples
from tests.proof.users import LATER_KEY, ids_in
from tests.proof.world import UNIT, World
from tests.stopping import NUMBERED
from tests.workspaces import ledger, leftovers

PASSES: Final = 3
"""In how many passes a world comes to rest; one after which its provider has new work is not counted."""

MAX_ATTEMPTS: Final = 3

LONGEST: Final = 27 * 3600.0
"""Seconds in which a provider has done whatever it does, and shown it."""


# --- at every moment ----------------------------------------------------------------------------------------


def hold(world: World) -> None:
    """
    Hold the world to what is true at every moment.

    Raises:
        AssertionError: A promise is broken.
    """
    found = workspaces.files(world.root)
    if (found, world.users.disturbed) != world.held:
        _files(world)
        _inputs(world, found)
        _versions(world, found)
        world.held = found, {*world.users.disturbed}
    _money(world)
    _spend(world)
    _results(world)
    hold_deadlines(world, published(world))
    hold_samples(world)
    hold_crowds(world)
    assert not world.fake.mistakes, world.fake.mistakes
    assert [*world.root.parent.iterdir()] == [world.root], "something was written outside the workspace"


def _files(world: World) -> None:
    """`check` finds nothing, but where a user has a file in hand; and every id stands in one place."""
    verdict = check(str(world.root), workspaces.settings())
    disturbed = world.users.disturbed
    findings = [
        each for each in verdict.findings if "torn" not in each.what and not _speaks_of(each.where, disturbed)
    ]
    assert findings == [], findings
    if not disturbed and not any("cannot be counted" in each for each in verdict.notes):
        # A retried id is counted once more in the child that has it.
        counted = sum(verdict.account.values()) - verdict.account.get("retried", 0)
        there = sum(len(ids_in(data)) for data in world.users.inputs.values())
        assert counted == there, f"{there} ids were put there, {counted} are accounted for: {verdict}"


def _speaks_of(where: str, names: set[str]) -> bool:
    return any(re.search(rf"(?<![a-z0-9]){name}(?![0-9])", where) for name in names)


def _inputs(world: World, found: Mapping[str, bytes]) -> None:
    """Every input lies there as it was written, but where a user has it in hand."""
    there = _by_leaf(found)
    for name, data in world.users.inputs.items():
        if name not in world.users.disturbed:
            inputs = there.get(f"batch_input_{name}.jsonl", {})
            assert inputs, f"the input of {name} is gone"
            assert {*inputs.values()} == {data}, f"the input of {name} was changed"


def _by_leaf(found: Mapping[str, bytes]) -> dict[str, dict[str, bytes]]:
    """What lies there, by name, then by path."""
    leaves: dict[str, dict[str, bytes]] = {}
    for path, data in found.items():
        leaves.setdefault(path.rpartition("/")[2], {})[path] = data
    return leaves


def _money(world: World) -> None:
    """One create for each intent, no request answered twice, none sent more often than may be."""
    sent = Counter(each["intent"] for each in ledger(world.root) if each["event"] == "batch.creating")
    assert set(sent.values()) <= {1}, f"a create was sent twice: {sent}"
    denied = world.fortunes.denied()
    paid = {key: count for key, count in world.fortunes.paid().items() if count > 1 and key not in denied}
    assert paid == {}, f"paid twice: {paid}"
    often = {key: count for key, count in world.fortunes.sends().items() if count > MAX_ATTEMPTS}
    assert often == {}, f"sent too often: {often}"


def _spend(world: World) -> None:
    """Nothing lies at the provider that was not reserved before, and nothing was reserved past its limit."""
    open_, counted = dict[str, int](), dict[str, int]()
    for each in ledger(world.root):
        if each["event"] == "spend.reserved":
            open_[each["key"]] = counted[each["key"]] = each["nano_usd"]
            assert each["nano_usd"] == each["requests"] * UNIT, f"it costs another sum: {each}"
            cap, total = each["cap"], sum(counted.values())
            assert cap is None or total <= cap, f"{total} is past the limit: {each}"
        elif each["event"] == "spend.settled":
            counted[each["key"]] = each["nano_usd"]
            open_.pop(each["key"], None)
        elif each["event"] == "batch.creating":
            assert each["intent"] in open_, f"nothing was reserved for it: {each}"
    reserved = len(counted)
    assert len(world.fake.batches) <= reserved, f"{len(world.fake.batches)} creates, {reserved} reserved"


def _results(world: World) -> None:
    """What is published answers its own request, and was really answered by somebody."""
    answered = {key for batch in world.fake.batches for key in replied(batch)}
    for row in published(world):
        own, text = row["custom_id"], json.dumps(row)
        assert f"hi {own}" in text or "hi " not in text, f"the answer of another request: {text}"
        if row["outcome"] == "answered" and own.partition("-")[0] not in world.users.answered:
            assert own in answered, f"nobody has answered {own}: {text}"


def _versions(world: World, found: Mapping[str, bytes]) -> None:
    """What a newer version has written stays as it is, and so do keys that this version does not know."""
    for path, (_, left) in world.users.touched.items():
        if left is not None and b'"schema": 2' in left:
            assert path.exists(), f"{path} of a newer version is gone"
            assert path.read_bytes() == left, f"{path} of a newer version was changed"
    there = _by_leaf(found)
    for name in world.users.marked:
        if name.partition(".")[0] in world.users.disturbed:
            continue
        for where, data in there.get(f"batch_metadata_{name}.jsonl", {}).items():
            if "/.staging-" not in where:
                assert LATER_KEY in json.loads(data), f"{where} has lost a key"


def refused(world: World, name: str) -> None:
    """A batch whose metadata is of a newer version needs a person, who is told so: nothing is done for it."""
    told = [] if world.report is None else [each for each in world.report.batches if each.name == name]
    for each in told:
        if each.path.startswith("quarantine/"):
            continue  # what was set aside of it before
        assert each.state is State.ATTENTION, each
        assert "newer version" in each.because, each
        assert not each.receipts, each


def published(world: World) -> list[dict[str, Any]]:
    """Every line of results that have their name: nothing under a temporary one is published."""
    return [
        json.loads(line)
        for path in sorted((world.root / "target").glob("[!.]*.results.jsonl"))
        for line in path.read_bytes().splitlines()
    ]


# --- at the end ---------------------------------------------------------------------------------------------


def converge(world: World) -> None:
    """
    Let faults stop, and time pass: the world comes to rest in three passes, and a further pass does nothing.

    A pass after which the provider has something new to do is not counted: then its time comes. Nor is one
    that has made room for what waits for it, or after which a provider is heard out. One that has lost
    something is heard out some times more.

    Raises:
        AssertionError: Something waits for ever, or a pass over what has settled changes something.
    """
    world.fake.faults.clear()
    world.full = False
    world.lift("max_cost_usd")
    world.users.rest()
    # Clocks that went back have caught up: what was written in the future is older than a moment.
    world.wait(max(world.users.latest - world.fake.clock.now, 0.0))
    passes, gone = 0, False
    while passes == 0 or waiting(world) or held_back(world):
        world.fortunes.finish()
        world.wait(LONGEST)
        world.resume()
        if stuck(world):
            world.lift("max_in_flight")
        full = waits_for_room(world)
        world.run()
        told = (
            [f"{each.name} {each.state}: {each.because}" for each in world.report.batches]
            if world.report
            else []
        )
        world.note("left", told)
        hold(world)
        moved = world.sent or heard_out(world) or (bool(full) and waits_for_room(world) != full)
        passes += not moved
        # An upload that outlived what its provider keeps is asked for as often as a batch that is gone.
        gone = gone or any("the uploaded file" in each for each in told)
        most = PASSES + (PATIENCE if gone or world.fortunes.wronged() else 0)
        assert passes <= most, f"no rest after {most} passes: {waiting(world)}"
    if world.fortunes.wronged():
        # It was told that the batch is gone; what it had heard before of its end counts from now on.
        world.run()
    assert leftovers(world.root) == []
    still = Moment(world.root)
    online = attrs.evolve(world.online, tap=still)
    report = engine.reconcile(str(world.root), online.settings(), online.options)
    # Results that are gone are looked for again: nothing of that gets a name.
    open_ = [str(each.name) for each in report.batches if not each.done]
    changed = [
        each
        for each in still.seen
        if not each.startswith("GET")
        and not any(f"{TEMPORARY}batch_" in each and f"_{name}." in each for name in open_)
    ]
    assert changed == [], changed
    world.note("at rest", [f"{each.name} {each.state}" for each in report.batches])


def stuck(world: World) -> bool:
    """Whether a batch may be at the provider for ever, as far as anybody here can know."""
    told = [] if world.report is None else world.report.batches
    return any(isinstance(each.failure, InDoubt) or "any more" in each.because for each in told)


def heard_out(world: World) -> bool:
    """Whether a provider is being asked once more, because it has told an end and no file."""
    assert world.report is not None
    return any("names no file yet" in each.because for each in world.report.batches)


def waiting(world: World) -> list[BatchReport]:
    """What the last pass has left for a later one, but for what waits with a sample for a person."""
    assert world.report is not None
    left = [each for each in world.report.batches if each.state in (State.WAITING, State.FAILED)]
    # One that was let go is on its way, whatever has become of its sample.
    behind = [each for each in left if "goes ahead" in each.because]
    return [each for each in left if each not in behind or not _awaits_person(world, root_of_report(each))]


def _awaits_person(world: World, name: str) -> bool:
    """Whether a batch waits for a sample about which a person is asked."""
    asked = [] if world.report is None else [each for each in world.report.batches if not each.done]
    told = {root_of_report(each) for each in asked if each.state is State.ATTENTION}
    return world.users.after.get(name) in told


def root_of_report(report: BatchReport) -> str:
    """The batch that a report speaks of, without what retry children append."""
    return str(report.name).partition(".")[0]


def held_back(world: World) -> list[BatchReport]:
    """What a sample holds until a person lets it go."""
    assert world.report is not None
    return [each for each in world.report.batches if "lets this one go" in each.hint]


def judge(world: World) -> None:
    """
    Hold a world at rest to what one without faults comes to, request by request.

    Where the provider lied or lost what it had, and where nobody can know what became of a create, a person
    is asked instead, and told; nothing else may be missing.

    Raises:
        AssertionError: A request has another end, was sent more often, or is nowhere and nobody is told.
    """
    assert world.report is not None
    stuck = {root_of_report(each): each for each in world.report.batches if not each.done}
    answered = {key for batch in world.fake.batches for key in replied(batch)}
    ended = {row["custom_id"]: row for row in published(world) if row["outcome"] != "retried"}
    copies = world.users.copies
    judge_once(world, published(world))
    wronged, delayed, sends = world.fortunes.wronged(), world.fortunes.delayed(), world.fortunes.sends()
    for name, data in world.users.inputs.items():
        for key in ids_in(data):
            row = ended.get(key)
            if row is None:
                assert name in stuck, f"{key} has no end, and nobody is told of {name}"
            if key in wronged or name in copies:
                continue
            if row is None:
                _excused(world, name, key, stuck[name])
                continue
            if name in world.users.until:
                if name not in world.users.loose:
                    judge_limited(world, key, row, answered)
                continue
            if name in world.users.answered:
                wanted = "failed" if key in world.users.refused else "answered"
            elif key in delayed:
                wanted = "answered" if key in answered else "failed"
            else:
                wish = world.fortunes.wishes.get(key, "ok")
                wanted = "answered" if wish in ("ok", "busy") else "failed"
                assert sends[key] == SENDS[wish], f"{key} ({wish}) was sent {sends[key]} times"
            assert row["outcome"] == wanted, f"{key} is {row['outcome']}, expected {wanted}"


def _excused(world: World, name: str, key: str, report: BatchReport) -> None:
    """Whether it is right that a person is asked about a request of which the provider told no lie."""
    failure = report.failure
    if isinstance(failure, InDoubt):
        # Who keeps a tag shows the batch, if there is one: it has to be found.
        assert world.provider in NUMBERED or not world.fortunes.paid()[key], f"{key} lies there: {report}"
    elif isinstance(failure, Refused):
        assert world.fortunes.refusals, f"nobody refused {name}: {report}"
    elif name not in world.users.overtaken and not _awaits_person(world, name):
        raise AssertionError(f"a person is asked for no reason: {report}")
