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
from reconciler.model.policy import Policy
from reconciler.model.receipt import invocation_token
from reconciler.planner import plan
from reconciler.planner.unnamed import asking_token
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

NOBODY: Final = Policy()
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
        assert found.because == "shout.py:shout/1 began on it, and no output processor is named here"


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


def test_what_an_error_processor_has_answered_counts_without_it() -> None:
    """Nobody sums up in its place, and what it wants looked at keeps the batch."""
    token = asking_token(record().name, "patient.py:decide/1", FAILED, frozenset())
    hashes = frozenset({hash_id("over-length-0")})
    said = overrides_fields(Overrides(attention=hashes))
    found = planned(FAILED, NOBODY, errors(token=token, **said))
    assert told(found) == "process-output: needs attention"
    assert found.because == "its error processor wants a person to look at 1 failed request"
    found = planned(FAILED, NOBODY, errors(token=token, **said, faults=["ValueError: no"], named=CODE))
    assert found.because == "its error processor decided nothing about 1 failed request: ValueError: no"
    assert f"reconcile process WORKSPACE 7 --error-processor {CODE} " in hint_of(found.then)
    calm = errors(token=token, **overrides_fields(Overrides()))
    assert told(planned(FAILED, NOBODY, calm)) == SETTLE


@pytest.mark.parametrize(
    ("account", "policy", "receipts", "expected"),
    [
        pytest.param(FAILED, NOBODY, transforms(**STARTED), HELD, id="begun"),
        pytest.param(FAILED, NOBODY, transforms(), HELD, id="changed-and-no-child-yet"),
        pytest.param(
            FAILED,
            NOBODY,
            transforms(kept("over-length-0", "over-length-1", attention=True)),
            HELD,
            id="could-not-change-them",
        ),
        pytest.param(
            FAILED,
            NOBODY,
            transforms(kept("over-length-0", "over-length-1", attention=False)),
            WITH_ERRORS,
            id="gave-them-up",
        ),
        pytest.param(FAILED, NEVER, transforms(**STARTED), WITH_ERRORS, id="a-word-is-named"),
        pytest.param(FAILED, OTHER_CLASS, transforms(**STARTED), HELD, id="a-word-of-another-class"),
        pytest.param(GIVEN_UP, NOBODY, transforms(**STARTED), SETTLE, id="given-up"),
    ],
)
def test_what_a_transform_has_begun(
    account: Coverage, policy: Policy, receipts: Receipts, expected: str
) -> None:
    """It is held while there are failures that it has neither changed nor given up."""
    assert told(planned(account, policy, receipts)) == expected


def test_another_class_of_failures_is_none_of_its_business() -> None:
    """Where a second class failed, what is open is told by class."""
    account = coverage(1, failed={ErrorClass.OVER_LENGTH: 1, ErrorClass.CONTENT_FILTER: 1})
    by = {ErrorClass.OVER_LENGTH: "a.py:f/1", ErrorClass.TIMEOUT: "b.py:g/1"}
    receipts = {"change-requests": {"token": "t", **changes_fields(Changes(by)), **STARTED}}
    found = planned(account, NOBODY, receipts)
    assert found.because == "a.py:f/1 began on it, and [policy.classes] over-length names no code here"


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
            output("shout.py:shout/1+json", named="/a b/s.py:f", **STARTED),
            "reconcile run WORKSPACE --only 7 --output-processor '/a b/s.py:f' --content json",
            "reconcile run WORKSPACE --only 7 --output-processor results --content text",
            id="with-content",
        ),
        pytest.param(
            output("results/1+jsonl", **STARTED),
            "reconcile run WORKSPACE --only 7 --content jsonl",
            "reconcile run WORKSPACE --only 7 --output-processor results --content text",
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
                **errors(named="pkg.mod:decide", **STARTED),
                **transforms(named={"over-length": "/s.py:halve"}, state="started"),
            },
            "RECONCILER_POLICY_CLASSES_OVER_LENGTH=/s.py:halve reconcile run WORKSPACE --only 7"
            f" --output-processor {CODE} --error-processor pkg.mod:decide",
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
    ],
)
def test_the_hint_is_a_command(receipts: Receipts, on: str, off: str) -> None:
    """With what began it, or without: each can be typed as it stands, wherever there is something to type."""
    found = planned(FAILED, NOBODY, receipts)
    assert isinstance(found.then, Held)
    ways = found.then.hint.splitlines()
    assert [way.partition("    ")[0] for way in ways] == [on, off]


def test_answers_that_could_not_be_handled_are_handed_over_again_by_name() -> None:
    """The hint names what had them, with what it read them as."""
    facts = {"unhandled": {"requests": 1, "ids": tally("answered-0").digest, "told": "1 broken"}}
    for identity, named, flags in (
        ("shout.py:shout/1", CODE, f" --output-processor {CODE}    to hand"),
        ("results/1+json", "", " --content json    to hand"),
        ("__main__:f/1", "", "    with the same flags, to hand"),
    ):
        ended = output(identity, token=of(identity, FINE), **facts, **({"named": named} if named else {}))
        found = planned(FINE, NOBODY, ended)
        assert told(found) == ": needs attention"
        assert f"reconcile process WORKSPACE 7{flags}" in hint_of(found.then)
