"""Whose a batch is that user code has begun on, when a pass names none: a table over what is named."""

from collections.abc import Mapping
from typing import Any, Final

import attrs
import pytest

from reconciler.model.changes import Changes, Kept, changes_fields
from reconciler.model.coverage import Coverage, hash_id
from reconciler.model.outcome import ErrorClass
from reconciler.model.overrides import Overrides, overrides_fields
from reconciler.model.plan import Held, Plan, hint_of
from reconciler.model.policy import Policy, Typed
from reconciler.model.receipt import invocation_token
from reconciler.planner import changing_token, plan, plan_retry
from reconciler.planner.settling import asking_token
from tests.planner.builders import SETTLE, answered, coverage, record, tally, told

Receipts = Mapping[str, Any]

FINE: Final = coverage(2)
FAILED: Final = coverage(1, failed={ErrorClass.OVER_LENGTH: 2})
GIVEN_UP: Final = coverage(1, dismissed=2)
LEFT: Final = "process-output: pending"
WITH_ERRORS: Final = "process-output process-errors move-to-done: pending"
HELD: Final = ": held"
STARTED: Final[Mapping[str, Any]] = {"state": "started"}
CODE: Final = "/home/me/shout.py:shout"

DECIDE: Final = "/home/me/patient.py:decide"

NOBODY: Final = Policy()
OPENAI: Final = Policy(provider="openai")
NAMED: Final = attrs.evolve(NOBODY, processor_named=True, processor_chosen=True)
READS_JSON: Final = attrs.evolve(
    NOBODY, processor="results/1+json", processor_may_fail=True, processor_chosen=True
)
SUMMARY: Final = attrs.evolve(NOBODY, error_named=True)
NEVER: Final = attrs.evolve(NOBODY, classes_named=frozenset({ErrorClass.OVER_LENGTH}))
OTHER_CLASS: Final = attrs.evolve(NOBODY, classes_named=frozenset({ErrorClass.TIMEOUT}))


def planned(account: Coverage, policy: Policy, receipts: Receipts) -> Plan:
    """The plan of a batch with these receipts."""
    return plan(answered(account, record(receipts=receipts, coverage=account)), policy)


def output(identity: str = "shout.py:shout/1", **facts: Any) -> Receipts:
    """What an output processor left behind."""
    return {"process-output": {"token": "t", "processor": identity, **facts}}


def errors(**facts: Any) -> Receipts:
    """What an error processor left behind."""
    return {"process-errors": {"token": "t", "processor": "patient.py:decide/1", **facts}}


def transforms(kept: tuple[Kept, ...] = (), **facts: Any) -> Receipts:
    """What the code of the class `over-length` left behind."""
    by = {ErrorClass.OVER_LENGTH: "shorten.py:halve/1"}
    return {"change-requests": {"token": "t", **changes_fields(Changes(by, kept=kept)), **facts}}


def kept(*ids: str, attention: bool) -> tuple[Kept, ...]:
    """Failures that code has given up, or was unable to change."""
    return (Kept("why", attention, frozenset(map(hash_id, ids))),)


def of(identity: str, account: Coverage, owners: tuple[str, ...] = ()) -> str:
    """The token of an output processor on these very answers."""
    return invocation_token("7", identity, account.digests, owners)


def test_what_an_output_processor_has_begun_is_held() -> None:
    """The mark alone keeps it, and so does an end on other answers: what it did there nobody knows."""
    for receipts in (output(**STARTED), output(), output(token=of("shout.py:shout/1", FINE), **STARTED)):
        found = planned(FINE, NOBODY, receipts)
        assert told(found) == HELD
        assert found.because == "shout.py:shout/1 was at work on it, and no output processor is named here"


@pytest.mark.parametrize(
    ("policy", "identity", "expected"),
    [
        pytest.param(NAMED, "shout.py:shout/1", SETTLE, id="another-is-named"),
        pytest.param(READS_JSON, "shout.py:shout/1", HELD, id="content-names-no-code"),
        pytest.param(READS_JSON, "files/1", LEFT, id="content-instead-of-files"),
        pytest.param(NOBODY, "results/1+json", HELD, id="content-left-out"),
        pytest.param(NOBODY, "files/1", HELD, id="files-left-out"),
        pytest.param(NOBODY, "results/0", SETTLE, id="an-older-results"),
    ],
)
def test_what_counts_as_naming_one(policy: Policy, identity: str, expected: str) -> None:
    """User code is left out until a processor is named; a built-in one until that or the content is."""
    assert told(planned(FINE, policy, output(identity, **STARTED))) == expected


def test_files_that_has_ended_stands() -> None:
    """A built-in processor's token counts the children, whose making comes after it."""
    ended = output("files/1", token=of("files/1", FINE))
    assert told(planned(FINE, NOBODY, ended)) == "move-to-done: pending"


@pytest.mark.parametrize(
    ("account", "policy", "facts", "expected"),
    [
        pytest.param(FAILED, NOBODY, STARTED, HELD, id="begun"),
        pytest.param(FAILED, NOBODY, {}, HELD, id="ended-on-other-files"),
        pytest.param(FAILED, OPENAI, STARTED, HELD, id="begun-and-somebody-is-asked"),
        pytest.param(FAILED, SUMMARY, STARTED, WITH_ERRORS, id="the-built-in-one-is-named"),
        pytest.param(FINE, NOBODY, STARTED, SETTLE, id="nothing-failed"),
        pytest.param(GIVEN_UP, NOBODY, STARTED, SETTLE, id="given-up"),
    ],
)
def test_what_an_error_processor_has_begun(
    account: Coverage, policy: Policy, facts: Receipts, expected: str
) -> None:
    """It is held as long as there are failures that it was to decide about."""
    assert told(planned(account, policy, errors(**facts))) == expected


@pytest.mark.parametrize("asked", [frozenset(), frozenset({ErrorClass.OVER_LENGTH, ErrorClass.TIMEOUT})])
def test_what_an_error_processor_has_answered_counts_without_it(asked: frozenset[ErrorClass]) -> None:
    """Nobody sums up in its place, and what it wants looked at keeps the batch, whoever is asked by now."""
    token = asking_token(record().name, "patient.py:decide/1", FAILED, asked)
    words = [each.value for each in asked]
    hashes = frozenset({hash_id("over-length-0")})
    said = overrides_fields(Overrides(again=hashes, never=hashes, attention=hashes))
    found = planned(FAILED, NOBODY, errors(token=token, classes_asked=words, **said))
    assert told(found) == "process-output: needs attention"
    assert found.because == "its error processor wants a person to look at 1 failed request"
    calm = errors(token=token, classes_asked=words, **overrides_fields(Overrides()))
    assert told(planned(FAILED, NOBODY, calm)) == SETTLE
    # Where others are asked again than then, it has to say what becomes of these.
    fitting = SETTLE if not asked else HELD
    other = attrs.evolve(OPENAI, max_attempts=1 if not asked else 3)
    assert told(planned(FAILED, other, calm)) == fitting


def test_why_an_error_processor_decided_nothing() -> None:
    """The first fault is told, with the command that asks it once more."""
    token = asking_token(record().name, "patient.py:decide/1", FAILED, frozenset())
    said = overrides_fields(Overrides(attention=frozenset({hash_id("over-length-0")})))
    faulty = errors(token=token, **said, faults=["ValueError: no"], named=DECIDE)
    found = planned(FAILED, NOBODY, faulty)
    assert found.because == "its error processor decided nothing about 1 failed request: ValueError: no"
    assert f"reconcile process WORKSPACE 7 --error-processor {DECIDE} " in hint_of(found.then)


BOTH: Final = ("over-length-0", "over-length-1")
LINES: Final = {"sha256": "a" * 64, "bytes": 1}
NOT_NAMED: Final = "shorten.py:halve/1 was at work on it, and [policy.classes] over-length names no code here"
NOBODY_ASKED: Final = "shorten.py:halve/1 was at work on it, and nobody is asked again here"
HALVES: Final = "RECONCILER_POLICY_CLASSES_OVER_LENGTH=/shorten.py:halve"
AS_THEN: Final = f"{HALVES} reconcile run WORKSPACE --only 7 --provider openai"
BY_HAND: Final = f"{HALVES} reconcile retry WORKSPACE 7"
NAMES_IT: Final = attrs.evolve(NOBODY, transforms={ErrorClass.OVER_LENGTH: "shorten.py:halve/1"})
NAMED_HERE: Final = attrs.evolve(NAMES_IT, typed=Typed(before=(HALVES,)))


@pytest.mark.parametrize(
    ("account", "policy", "receipts", "because"),
    [
        pytest.param(FAILED, OPENAI, transforms(**STARTED), NOT_NAMED, id="begun"),
        pytest.param(FAILED, OPENAI, transforms(), NOT_NAMED, id="ended-on-other-files"),
        pytest.param(FAILED, NOBODY, transforms(**STARTED), NOBODY_ASKED, id="and-nobody-is-asked"),
        pytest.param(FAILED, NAMES_IT, transforms(**STARTED), NOBODY_ASKED, id="named-and-nobody-is-asked"),
        pytest.param(FAILED, NOBODY, transforms(lines=LINES), NOBODY_ASKED, id="changed-and-no-child-yet"),
        pytest.param(
            FAILED, NOBODY, transforms(kept(*BOTH, attention=True)), NOBODY_ASKED, id="could-not-change-them"
        ),
        pytest.param(FAILED, NOBODY, transforms(kept(*BOTH, attention=False)), "", id="gave-them-up"),
        pytest.param(
            FAILED, attrs.evolve(OPENAI, max_attempts=1), transforms(**STARTED), "", id="sent-enough"
        ),
        pytest.param(FAILED, NEVER, transforms(**STARTED), "", id="a-word-is-named"),
        pytest.param(FAILED, OTHER_CLASS, transforms(**STARTED), NOBODY_ASKED, id="a-word-of-another-class"),
        pytest.param(GIVEN_UP, OPENAI, transforms(**STARTED), "", id="given-up"),
        pytest.param(FINE, OPENAI, transforms(**STARTED), "", id="nothing-failed"),
    ],
)
def test_what_a_transform_has_begun(
    account: Coverage, policy: Policy, receipts: Receipts, because: str
) -> None:
    """It is held while there are failures that it has neither changed nor given up."""
    found = planned(account, policy, receipts)
    assert (found.because if told(found) == HELD else "") == because


def test_what_a_transform_has_ended_counts_without_it() -> None:
    """What it could not change keeps the batch, as where it is named; what it gave up settles."""
    by = {ErrorClass.OVER_LENGTH: "shorten.py:halve/1"}
    token = changing_token(record().name, by, FAILED)
    stuck = transforms(kept(*BOTH, attention=True), token=token, named={"over-length": "/a/shorten.py:halve"})
    found = planned(FAILED, OPENAI, stuck)
    assert told(found) == "process-output process-errors: needs attention"
    command = "RECONCILER_POLICY_CLASSES_OVER_LENGTH=/a/shorten.py:halve reconcile process WORKSPACE 7"
    assert f"{command}    to hand them to it once more" in hint_of(found.then)
    gone = transforms(kept(*BOTH, attention=False), token=token)
    assert told(planned(FAILED, OPENAI, gone)) == WITH_ERRORS


def test_another_class_of_failures_is_none_of_its_business() -> None:
    """Where a second class failed, what is open is told by class."""
    account = coverage(1, failed={ErrorClass.OVER_LENGTH: 1, ErrorClass.CONTENT_FILTER: 1})
    by = {ErrorClass.OVER_LENGTH: "shorten.py:halve/1", ErrorClass.TIMEOUT: "b.py:g/1"}
    receipts = {"change-requests": {"token": "t", **changes_fields(Changes(by)), **STARTED}}
    assert planned(account, OPENAI, receipts).because == NOT_NAMED
    assert planned(account, NOBODY, receipts).because == NOBODY_ASKED


def test_a_mark_that_does_not_say_whose_it_is() -> None:
    """An earlier version did not write that down: it is held until a class has a word or code again."""
    old = {"change-requests": {"token": "t", **STARTED}}
    for policy in (NOBODY, OPENAI):
        found = planned(FAILED, policy, old)
        assert told(found) == HELD
        assert hint_of(found.then).startswith("run what began it again")
    for free in (NEVER, attrs.evolve(OPENAI, transforms={ErrorClass.OVER_LENGTH: "a.py:f/1"})):
        assert told(planned(FAILED, free, old)) != HELD


def test_a_person_has_nothing_sent_as_it_is_that_a_transform_was_to_change() -> None:
    """`retry` by hand is held too, where the class has neither code nor a word."""
    left = answered(FAILED, record(receipts=transforms(**STARTED), coverage=FAILED))
    for chosen in (None, frozenset({ErrorClass.OVER_LENGTH})):
        held = plan_retry(left, OPENAI, chosen)
        assert (told(held), held.because) == (HELD, NOT_NAMED)


@pytest.mark.parametrize(
    ("receipts", "on", "off"),
    [
        pytest.param(
            output(named=CODE, **STARTED),
            f"reconcile run WORKSPACE --only 7 --output-processor {CODE}",
            "reconcile run WORKSPACE --only 7 --output-processor results",
            id="output",
        ),
        pytest.param(
            output("s.py:f/1+json", named="/a b/s.py:f", **STARTED),
            "reconcile run WORKSPACE --only 7 --output-processor '/a b/s.py:f' --content json",
            "reconcile run WORKSPACE --only 7 --output-processor results",
            id="with-content",
        ),
        pytest.param(
            output("results/1+jsonl", **STARTED),
            "reconcile run WORKSPACE --only 7 --content jsonl",
            "reconcile run WORKSPACE --only 7 --output-processor results",
            id="content-alone",
        ),
        pytest.param(
            output("files/1", **STARTED),
            "reconcile run WORKSPACE --only 7 --output-processor files",
            "reconcile run WORKSPACE --only 7 --output-processor results",
            id="files",
        ),
        pytest.param(
            {
                **output(named=CODE, **STARTED),
                **errors(named=DECIDE, provider="openai", **STARTED),
                **transforms(named={"over-length": "/shorten.py:halve"}, state="started"),
            },
            "RECONCILER_POLICY_CLASSES_OVER_LENGTH=/shorten.py:halve reconcile run WORKSPACE --only 7"
            f" --output-processor {CODE} --error-processor {DECIDE} --provider openai",
            "RECONCILER_POLICY_CLASSES_OVER_LENGTH=never reconcile run WORKSPACE --only 7"
            " --output-processor results --error-processor summary",
            id="all-three",
        ),
        pytest.param(
            {**output(named=CODE, **STARTED), **errors(**STARTED)},
            "run what began it again: the same program, or the same command",
            "reconcile run WORKSPACE --only 7 --output-processor results --error-processor summary",
            id="one-of-a-program",
        ),
        pytest.param(
            output(named="/elsewhere/evil.py:shout", **STARTED),
            "run what began it again: the same program, or the same command",
            "reconcile run WORKSPACE --only 7 --output-processor results",
            id="a-name-that-is-not-its-own",
        ),
        pytest.param(
            output(named=f"/a\nb/{CODE.rpartition('/')[2]}", **STARTED),
            "run what began it again: the same program, or the same command",
            "reconcile run WORKSPACE --only 7 --output-processor results",
            id="a-name-that-cannot-be-shown",
        ),
    ],
)
def test_the_hint_is_a_command(receipts: Receipts, on: str, off: str) -> None:
    """With what began it, or without: each can be typed as it stands, wherever there is something to type."""
    found = planned(FAILED, NOBODY, receipts)
    assert isinstance(found.then, Held)
    ways = found.then.hint.splitlines()
    assert [way.partition("    ")[0] for way in ways] == [on, off]


def test_the_hint_has_what_this_call_was_given() -> None:
    """What was typed is typed again beside what was left out; content is named where it differs."""
    typed = Typed({"provider": "--provider openai", "output": "--content json"})
    policy = attrs.evolve(READS_JSON, typed=typed)
    found = planned(FAILED, policy, {**output(named=CODE, **STARTED), **errors(named=DECIDE, **STARTED)})
    on, off = (way.partition("    ")[0] for way in hint_of(found.then).splitlines())
    start = "reconcile run WORKSPACE --only 7 --provider openai"
    assert on == f"{start} --output-processor {CODE} --content text --error-processor {DECIDE}"
    assert off == f"{start} --output-processor results --content json --error-processor summary"


@pytest.mark.parametrize(
    ("policy", "facts", "on"),
    [
        pytest.param(NOBODY, {"provider": "openai"}, AS_THEN, id="as-then"),
        pytest.param(NOBODY, {}, BY_HAND, id="nobody-then-either"),
        pytest.param(NAMED_HERE, {}, BY_HAND, id="named-here"),
        pytest.param(Policy(provider="local"), {"provider": "openai"}, BY_HAND, id="one-that-asks-nobody"),
    ],
)
def test_where_nobody_is_asked_again_the_hint_has_somebody_asked(
    policy: Policy, facts: Receipts, on: str
) -> None:
    """The provider of then, or a person's `retry`; and the class may be given up in any case."""
    receipts = {**transforms(named={"over-length": "/shorten.py:halve"}, state="started", **facts)}
    found = planned(FAILED, policy, receipts)
    assert found.because == NOBODY_ASKED
    ways = [way.partition("    ")[0] for way in hint_of(found.then).splitlines()]
    assert ways[0] == on
    assert ways[1].startswith("RECONCILER_POLICY_CLASSES_OVER_LENGTH=never reconcile run WORKSPACE --only 7")


def test_code_in_a_folder_called_like_a_built_in_is_none() -> None:
    """An earlier version had folders in the name."""
    for identity in ("results/mine.py:tired/1", "files/mine.py:tired/1", "results/x"):
        assert told(planned(FINE, NOBODY, output(identity, **STARTED))) == HELD
        assert told(planned(FINE, READS_JSON, output(identity, **STARTED))) == HELD


def test_answers_that_could_not_be_handled_are_handed_over_again_by_name() -> None:
    """The hint names what had them, with what it read them as."""
    facts = {"unhandled": {"requests": 1, "ids": tally("answered-0").digest, "told": "1 broken"}}
    for identity, named, flags in (
        ("shout.py:shout/1", CODE, f" --output-processor {CODE}    to hand"),
        ("results/1+json", "", " --content json    to hand"),
        ("__main__:f/1", "", "    with the same flags, to hand"),
        ("files/1+json", "", " --output-processor files --content json    to hand"),
    ):
        ended = output(identity, token=of(identity, FINE), **facts, **({"named": named} if named else {}))
        found = planned(FINE, NOBODY, ended)
        assert told(found) == ": needs attention"
        assert f"reconcile process WORKSPACE 7{flags}" in hint_of(found.then)
