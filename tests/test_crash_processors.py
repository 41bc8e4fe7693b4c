"""
A process may die before any change that it makes for a processor: nothing is lost, and it ends the same.

As in test_crash.py, each scenario is run once without a fault and then stopped before its N-th change, for
every N; three passes reach what the run without a fault has left, and every later call says the same token.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import attrs
import pytest

from reconciler import decide
from reconciler.model.exchange import Result
from reconciler.model.extraction import Extraction, Kind
from reconciler.model.outcome import ErrorClass
from reconciler.processors.base import BatchContext, ProcessedBatch
from tests.crashing import PASSES, normal, sound
from tests.plugging import Plugs, Seen, Verb, put_answers, refusing, texts
from tests.workspace.faults import Crash, Trip
from tests.workspaces import answered, failed, leftovers, put, request, scratch


@attrs.define
class Calls:
    """The calls of user code: a token for each id, and whether an earlier one may have begun."""

    seen: list[tuple[str, str, bool]] = attrs.field(factory=list)

    def record(self, result: Result) -> Any:
        """Take a result; the value is that of its text."""
        self.seen.append((result.custom_id, result.token, result.redelivery))
        return {"said": result.text}

    def batch(self, batch: ProcessedBatch, context: BatchContext) -> Any:
        """Take a batch, publish two files and return a value."""
        self.seen.append((batch.name, context.token, context.redelivery))
        context.publish("texts.txt", (f"{each.text}\n".encode() for each in batch.results()))
        context.publish("count.txt", str(batch.answered))
        return batch.answered

    def error(self, result: Result) -> Any:
        """Ask again what is not, give up one that is."""
        self.seen.append((result.custom_id, result.token, result.redelivery))
        return {"q-1": "retry", "q-2": "give-up"}.get(result.custom_id)

    def change(self, asked: dict[str, Any], failure: Result) -> Any:
        """Change a request."""
        self.seen.append((failure.custom_id, failure.token, failure.redelivery))
        return {**asked, "body": {**asked["body"], "max_tokens": 9}}

    def change_some(self, asked: dict[str, Any], failure: Result) -> Any:
        """Change a request, give one up, and fail on one."""
        changed = self.change(asked, failure)
        if failure.custom_id == "q-2":
            raise ValueError("no")
        return None if failure.custom_id == "q-3" else changed


def put_mixture(root: Path) -> None:
    """A batch with answers and with failures of both kinds."""
    statuses = {1: 400, 2: 429, 3: 429}
    put(
        root,
        "1",
        input=[request(n) for n in range(5)],
        output=[answered(4), answered(0)],
        error=[failed(n, status) for n, status in statuses.items()],
    )


def put_json(root: Path) -> None:
    """A batch of which one answer is no JSON."""
    put_answers(root, 3, output=texts("[0]", "no", "```\n[2]\n```"))


def put_long(root: Path) -> None:
    """A batch of which some requests are too long; one failure may pass."""
    statuses = {1: 413, 2: 413, 3: 413, 4: 429}
    put(
        root,
        "1",
        input=[request(n) for n in range(5)],
        output=[answered(0)],
        error=[failed(n, status) for n, status in statuses.items()],
    )


TAGS: Final = Extraction(Kind.TAGS, "<t>", "</t>")


def put_tags(root: Path) -> None:
    """A batch of which two answers lack what is asked of them."""
    put_answers(root, 4, output=texts("<t>A</t>", "no", "<t>B</t>", "<t>"))


@attrs.frozen
class Scenario:
    """
    A workspace and the processors of every pass over it.

    Attributes:
        plugs: The processors.
        make: Puts the files there.
        flags: The settings of every pass.
        stays: The batch stays where it is, and its metadata may be written once more or less.
    """

    plugs: Callable[[Calls], Plugs]
    make: Callable[[Path], None] = put_answers
    flags: Mapping[str, Any] = attrs.field(factory=dict)
    stays: bool = False

    def end(self, root: Path) -> dict[str, bytes]:
        """What counts of the tree at the end."""
        found = normal(root)
        if not self.stays:
            return found
        return {path: re.sub(rb'"generation":\d+', b"", data) for path, data in found.items()}


SCENARIOS: Final = {
    "record": Scenario(lambda calls: Plugs(calls.record)),
    "record-unhandled": Scenario(lambda calls: Plugs(unhandling(calls))),
    "record-unhandled-settles": Scenario(
        lambda calls: Plugs(unhandling(calls)), flags={"on_failure": "settle"}
    ),
    "batch": Scenario(lambda calls: Plugs(calls.batch)),
    "files": Scenario(lambda _calls: Plugs("files")),
    "json": Scenario(lambda _calls: Plugs(content="json"), put_json),
    "tags": Scenario(lambda _calls: Plugs(extraction=TAGS), put_tags),
    "tags-and-files": Scenario(lambda _calls: Plugs("files", extraction=TAGS), put_tags),
    "tags-record": Scenario(lambda calls: Plugs(calls.record, extraction=TAGS), put_tags),
    "tags-asked-again": Scenario(
        lambda calls: Plugs(error=calls.error, extraction=TAGS), put_tags, {"provider": "openai"}
    ),
    "error": Scenario(lambda calls: Plugs(error=calls.error), put_mixture, {"provider": "openai"}),
    "changed-some": Scenario(
        lambda calls: Plugs(transforms={ErrorClass.OVER_LENGTH: calls.change_some}),
        put_long,
        {"provider": "openai"},
        stays=True,
    ),
    "both": Scenario(
        lambda calls: Plugs(calls.record, error=calls.error), put_mixture, {"provider": "openai"}
    ),
}


def unhandling(calls: Calls) -> Callable[[Result], Any]:
    """A processor that cannot handle one answer."""

    def handle(result: Result) -> Any:
        calls.record(result)
        return refusing("q-1")(result)

    return handle


@contextmanager
def fresh(scenario: Scenario) -> Iterator[Path]:
    """The workspace of a scenario, in memory."""
    with scratch() as folder:
        scenario.make(folder / "w")
        yield folder / "w"


@pytest.mark.parametrize("case", SCENARIOS)
def test_stopped_before_every_change(case: str) -> None:
    """Stopped anywhere, three passes end the same; tokens stay, and what may be a second call says so."""
    scenario = SCENARIOS[case]
    calls, trip = Calls(), Trip()
    with fresh(scenario) as root:
        plugs = attrs.evolve(scenario.plugs(calls), tap=trip)
        plugs.run(root, **scenario.flags)
        attrs.evolve(plugs, tap=None).run(root, **scenario.flags)
        wanted = scenario.end(root)
    tokens = {custom_id: token for custom_id, token, _ in calls.seen}
    assert all(not redelivery for *_, redelivery in calls.seen)
    for point in range(1, len(trip.seen) + 1):
        when = f"stopped before change {point} of {len(trip.seen)}: {trip.seen[point - 1]}"
        again = Calls()
        plugs = scenario.plugs(again)
        with fresh(scenario) as root:
            with pytest.raises(Crash):
                attrs.evolve(plugs, tap=Trip(at=point)).run(root, **scenario.flags)
            sound(root, when)
            begun = {custom_id for custom_id, *_ in again.seen}
            for _ in range(PASSES):
                plugs.run(root, **scenario.flags)
            assert scenario.end(root) == wanted, when
            assert leftovers(root) == [], when
            sound(root, f"{when}, and mended")
        assert {custom_id: token for custom_id, token, _ in again.seen} == tokens, when
        assert all(
            (custom_id, tokens[custom_id]) == (custom_id, token) for custom_id, token, _ in again.seen
        ), when
        twice = [
            each for n, each in enumerate(again.seen) if each[:2] in [other[:2] for other in again.seen[:n]]
        ]
        assert all(redelivery for *_, redelivery in twice), when
        assert {custom_id for custom_id, *_ in twice} <= begun, when


@pytest.mark.parametrize("verb", [decide.process, decide.dismiss], ids=["process", "dismiss"])
def test_a_persons_verb_is_stopped(verb: Verb) -> None:
    """A verb that was stopped anywhere, and typed again if it had not taken, ends as if never stopped."""

    def begun(root: Path) -> None:
        put_answers(root)
        Plugs(Seen(refusing("q-1"))).run(root)

    good = Plugs(Seen()) if verb is decide.process else Plugs(Seen(refusing("q-1")))
    trip = Trip()
    with scratch() as folder:
        begun(folder / "w")
        attrs.evolve(good, tap=trip).decide(verb, folder / "w")
        good.run(folder / "w")
        wanted = normal(folder / "w")
    for point in range(1, len(trip.seen) + 1):
        when = f"stopped before change {point} of {len(trip.seen)}: {trip.seen[point - 1]}"
        with scratch() as folder:
            root = folder / "w"
            begun(root)
            with pytest.raises(Crash):
                attrs.evolve(good, tap=Trip(at=point)).decide(verb, root)
            sound(root, when)
            if good.run(root).exit_code:
                good.decide(verb, root)
            for _ in range(PASSES):
                good.run(root)
            assert generation_free(normal(root)) == generation_free(wanted), when
            assert leftovers(root) == [], when


def generation_free(tree: Mapping[str, bytes]) -> dict[str, bytes]:
    """A tree without what counts how often the metadata was written, and without the digests of that."""
    return {path: data for path, data in tree.items() if "metadata" not in path and "manifest" not in path}
