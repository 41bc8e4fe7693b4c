"""Batches with answers: fetched whole, matched, then settled, or shown to a person with what is missing."""

from typing import Any

import attrs
import pytest

from reconciler.model.coverage import Coverage
from reconciler.model.identity import Role
from reconciler.model.operation import Download, ProcessOutput, Quarantine
from reconciler.model.outcome import ClassPolicy, ErrorClass
from reconciler.model.plan import Attention, Held
from reconciler.model.policy import Policy
from reconciler.model.record import Counts, Odd, Online, Record
from reconciler.model.snapshot import Mismatch
from reconciler.model.trouble import Trouble
from reconciler.planner import plan
from tests.planner.builders import (
    LIMITED,
    NAME,
    POLICY_ATTENTION,
    POLICY_NONE,
    POLICY_OPENAI,
    POLICY_OPENAI_REACHABLE,
    SETTLE,
    STAYS,
    answered,
    counts,
    coverage,
    digest,
    matched,
    mismatch,
    record,
    remote,
    snap,
    told,
)

RETRY_MISSING = "process-output retry-leftovers move-to-done: pending"
TWICE: dict[str, dict[str, Any]] = {"download-again": {}}

ALL_POLICIES = [
    pytest.param(POLICY_NONE, id="none"),
    pytest.param(POLICY_OPENAI, id="no-client"),
    pytest.param(POLICY_OPENAI_REACHABLE, id="client"),
    pytest.param(POLICY_ATTENTION, id="attention"),
]


@pytest.mark.parametrize(
    ("known", "letters", "role"),
    [
        pytest.param(remote(error_file_id="e"), "io", Role.ERROR, id="error-is-named"),
        pytest.param(remote(output_file_id="o"), "ie", Role.OUTPUT, id="output-is-named"),
        pytest.param(remote(None, error_file_id="e"), "io", Role.ERROR, id="without-status"),
        pytest.param(remote(roles={Role.ERROR: digest(Role.ERROR)}), "io", Role.ERROR, id="digest-is-known"),
    ],
)
def test_an_open_role_is_fetched_first(known: Record, letters: str, role: Role) -> None:
    """While the provider has a file that is not here, nothing is archived: the half would lose answers."""
    snapshot = snap(letters, record=known)
    (step,) = plan(snapshot, POLICY_OPENAI_REACHABLE).steps
    assert isinstance(step, Download)
    assert step.roles == (role,)
    keyless = attrs.evolve(POLICY_OPENAI, keyless={"openai": "export OPENAI_API_KEY=..."})
    assert plan(snapshot, keyless).then == Held("export OPENAI_API_KEY=...", Trouble.NO_KEY)
    for policy in (POLICY_OPENAI, POLICY_NONE, keyless):
        assert told(plan(snapshot, policy)) == ": held"
        assert told(plan(attrs.evolve(snapshot, matched=matched(coverage(3))), policy)) == ": held"


@pytest.mark.parametrize(
    ("known", "letters"),
    [
        pytest.param(remote(output_file_id="o"), "io", id="no-error-file-named"),
        pytest.param(remote(error_file_id="e", roles={Role.ERROR: None}), "io", id="provider-has-none"),
        pytest.param(remote(output_file_id="o", error_file_id="e"), "ioe", id="both-are-here"),
        pytest.param(record(), "ie", id="nothing-is-known"),
        pytest.param(None, "io", id="no-record"),
    ],
)
def test_closed_roles_are_matched(known: Record | None, letters: str) -> None:
    """Once every role is closed, the ids are held against each other."""
    assert told(plan(snap(letters, record=known), POLICY_NONE)) == "match-request-ids: pending"


@pytest.mark.parametrize("policy", ALL_POLICIES)
@pytest.mark.parametrize("account", [None, coverage(3)])
def test_bad_input_stays_in_place(policy: Policy, account: Coverage | None) -> None:
    """An input line that cannot be read needs a person, who is told where it stands."""
    bad = matched(account, bad_input=("workdir/batch_input_7.jsonl:2: is no JSON",))
    decided = plan(snap("io", matched=bad), policy)
    assert told(decided) == STAYS
    assert decided.because == "workdir/batch_input_7.jsonl:2: is no JSON"


@pytest.mark.parametrize("policy", ALL_POLICIES)
@pytest.mark.parametrize(
    ("found", "because"),
    [
        pytest.param(
            mismatch(unknown=('"x" (o:1)',)),
            '1 answer to an id that was never asked: "x" (o:1)',
            id="unknown",
        ),
        pytest.param(
            mismatch(duplicate=('"a" (o:2)', '"b" (e:1)')),
            '2 answers too many for their ids: "a" (o:2), "b" (e:1)',
            id="duplicate",
        ),
        pytest.param(
            mismatch(both=('"a" (e:2)',)),
            '1 id that is answered in both files: "a" (e:2)',
            id="both",
        ),
        pytest.param(
            mismatch(corrupt=("o:3: is no JSON",)),
            "1 line that cannot be read: o:3: is no JSON",
            id="corrupt",
        ),
        pytest.param(
            Mismatch(corrupt=("o:3: bad",), unknown=("x", "y"), total={"corrupt": 1, "unknown": 40}),
            "1 line that cannot be read: o:3: bad; 40 answers to ids that were never asked: x, y and 38 more",
            id="several",
        ),
    ],
)
def test_a_mismatch_goes_to_quarantine(found: Mismatch, because: str, policy: Policy) -> None:
    """Answers that do not fit the input are set aside with the exact difference, under every policy."""
    decided = plan(snap("io", matched=matched(coverage(3), mismatch=found)), policy)
    assert told(decided) == "quarantine: pending"
    (step,) = decided.steps
    assert isinstance(step, Quarantine)
    assert (step.reason, step.finishing) == (because, None)
    assert step.details == {
        "corrupt": list(found.corrupt),
        "unknown": list(found.unknown),
        "duplicate": list(found.duplicate),
        "both": list(found.both),
        "total": dict(found.total),
    }


@pytest.mark.parametrize("policy", ALL_POLICIES)
@pytest.mark.parametrize(
    ("known", "account"),
    [
        pytest.param(None, coverage(3), id="all-answered"),
        pytest.param(remote("completed"), coverage(3), id="all-answered-remotely"),
        pytest.param(record(attempt=3), coverage(3), id="last-attempt"),
        pytest.param(None, coverage(2, retried=1), id="rest-is-retried"),
        pytest.param(None, coverage(2, dismissed=1), id="rest-is-dismissed"),
        pytest.param(None, coverage(0, dismissed=3), id="all-dismissed"),
        pytest.param(remote("in_progress"), coverage(3), id="status-is-behind-the-files"),
    ],
)
def test_a_balanced_account_settles(known: Record | None, account: Coverage, policy: Policy) -> None:
    """When every id is answered, retried in a child or given up, the batch is published and archived."""
    assert told(plan(answered(account, known), policy)) == SETTLE


@pytest.mark.parametrize(
    ("known", "client", "bare", "none"),
    [
        # Nobody can say whether the rest is still coming.
        pytest.param(None, STAYS, STAYS, STAYS, id="no-record"),
        pytest.param(record(parent="4", attempt=2), STAYS, STAYS, STAYS, id="child-never-sent"),
        pytest.param(record(state="creating"), STAYS, STAYS, STAYS, id="no-batch-id"),
        # The provider says so itself: leftovers.
        pytest.param(remote("expired"), RETRY_MISSING, RETRY_MISSING, STAYS, id="expired"),
        pytest.param(remote("cancelled"), RETRY_MISSING, RETRY_MISSING, STAYS, id="cancelled"),
        pytest.param(
            remote("expired", counts=counts(1)), RETRY_MISSING, RETRY_MISSING, STAYS, id="expired-counts-less"
        ),
        pytest.param(remote(counts=counts(2)), RETRY_MISSING, RETRY_MISSING, STAYS, id="counts-agree"),
        pytest.param(remote(counts=counts(1, 1)), RETRY_MISSING, RETRY_MISSING, STAYS, id="sums-agree"),
        pytest.param(remote("expired", attempt=3), STAYS, STAYS, STAYS, id="expired-no-attempt-left"),
        pytest.param(remote(counts=counts(2), attempt=3), STAYS, STAYS, STAYS, id="agree-no-attempt-left"),
        # A cut download looks like this: look a second time, then stop.
        pytest.param(
            remote(counts=counts(3), output_file_id="o"),
            "download: pending",
            STAYS,
            STAYS,
            id="counts-differ",
        ),
        pytest.param(
            remote(counts=Counts(total=3, completed=2), output_file_id="o"),
            "download: pending",
            STAYS,
            STAYS,
            id="counts-half-told",
        ),
        pytest.param(remote(output_file_id="o"), "download: pending", STAYS, STAYS, id="no-counts"),
        pytest.param(
            remote("failed", output_file_id="o", counts=counts(2)),
            "download: pending",
            STAYS,
            STAYS,
            id="refused-and-yet-answered",
        ),
        # It counts an answer that has not come down: asking that again would pay twice.
        pytest.param(
            remote("expired", counts=counts(3)),
            "check-online: pending",
            STAYS,
            STAYS,
            id="expired-counts-more",
        ),
        pytest.param(
            remote("expired", counts=counts(3), output_file_id="o"),
            "download: pending",
            STAYS,
            STAYS,
            id="expired-and-cut",
        ),
        pytest.param(
            remote("cancelled", counts=counts(3), output_file_id="o", receipts=TWICE),
            STAYS,
            STAYS,
            STAYS,
            id="cancelled-and-cut-twice",
        ),
        pytest.param(
            remote(counts=counts(3), output_file_id="o", receipts=TWICE),
            STAYS,
            STAYS,
            STAYS,
            id="looked-twice",
        ),
        # Not finished, as far as was heard: the answers here may be early.
        pytest.param(remote("in_progress"), "check-online: pending", STAYS, STAYS, id="running"),
        pytest.param(remote(None), "check-online: pending", STAYS, STAYS, id="silent"),
        pytest.param(remote("moonlit"), "check-online: pending", STAYS, STAYS, id="unheard-of"),
    ],
)
def test_missing_ids(known: Record | None, client: str, bare: str, none: str) -> None:
    """Ids without an answer are asked again only when the provider itself says that no answer is coming."""
    snapshot = answered(coverage(2, missing=1), known)
    policies = (POLICY_OPENAI_REACHABLE, POLICY_OPENAI, POLICY_NONE)
    assert tuple(told(plan(snapshot, policy)) for policy in policies) == (client, bare, none)


def test_missing_ids_of_a_batch_that_still_runs_are_waited_for() -> None:
    """Its provider was asked in this pass, and is at work on it: the answers that are here came early."""
    snapshot = answered(coverage(2, missing=1), remote("in_progress"), asked=True)
    decided = plan(snapshot, POLICY_OPENAI_REACHABLE)
    assert told(decided) == ": waiting"
    assert "openai is still working on it (in_progress)" in decided.because


def test_nothing_to_show_is_no_word() -> None:
    """A batch that is called completed, without a file and without a count, may show one each time."""
    known = remote(counts=Counts(total=3, completed=0, failed=0), online=Online(odd=Odd.NO_FILE, looks=3))
    silent = snap("i", record=known, matched=matched(coverage(0, missing=3)))
    assert told(plan(silent, POLICY_OPENAI_REACHABLE)) == "check-online: pending"
    assert told(plan(attrs.evolve(silent, asked=True), POLICY_OPENAI_REACHABLE)) == STAYS


def test_missing_ids_are_named_with_the_ways_out() -> None:
    """A person reads which ids are missing and the commands that decide it."""
    found = matched(coverage(1, missing=7), missing=('"a" (i:1)', '"b" (i:2)'))
    decided = plan(snap("io", matched=found), POLICY_NONE)
    assert decided.because == '7 of 8 ids have no answer: "a" (i:1), "b" (i:2) and 5 more'
    assert isinstance(decided.then, Attention)
    assert f"reconcile retry WORKSPACE {NAME}" in decided.then.hint
    assert f"reconcile dismiss WORKSPACE {NAME}" in decided.then.hint


@pytest.mark.parametrize(
    ("word", "because"),
    [
        pytest.param(ClassPolicy.NEVER, '[policy.classes] missing = "never"', id="never"),
        pytest.param(ClassPolicy.ATTENTION, '[policy.classes] missing = "attention"', id="attention"),
        pytest.param(ClassPolicy.ONCE, "no attempt is left", id="once"),
        pytest.param(ClassPolicy.RETRY, "no attempt is left", id="retry"),
    ],
)
def test_what_keeps_missing_ids_is_named(word: ClassPolicy, because: str) -> None:
    """Where settings say that nobody asks again, it is these that are told, and not a lack of attempts."""
    policy = attrs.evolve(
        POLICY_OPENAI_REACHABLE, classes={**POLICY_OPENAI_REACHABLE.classes, ErrorClass.MISSING: word}
    )
    known = remote("expired", attempt=1 if word in (ClassPolicy.NEVER, ClassPolicy.ATTENTION) else 3)
    decided = plan(answered(coverage(2, missing=1), known), policy)
    assert told(decided) == STAYS
    assert because in decided.because
    assert isinstance(decided.then, Attention)
    assert f"reconcile dismiss WORKSPACE {NAME}" in decided.then.hint
    assert ("max_attempts" in decided.then.hint) is (because == "no attempt is left")


def test_the_token_tells_one_publication_from_another() -> None:
    """Equal work has an equal token; other files, or another child, have another."""
    first = plan(answered(coverage(3)), POLICY_NONE).steps[0]
    again = plan(answered(coverage(3), record(attempt=2)), POLICY_OPENAI).steps[0]
    both = plan(answered(coverage(3, letters="ioe")), POLICY_NONE).steps[0]
    retried = plan(answered(coverage(3, failed=LIMITED)), POLICY_OPENAI).steps[0]
    tokens = [step.token for step in (first, again, both, retried) if isinstance(step, ProcessOutput)]
    assert tokens[0] == tokens[1]
    assert len(set(tokens)) == 3
