"""Batches without answers: when they are sent, held, asked after, fetched, or shown to a person."""

import attrs
import pytest

from reconciler.model.identity import Role
from reconciler.model.operation import Download, Submit
from reconciler.model.plan import Attention, Held, Settled, Waiting
from reconciler.model.policy import Policy
from reconciler.model.record import Odd, Online, Record, Refusal
from reconciler.model.trouble import Trouble
from reconciler.planner import plan
from reconciler.planner.in_flight import LONGEST_RUN
from tests.planner.builders import (
    NAME,
    NOW,
    POLICY_LOCAL,
    POLICY_MANUAL,
    POLICY_NONE,
    POLICY_OPENAI,
    POLICY_OPENAI_REACHABLE,
    digest,
    fact,
    record,
    remote,
    snap,
    told,
)

BOTH = {"output_file_id": "file-o", "error_file_id": "file-e"}


@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        pytest.param(POLICY_NONE, ": held", id="no-provider"),
        pytest.param(POLICY_OPENAI, ": held", id="no-client"),
        pytest.param(Policy("openai", frozenset({"gemini"})), ": held", id="client-of-another"),
        pytest.param(POLICY_MANUAL, ": held", id="manual"),
        pytest.param(POLICY_OPENAI_REACHABLE, "submit: pending", id="client"),
        pytest.param(POLICY_LOCAL, "answer-here: pending", id="local"),
        pytest.param(attrs.evolve(POLICY_LOCAL, reachable=frozenset()), ": held", id="local-without-client"),
    ],
)
def test_who_sends_an_input(policy: Policy, expected: str) -> None:
    """An input is sent by the configured provider, if it can be reached and no person decides."""
    assert told(plan(snap("i"), policy)) == expected


@pytest.mark.parametrize(
    ("ahead", "told"), [(0.0, "a moment ago"), (10.0, "a moment ago"), (11.0, "a clock was wrong")]
)
def test_an_input_from_the_future_says_so(ahead: float, told: str) -> None:
    """A time that is further ahead than an input has to lie still was written by a clock that was wrong."""
    young = fact(Role.INPUT, mtime_ns=int((NOW + ahead) * 1e9))
    policy = attrs.evolve(POLICY_OPENAI_REACHABLE, settle_seconds=10.0)
    decided = plan(snap(files={Role.INPUT: young}), policy)
    assert told in decided.because
    assert decided.then == Waiting(NOW + ahead + 10.0)


@pytest.mark.parametrize(
    ("age", "settle_seconds", "expected"),
    [
        pytest.param(0.0, 2.0, Waiting(NOW + 2.0), id="just-written"),
        pytest.param(1.5, 2.0, Waiting(NOW + 0.5), id="young"),
        pytest.param(2.0, 2.0, None, id="old-enough"),
        pytest.param(3600.0, 2.0, None, id="old"),
        pytest.param(0.0, 0.0, None, id="no-patience-asked-for"),
        pytest.param(-5.0, 2.0, Waiting(NOW + 7.0), id="written-in-the-future"),
    ],
)
def test_a_young_input_waits(age: float, settle_seconds: float, expected: Waiting | None) -> None:
    """An input younger than `settle_seconds` may still be growing: it waits until it is that old."""
    young = fact(Role.INPUT, mtime_ns=int((NOW - age) * 1e9))
    policy = attrs.evolve(POLICY_OPENAI_REACHABLE, settle_seconds=settle_seconds)
    decided = plan(snap("i", files={Role.INPUT: young}), policy)
    if expected is None:
        assert told(decided) == "submit: pending"
    else:
        assert (decided.steps, decided.then) == ((), expected)


def test_a_fresh_child_is_sent_like_any_other() -> None:
    """A child's record says nothing of a submission, so its input is sent."""
    child = record(parent="4", attempt=2)
    assert told(plan(snap("i", record=child), POLICY_OPENAI_REACHABLE)) == "submit: pending"


@pytest.mark.parametrize("policy", [POLICY_NONE, POLICY_OPENAI, POLICY_MANUAL, POLICY_OPENAI_REACHABLE])
def test_a_child_that_its_parent_does_not_name_is_not_sent(policy: Policy) -> None:
    """Until the ids are handed over they are the parent's, which may have answered for them."""
    decided = plan(snap("i", record=record(parent="4", attempt=2), unowned=True), policy)
    assert told(decided) == ": needs attention"
    assert isinstance(decided.then, Attention)
    assert "reconcile retry WORKSPACE 4" in decided.then.hint


def test_an_interrupted_submission_goes_on_at_its_own_provider() -> None:
    """A submission that was begun at one provider is not begun again at another."""
    policy = Policy("openai", frozenset({"openai", "mistral"}))
    (step,) = plan(snap("i", record=record(provider="mistral", state="uploaded")), policy).steps
    assert isinstance(step, Submit)
    assert step.provider == "mistral"


@pytest.mark.parametrize(
    ("known", "expected"),
    [
        pytest.param(remote("in_progress"), ": waiting", id="running"),
        pytest.param(remote("paused_by_moonlight"), ": waiting", id="unheard-of"),
        pytest.param(remote(None), ": waiting", id="silent"),
        pytest.param(remote("completed", **BOTH), "download: pending", id="done"),
        pytest.param(remote("expired"), ": waiting", id="expired-with-nothing-yet"),
        pytest.param(
            remote("expired", online=Online(odd=Odd.NO_FILE, looks=3)),
            "match-request-ids: pending",
            id="expired-with-nothing",
        ),
        pytest.param(
            remote("expired", online=Online(odd=Odd.NO_FILE, looks=2)), ": waiting", id="expired-seen-twice"
        ),
        pytest.param(
            remote("expired", online=Online(odd=Odd.UNKNOWN, looks=3)), ": waiting", id="expired-and-lost"
        ),
        pytest.param(remote("expired", online=Online(tries=3)), ": waiting", id="expired-after-a-quota"),
        pytest.param(remote("failed"), ": needs attention", id="refused"),
    ],
)
def test_a_provider_that_was_asked_is_not_asked_again(known: Record, expected: str) -> None:
    """Once the provider was asked in this pass, its word decides."""
    assert told(plan(snap("i", record=known, asked=True), POLICY_OPENAI_REACHABLE)) == expected


def test_a_running_batch_is_looked_at_again_after_poll_seconds() -> None:
    """Waiting says when to come back."""
    policy = attrs.evolve(POLICY_OPENAI_REACHABLE, poll_seconds=90.0)
    assert plan(snap("i", record=remote("in_progress"), asked=True), policy).then == Waiting(NOW + 90.0)


def test_a_silent_status_is_asked_once_a_pass() -> None:
    """A pass always looks online once, whatever was heard earlier."""
    assert told(plan(snap("i", record=remote(None)), POLICY_OPENAI_REACHABLE)) == "check-online: pending"


@pytest.mark.parametrize(
    ("known", "roles"),
    [
        pytest.param(remote(**BOTH), (Role.OUTPUT, Role.ERROR), id="both"),
        pytest.param(remote(output_file_id="file-o"), (Role.OUTPUT,), id="output-only"),
        pytest.param(remote("failed", error_file_id="file-e"), (Role.ERROR,), id="refused-with-error-file"),
        pytest.param(remote("expired", **BOTH), (Role.OUTPUT, Role.ERROR), id="expired-with-answers"),
        pytest.param(remote(**BOTH, roles={Role.ERROR: None}), (Role.OUTPUT,), id="one-turned-out-absent"),
        pytest.param(
            remote(**BOTH, roles={Role.OUTPUT: digest(Role.OUTPUT), Role.ERROR: digest(Role.ERROR)}),
            (Role.OUTPUT, Role.ERROR),
            id="digests-known-and-files-not-published",
        ),
        pytest.param(
            remote(roles={Role.OUTPUT: digest(Role.OUTPUT), Role.ERROR: None}),
            (Role.OUTPUT,),
            id="streamed-without-file-ids",
        ),
    ],
)
def test_every_file_that_exists_is_downloaded(known: Record, roles: tuple[Role, ...]) -> None:
    """A terminal status downloads each file that the provider has, whatever the status says."""
    (step,) = plan(snap("i", record=known), POLICY_OPENAI_REACHABLE).steps
    assert isinstance(step, Download)
    assert step.roles == roles


def test_files_that_turned_out_absent_are_not_fetched_for_ever() -> None:
    """When the provider has neither file after all, matching says that every id is missing."""
    known = remote(**BOTH, roles={Role.OUTPUT: None, Role.ERROR: None})
    assert told(plan(snap("i", record=known), POLICY_OPENAI_REACHABLE)) == "match-request-ids: pending"


def test_the_provider_in_the_record_outranks_the_configured_one() -> None:
    """A batch that is at one provider is asked there, though another is configured by now."""
    known = remote("in_progress", provider="mistral")
    there = Policy("openai", frozenset({"mistral"}))
    elsewhere = Policy("openai", frozenset({"openai"}))
    assert told(plan(snap("i", record=known), there)) == "check-online: pending"
    decided = plan(snap("i", record=known), elsewhere)
    assert told(decided) == ": held"
    assert "it is at mistral as batch_1" in decided.because


@pytest.mark.parametrize(
    ("provider", "expected"),
    [
        pytest.param("openai", "submit: pending", id="remote"),
        pytest.param("gemini", ": held", id="without-client"),
        pytest.param("local", ": held", id="local-is-never-chosen-silently"),
        pytest.param(None, ": held", id="nobody"),
    ],
)
def test_an_input_whose_metadata_names_its_provider_needs_no_other_choice(
    provider: str | None, expected: str
) -> None:
    """Who described the requests has chosen whom they are for; nothing is echoed unless somebody says so."""
    known = record(provider=provider)
    policy = Policy("none", frozenset({"openai", "local"}))
    assert told(plan(snap("i", record=known), policy)) == expected


def test_metadata_of_a_finished_legacy_batch_is_settled() -> None:
    """Metadata alone, whose input lies flat in done/, is what an earlier tool left behind."""
    left = snap("", record=remote(), history=frozenset({Role.INPUT, Role.OUTPUT}))
    assert plan(left, POLICY_NONE).then == Settled()


def test_answers_without_their_input_are_named() -> None:
    """A person reads which files are orphaned and which name the input must have."""
    decided = plan(snap("oe"), POLICY_NONE)
    assert decided.because == (
        "workdir/batch_output_7.jsonl and workdir/batch_error_7.jsonl: answers without their input"
    )
    assert isinstance(decided.then, Attention)
    assert f"batch_input_{NAME}.jsonl" in decided.then.hint


def test_no_provider_says_the_way_out() -> None:
    """Without a provider nothing is sent, and the hint names the ways: by hand, here, and at a provider."""
    then = plan(snap("i"), POLICY_NONE).then
    assert isinstance(then, Held)
    by_hand, setting, there = then.hint.splitlines()
    assert by_hand == "put the answer files beside the input; or"
    assert setting.startswith('set [provider] name = "local" in reconciler.toml')
    assert there.startswith("or name a remote provider there")


@pytest.mark.parametrize(
    ("seen_at", "policy", "expected"),
    [
        pytest.param(NOW, POLICY_OPENAI_REACHABLE, ": waiting", id="not-yet"),
        pytest.param(NOW + 900, POLICY_OPENAI_REACHABLE, "submit: pending", id="then"),
        pytest.param(NOW + 900, POLICY_MANUAL, ": needs attention", id="a-person-sends"),
        pytest.param(NOW + 900, POLICY_OPENAI, ": needs attention", id="nobody-to-send-it"),
    ],
)
def test_a_full_quota_is_waited_for(seen_at: float, policy: Policy, expected: str) -> None:
    """What was sent away for its size goes again by itself where batches do; else a person is told why."""
    full = Online(refusals=(Refusal("token_limit_exceeded", "Enqueued tokens: full."),), not_before=NOW + 900)
    decided = plan(snap("i", record=remote("failed", online=full), seen_at=seen_at), policy)
    assert told(decided) == expected
    assert "token_limit_exceeded" in decided.because or expected == "submit: pending"


@pytest.mark.parametrize(("count", "rest"), [(5, ""), (7, "; and 2 more")])
def test_many_refusals_are_counted(count: int, rest: str) -> None:
    """The first five findings are told with their lines, and how many more there are."""
    refusals = tuple(Refusal("bad", f"wrong {line}", line) for line in range(1, count + 1))
    decided = plan(snap("i", record=remote("failed", online=Online(refusals=refusals))), POLICY_NONE)
    assert decided.because.endswith(f"workdir/batch_input_7.jsonl:5: wrong 5 (bad){rest}")
    assert "workdir/batch_input_7.jsonl:1: wrong 1 (bad); " in decided.because
    assert isinstance(decided.then, Attention)
    assert decided.then.trouble is Trouble.REFUSED


@pytest.mark.parametrize(("left", "expected"), [(1.0, ": waiting"), (0.0, ": held")])
def test_what_may_be_it_is_waited_for_until_it_must_have_ended(left: float, expected: str) -> None:
    """No batch runs longer; a person decides from that moment on."""
    known = record(
        provider="openai",
        state="creating",
        sent_at=NOW - LONGEST_RUN + left,
        online=Online(candidates=("msgbatch_1",)),
    )
    assert told(plan(snap("i", record=known, asked=True), POLICY_OPENAI_REACHABLE)) == expected
