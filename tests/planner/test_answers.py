"""Batches with answers: fetched whole, matched, then settled, retried, or shown to a person."""

from typing import Any

import attrs
import pytest

from reconciler.model.coverage import Coverage
from reconciler.model.identity import BatchName, Role
from reconciler.model.operation import Download, ProcessErrors, ProcessOutput, Quarantine, RetryLeftovers
from reconciler.model.outcome import RETRYABLE, RETRYABLE_ONCE, ClassPolicy, ErrorClass
from reconciler.model.plan import Attention, Held
from reconciler.model.policy import Policy
from reconciler.model.record import Counts, Odd, Online, Record
from reconciler.model.snapshot import ChildFact, Mismatch, Place, Snapshot
from reconciler.model.trouble import Trouble
from reconciler.planner import next_child, plan
from tests.planner.builders import (
    NAME,
    POLICY_ATTENTION,
    POLICY_NONE,
    POLICY_OPENAI,
    POLICY_OPENAI_REACHABLE,
    answered,
    child,
    counts,
    coverage,
    digest,
    matched,
    mismatch,
    owner,
    record,
    remote,
    snap,
    told,
)

STAYS = ": needs attention"
SETTLE = "process-output move-to-done: pending"
SETTLE_FAILED = "process-output process-errors move-to-done: pending"
RETRY_MISSING = "process-output retry-leftovers move-to-done: pending"
RETRY_FAILED = "process-output process-errors retry-leftovers move-to-done: pending"

LIMITED = {ErrorClass.RATE_LIMIT: 1}
INVALID = {ErrorClass.INVALID_REQUEST: 1}
UNKNOWN = {ErrorClass.UNKNOWN: 1}
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
    ("failed", "attempt", "policy", "expected"),
    [
        pytest.param(LIMITED, 1, POLICY_OPENAI_REACHABLE, RETRY_FAILED, id="first-send"),
        pytest.param(LIMITED, 2, POLICY_OPENAI_REACHABLE, RETRY_FAILED, id="one-send-left"),
        pytest.param(LIMITED, 3, POLICY_OPENAI_REACHABLE, SETTLE_FAILED, id="at-max-attempts"),
        pytest.param(LIMITED, 4, POLICY_OPENAI_REACHABLE, SETTLE_FAILED, id="beyond-max-attempts"),
        pytest.param(LIMITED, 1, Policy("openai", max_attempts=1), SETTLE_FAILED, id="never-retry"),
        pytest.param(LIMITED, 1, POLICY_OPENAI, RETRY_FAILED, id="configured-without-client"),
        pytest.param(LIMITED, 1, POLICY_NONE, SETTLE_FAILED, id="no-provider-no-child"),
        pytest.param(UNKNOWN, 1, POLICY_OPENAI_REACHABLE, RETRY_FAILED, id="unknown-once"),
        pytest.param(UNKNOWN, 2, POLICY_OPENAI_REACHABLE, SETTLE_FAILED, id="unknown-not-twice"),
        pytest.param(UNKNOWN, 1, POLICY_NONE, SETTLE_FAILED, id="unknown-without-provider"),
        pytest.param(INVALID, 1, POLICY_OPENAI_REACHABLE, SETTLE_FAILED, id="for-good"),
        pytest.param({**INVALID, **LIMITED}, 1, POLICY_OPENAI_REACHABLE, RETRY_FAILED, id="some-of-each"),
        pytest.param({**INVALID, **UNKNOWN}, 2, POLICY_OPENAI_REACHABLE, SETTLE_FAILED, id="none-left"),
    ],
)
def test_failures_are_asked_again_while_attempts_last(
    failed: dict[ErrorClass, int], attempt: int, policy: Policy, expected: str
) -> None:
    """Retryable failures go to a child below max_attempts, an unknown class once, anything else never."""
    assert told(plan(answered(coverage(2, failed=failed), record(attempt=attempt)), policy)) == expected


@pytest.mark.parametrize(
    ("error_class", "expected"),
    [
        pytest.param(ErrorClass.RATE_LIMIT, RETRY_FAILED, id="rate-limit"),
        pytest.param(ErrorClass.SERVER_ERROR, RETRY_FAILED, id="server-error"),
        pytest.param(ErrorClass.OVERLOADED, RETRY_FAILED, id="overloaded"),
        pytest.param(ErrorClass.TIMEOUT, RETRY_FAILED, id="timeout"),
        pytest.param(ErrorClass.EXPIRED, RETRY_FAILED, id="expired"),
        pytest.param(ErrorClass.CANCELLED, RETRY_FAILED, id="cancelled"),
        pytest.param(ErrorClass.MISSING, RETRY_FAILED, id="missing"),
        pytest.param(ErrorClass.UNKNOWN, RETRY_FAILED, id="unknown"),
        pytest.param(ErrorClass.INVALID_REQUEST, SETTLE_FAILED, id="invalid-request"),
        pytest.param(ErrorClass.OVER_LENGTH, SETTLE_FAILED, id="over-length"),
        pytest.param(ErrorClass.CONTENT_FILTER, SETTLE_FAILED, id="content-filter"),
        pytest.param(ErrorClass.AUTHENTICATION, SETTLE_FAILED, id="authentication"),
        pytest.param(ErrorClass.BILLING, SETTLE_FAILED, id="billing"),
        pytest.param(ErrorClass.NOT_FOUND, SETTLE_FAILED, id="not-found"),
    ],
)
def test_every_class_after_the_first_send(error_class: ErrorClass, expected: str) -> None:
    """Each class of failure is either asked again or final."""
    assert told(plan(answered(coverage(2, failed={error_class: 1})), POLICY_OPENAI_REACHABLE)) == expected


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


def test_missing_and_failed_go_to_one_child() -> None:
    """Leftovers of both kinds are asked again together."""
    snapshot = answered(coverage(2, failed=LIMITED, missing=1), remote("expired"))
    assert told(plan(snapshot, POLICY_OPENAI_REACHABLE)) == RETRY_FAILED


@pytest.mark.parametrize(
    ("failed", "missing", "attempt", "classes"),
    [
        pytest.param(LIMITED, 0, 1, RETRYABLE | RETRYABLE_ONCE, id="first-retry"),
        pytest.param(LIMITED, 0, 2, RETRYABLE, id="second-retry"),
        pytest.param({}, 1, 1, RETRYABLE | RETRYABLE_ONCE, id="missing"),
        pytest.param({**LIMITED, **INVALID}, 1, 2, RETRYABLE, id="everything"),
    ],
)
def test_processors_and_retry_agree_on_what_goes_over(
    failed: dict[ErrorClass, int], missing: int, attempt: int, classes: frozenset[ErrorClass]
) -> None:
    """What is published as retried is exactly what the child is made of; the child counts one send more."""
    known = remote("expired", attempt=attempt)
    steps = plan(answered(coverage(2, failed=failed, missing=missing), known), POLICY_OPENAI_REACHABLE).steps
    (retry,) = (step for step in steps if isinstance(step, RetryLeftovers))
    assert (retry.child, retry.attempt, retry.classes) == ("7.r1", attempt + 1, classes)
    assert retry.missing is (missing > 0)
    processed = [step for step in steps if isinstance(step, ProcessOutput | ProcessErrors)]
    assert len(processed) == (2 if failed else 1)
    for step in processed:
        assert (step.child, step.classes, step.missing) == (retry.child, retry.classes, retry.missing)


def test_without_a_child_every_failure_is_final() -> None:
    """When no child is made, nothing is published as retried."""
    output = plan(answered(coverage(2, failed=INVALID)), POLICY_OPENAI_REACHABLE).steps[0]
    assert isinstance(output, ProcessOutput)
    assert (output.child, output.classes, output.missing) == (None, frozenset(), False)


def _processed(account: Coverage, **fields: Any) -> Snapshot:
    """The batch as it is once this very account was published."""
    before = answered(account, record(**fields))
    output = next(s for s in plan(before, POLICY_ATTENTION).steps if isinstance(s, ProcessOutput))
    receipts: dict[str, dict[str, object]] = {"process-output": {"token": output.token}, "process-errors": {}}
    return answered(account, record(receipts=receipts, **fields))


@pytest.mark.parametrize(
    ("snapshot", "expected"),
    [
        pytest.param(
            answered(coverage(2, failed=INVALID)),
            "process-output process-errors: needs attention",
            id="published-then-held",
        ),
        pytest.param(_processed(coverage(2, failed=INVALID)), STAYS, id="published-already"),
        pytest.param(
            answered(coverage(2, failed=INVALID), record(receipts={"process-output": {"token": "other"}})),
            "process-output process-errors: needs attention",
            id="published-from-other-files",
        ),
        pytest.param(answered(coverage(2, failed=LIMITED)), RETRY_FAILED, id="all-are-asked-again"),
        pytest.param(
            answered(coverage(2, failed=LIMITED), record(attempt=3)),
            "process-output process-errors: needs attention",
            id="no-attempt-left",
        ),
        pytest.param(
            answered(coverage(1, failed={**LIMITED, **INVALID})),
            "process-output process-errors retry-leftovers: needs attention",
            id="some-are-asked-again",
        ),
        pytest.param(
            _processed(coverage(1, failed={**LIMITED, **INVALID})),
            "retry-leftovers: needs attention",
            id="published-and-child-not-made-yet",
        ),
        pytest.param(
            answered(coverage(2, retried=1, failed=INVALID), record(children={"7.r1": owner("retried-0")})),
            "process-output process-errors: needs attention",
            id="child-made",
        ),
        pytest.param(answered(coverage(2, dismissed=1)), SETTLE, id="dismissed"),
        pytest.param(_processed(coverage(2, failed=INVALID), attempt=2), STAYS, id="second-attempt"),
    ],
)
def test_failures_for_good_hold_the_batch_when_asked_to(snapshot: Snapshot, expected: str) -> None:
    """With failed = "attention" the results are published once, and the batch waits for a person."""
    assert told(plan(snapshot, POLICY_ATTENTION)) == expected


def test_a_held_batch_names_the_way_out() -> None:
    """The hint is the command that gives the failures up."""
    decided = plan(answered(coverage(2, failed=INVALID)), POLICY_ATTENTION)
    assert decided.because == '1 request failed for good, and failed = "attention"'
    assert decided.then == Attention("reconcile dismiss WORKSPACE 7", Trouble.FAILED_FOR_GOOD)


@pytest.mark.parametrize(
    ("name", "owned", "taken", "expected"),
    [
        pytest.param("7", (), (), "7.r1", id="first"),
        pytest.param("7", ("7.r1",), (child(1),), "7.r2", id="next-free"),
        pytest.param("7", (), (child(1),), "7.r1", id="interrupted"),
        pytest.param("7", (), (child(1, place=Place.DONE),), "7.r1", id="interrupted-and-settled-since"),
        pytest.param("7", (), (child(1, None),), "7.r2", id="taken-by-who-knows"),
        pytest.param("7", (), (child(1, "6"),), "7.r2", id="taken-by-another"),
        pytest.param("7", ("7.r1",), (child(1), child(2, "7.r1")), "7.r3", id="a-childs-child"),
        pytest.param("7", ("7.r1",), (child(1), child(2)), "7.r2", id="second-interrupted"),
        pytest.param("7.r1", (), (child(1),), "7.r2", id="named-from-the-root"),
        pytest.param("7.r1", (), (child(1), child(2, "7.r1")), "7.r2", id="childs-child-interrupted"),
        pytest.param("7.r2", (), (child(1), child(2, "7.r1")), "7.r3", id="third-generation"),
        pytest.param("7_part2", (), (), "7_part2.r1", id="names-are-whole"),
    ],
)
def test_children_are_named_from_the_root(
    name: str, owned: tuple[str, ...], taken: tuple[ChildFact, ...], expected: str
) -> None:
    """A child takes the next free number of the lineage; one whose making was interrupted is made again."""
    assert next_child(BatchName(name), tuple(map(BatchName, owned)), taken) == expected


def test_the_token_tells_one_publication_from_another() -> None:
    """Equal work has an equal token; other files, or another child, have another."""
    first = plan(answered(coverage(3)), POLICY_NONE).steps[0]
    again = plan(answered(coverage(3), record(attempt=2)), POLICY_OPENAI).steps[0]
    both = plan(answered(coverage(3, letters="ioe")), POLICY_NONE).steps[0]
    retried = plan(answered(coverage(3, failed=LIMITED)), POLICY_OPENAI).steps[0]
    tokens = [step.token for step in (first, again, both, retried) if isinstance(step, ProcessOutput)]
    assert tokens[0] == tokens[1]
    assert len(set(tokens)) == 3
