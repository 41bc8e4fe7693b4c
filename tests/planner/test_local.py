"""The embedded provider in plans: what it may be asked, and what never goes to it by itself."""

from typing import Any

import attrs
import pytest

from reconciler.model.identity import Role
from reconciler.model.operation import AnswerHere
from reconciler.model.outcome import ErrorClass
from reconciler.model.plan import Attention, Held
from reconciler.model.policy import LOCAL, Policy, SubmitPolicy
from reconciler.model.record import Limit, Online, Record
from reconciler.planner import plan
from reconciler.planner.settling import asks_again
from tests.planner.builders import (
    NOW,
    POLICY_LOCAL,
    POLICY_NONE,
    POLICY_OPENAI,
    POLICY_OPENAI_REACHABLE,
    answered,
    coverage,
    digest,
    record,
    snap,
    told,
)

HERE = {"provider": LOCAL, "status": "in_progress"}
BOTH = {Role.OUTPUT: digest(Role.OUTPUT), Role.ERROR: digest(Role.ERROR)}
OPENAI_HERE = attrs.evolve(POLICY_OPENAI, reachable=frozenset({LOCAL}))
NONE_HERE = attrs.evolve(POLICY_NONE, reachable=frozenset({LOCAL}))


@pytest.mark.parametrize(
    ("known", "policy", "expected"),
    [
        pytest.param(None, POLICY_LOCAL, False, id="answers-put-there-by-hand"),
        pytest.param(record(), POLICY_LOCAL, False, id="nobody-knows-by-whom"),
        pytest.param(record(provider="openai"), POLICY_LOCAL, False, id="answered-by-another"),
        pytest.param(record(provider=LOCAL), POLICY_LOCAL, True, id="answered-here"),
        pytest.param(record(provider=LOCAL), POLICY_NONE, False, id="by-nobody-from-now-on"),
        pytest.param(record(provider="openai"), POLICY_OPENAI_REACHABLE, True, id="remote"),
        pytest.param(None, POLICY_OPENAI_REACHABLE, True, id="remote-by-hand"),
        pytest.param(None, POLICY_NONE, False, id="nobody"),
    ],
)
def test_who_asks_failures_again(known: Record | None, policy: Policy, *, expected: bool) -> None:
    """The worker may be a stand-in: by itself it gets only what it was asked before."""
    assert asks_again(known, policy) is expected


@pytest.mark.parametrize("known", [None, record(), record(provider="openai")])
def test_failures_of_another_are_settled_and_not_retried(known: Record | None) -> None:
    """A retryable failure that somebody else answered with settles as failed."""
    account = coverage(1, failed={ErrorClass.RATE_LIMIT: 1})
    assert "retry-leftovers" not in told(plan(answered(account, known), POLICY_LOCAL))


def test_failures_of_the_worker_are_retried() -> None:
    """The same failure that the worker ended with goes to a child."""
    account = coverage(1, failed={ErrorClass.RATE_LIMIT: 1})
    known = record(provider=LOCAL, status="completed")
    assert "retry-leftovers" in told(plan(answered(account, known), POLICY_LOCAL))


@pytest.mark.parametrize("policy", [POLICY_LOCAL, OPENAI_HERE], ids=["local", "openai-by-now"])
def test_a_run_that_was_begun_here_goes_on_here(policy: Policy) -> None:
    """Metadata says who answers, whatever the settings say by now."""
    (step,) = plan(snap("i", record=record(**HERE)), policy).steps
    assert isinstance(step, AnswerHere)


@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        pytest.param(NONE_HERE, ": held", id="none"),
        pytest.param(attrs.evolve(POLICY_LOCAL, submit=SubmitPolicy.MANUAL), ": held", id="manual"),
        pytest.param(OPENAI_HERE, ": held", id="another-without-client"),
        pytest.param(POLICY_LOCAL, "answer-here: pending", id="local"),
    ],
)
def test_a_worker_at_hand_is_not_chosen_by_itself(policy: Policy, expected: str) -> None:
    """That it can be reached is no reason to call it."""
    assert told(plan(snap("i"), policy)) == expected


CHOSEN = attrs.evolve(POLICY_LOCAL, worker="other.py:answer", worker_chosen=True)
ECHO_NAMED = attrs.evolve(POLICY_LOCAL, worker_chosen=True)
BEGUN, GOES = {"status": "in_progress"}, "answer-here: pending"


@pytest.mark.parametrize(
    ("worker", "facts", "policy", "expected"),
    [
        pytest.param("mine.py:answer", BEGUN, POLICY_LOCAL, ": held", id="an-echo-by-default"),
        pytest.param("mine.py:answer", {}, POLICY_LOCAL, ": held", id="an-echo-for-leftovers"),
        pytest.param("mine.py:answer", BEGUN, ECHO_NAMED, GOES, id="an-echo-in-this-very-call"),
        pytest.param("mine.py:answer", BEGUN, CHOSEN, GOES, id="another-worker"),
        pytest.param(
            "mine.py:answer", {"status": "completed", "roles": BOTH}, POLICY_LOCAL, GOES, id="nobody-any-more"
        ),
        pytest.param("echo", BEGUN, POLICY_LOCAL, GOES, id="the-echo-again"),
        pytest.param("echo", BEGUN, CHOSEN, GOES, id="a-worker-after-the-echo-as-its-progress-says"),
        pytest.param("echo", {}, CHOSEN, GOES, id="a-worker-for-the-leftovers-of-the-echo"),
        pytest.param("", BEGUN, POLICY_LOCAL, GOES, id="not-written-down"),
        pytest.param("", BEGUN, CHOSEN, GOES, id="a-worker-after-who-knows"),
    ],
)
def test_an_echo_fills_no_gap_of_a_worker(
    worker: str, facts: dict[str, Any], policy: Policy, expected: str
) -> None:
    """It goes on where nobody is called any more, where it began, and where this very call names it."""
    known = record(provider=LOCAL, online=Online(worker=worker), **facts)
    assert told(plan(snap("i", record=known), policy)) == expected


def test_what_a_time_limit_ends_needs_no_worker() -> None:
    """What has no answer by then has failed, and nobody is asked: the batch is not held beyond its time."""
    began = record(provider=LOCAL, online=Online(worker="mine.py:answer"), **BEGUN)
    for until, expected in ((NOW + 60, ": held"), (NOW - 1, GOES)):
        known = attrs.evolve(began, limit=Limit(60.0, until))
        assert told(plan(snap("i", record=known), POLICY_LOCAL)) == expected


@pytest.mark.parametrize(
    ("worker", "hint"),
    [
        ("mine.py:answer", "reconcile run WORKSPACE --only 7 --provider local --worker mine.py:answer  "),
        ("http", "reconcile run WORKSPACE --only 7 --provider local --worker http  "),
        (
            "/a b/mine.py:answer",
            "reconcile run WORKSPACE --only 7 --provider local --worker '/a b/mine.py:answer'  ",
        ),
        ("mine.answer()", "run what began it again"),
    ],
)
def test_what_to_do_to_go_on(worker: str, hint: str) -> None:
    """What has a name can be typed as it stands; a function that a program handed over has none."""
    known = record(provider=LOCAL, online=Online(worker=worker), **BEGUN)
    then = plan(snap("i", record=known), POLICY_LOCAL).then
    assert isinstance(then, Held)
    assert then.hint.startswith(hint)


def test_a_publication_that_was_cut_off_is_completed_here() -> None:
    """Both digests are known and no file is there yet: they are published from the progress."""
    known = record(provider=LOCAL, status="completed", roles=BOTH)
    assert told(plan(snap("i", record=known), POLICY_LOCAL)) == "answer-here: pending"


def test_promised_answers_of_a_run_that_never_began_are_nobodys() -> None:
    """Metadata that contradicts itself is for a person: called now, a request might be answered twice."""
    decided = plan(snap("ie", record=record(provider=LOCAL, roles=BOTH)), POLICY_LOCAL)
    assert told(decided) == ": needs attention"
    assert "none was ever begun" in decided.because


def test_answers_that_are_whole_are_not_asked_for_again() -> None:
    """Both files there: they are matched like anybody's."""
    known = record(provider=LOCAL, status="completed", roles=BOTH)
    assert told(plan(snap("ioe", record=known), POLICY_LOCAL)) == "match-request-ids: pending"


def test_answers_that_were_here_and_are_gone_are_not_asked_for_again() -> None:
    """Once an account was drawn up, a lone input needs a person where nobody can be fetched from."""
    known = record(coverage=coverage(1), provider=None)
    then = plan(snap("i", record=known), POLICY_LOCAL).then
    assert isinstance(then, Attention)
    assert "nothing is asked again" in then.hint
