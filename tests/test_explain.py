"""`reconcile explain`: every batch that has asked a request, what became of it there, and where it stands."""

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import attrs
import pytest

from reconciler import replaying, retention
from reconciler.errors import NeedsPerson, UsageError
from reconciler.explaining import explain
from reconciler.model.life import Attempt, Life
from reconciler.model.rows import Standing
from reconciler.model.snapshot import Place
from reconciler.testing import FakeProvider
from tests.cli.calling import call
from tests.plugging import Plugs, Seen, put_answers, refusing
from tests.stopping import begun
from tests.workspaces import answered, failed, put, request, run, settings, stats


def lives(root: Path, custom_id: str) -> tuple[Life, ...]:
    """What is told of a request; looking must not change anything."""
    before = stats(root)
    found = explain(str(root), settings(), custom_id)
    assert stats(root) == before
    assert found.custom_id == custom_id
    return found.lives


def life(root: Path, custom_id: str) -> Life:
    """The one life of a request."""
    (found,) = lives(root, custom_id)
    return found


def events(attempt: Attempt) -> list[str]:
    """What history tells of its batch."""
    return [each.event for each in attempt.events]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A lineage of two attempts: q-1 failed and is answered in the child, q-2 failed for good."""
    root = tmp_path / "w"
    put(
        root,
        "1",
        input=[b"", request(0), request(1), request(2)],
        output=[answered(0)],
        error=[failed(2), b"", failed(1, 429)],
    )
    run(root, provider="openai")
    line = answered(1)
    line["response"]["body"]["usage"] = {"prompt_tokens": 3, "completion_tokens": 5}
    put(root, "1.r1", output=[line])
    run(root)
    return root


def loud(root: Path) -> None:
    """A replay that makes something of every answer."""
    plugs = Plugs(lambda result: (result.text or "").upper(), version="9")
    assert replaying.replay(str(root), settings(), (), plugs.options).exit_code == 0


def test_a_request_through_two_attempts_and_a_replay(root: Path) -> None:
    """Each attempt says where request and answer stand, why it was asked again, and what was made of it."""
    loud(root)
    found = life(root, "q-1")
    assert (found.lineage, found.outcome, found.problems) == ("1", Standing.ANSWERED, ())
    first, second = found.attempts
    assert (first.batch, first.attempt, first.outcome, first.child) == ("1", 1, Standing.RETRIED, "1.r1")
    assert (first.request, first.answer) == ("done/1/batch_input_1.jsonl:3", "done/1/batch_error_1.jsonl:3")
    assert first.error == {"class": "rate-limit", "code": None, "message": "status 429"}
    assert events(first) == ["batch.retried", "batch.settled", "batch.replayed"]
    assert (second.batch, second.parent, second.attempt) == ("1.r1", "1", 2)
    assert (second.outcome, second.child, second.error) == (Standing.ANSWERED, None, None)
    assert second.answer == "done/1.r1/batch_output_1.r1.jsonl:1"
    assert (second.model, second.finish_reason, second.provider) == ("m", "stop", "openai")
    assert second.usage == {"prompt_tokens": 3, "completion_tokens": 5}
    assert second.cost is None
    assert second.handling is not None
    assert second.handling.processor == "tests:processor/9"
    assert (second.handling.published, second.handling.value) == ("target/1.r1.results.jsonl:1", "ANSWER 1")
    assert events(second) == ["batch.settled", "batch.replayed"]
    assert second.events[0].at <= second.events[1].at


def test_an_attempt_says_what_it_cost(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """At the batch price of its model, for people and in JSON; a model without a price is named."""
    usage = {"prompt_tokens": 1_000_000, "completion_tokens": 0}
    for name, model in (("1", "gpt-4o-mini"), ("2", "never-heard-of")):
        line = answered(int(name))
        line["response"]["body"] |= {"model": model, "usage": usage}
        put(tmp_path, name, input=[request(int(name))], output=[line], metadata={"batch_id": f"batch_{name}"})
    run(tmp_path, provider="openai")
    ((known,), (unknown,)) = (life(tmp_path, f"q-{n}").attempts for n in (1, 2))
    assert (known.cost, unknown.cost) == (Decimal("0.075"), None)
    assert "cost       about $0.0750" in call(capsys, "explain", tmp_path, "q-1").out
    assert "no price for never-heard-of" in call(capsys, "explain", tmp_path, "q-2").out
    (found,) = call(capsys, "explain", tmp_path, "q-1", "--json").document["lives"]
    assert found["attempts"][0]["cost"] == "0.075"


def test_its_token_is_the_one_that_the_processor_got(tmp_path: Path) -> None:
    """So an effect elsewhere can be found by it."""
    root = tmp_path / "w"
    put_answers(root)
    seen = Seen()
    Plugs(seen).run(root)
    (attempt,) = life(root, "q-1").attempts
    assert attempt.handling is not None
    assert attempt.handling.record_token == seen.tokens["q-1"]
    assert (attempt.handling.calls, attempt.handling.ended) == (1, True)


def test_what_could_not_be_handled(tmp_path: Path) -> None:
    """A live batch tells of it too, with the reason."""
    root = tmp_path / "w"
    put_answers(root)
    Plugs(refusing("q-1")).run(root)
    (attempt,) = life(root, "q-1").attempts
    assert attempt.place is Place.LIVE
    assert attempt.handling is not None
    assert attempt.handling.unhandled == "ValueError: no use for q-1"


def test_what_is_gone_is_said(root: Path) -> None:
    """After `[retain]` the attempts, outcomes and tokens are still told; lines are not, and why not."""
    loud(root)
    before = life(root, "q-1")
    retention.retain(str(root), settings(jsonl="remove"))
    after = life(root, "q-1")
    assert after.outcome is before.outcome
    for old, new in zip(before.attempts, after.attempts, strict=True):
        assert (new.request, new.answer) == (None, None)
        assert new.removed_at is not None
        assert events(new)[-1] == "batch.removed"
        kept: dict[str, Any] = {"request": None, "answer": None, "removed_at": None, "events": ()}
        assert attrs.evolve(new, **kept) == attrs.evolve(old, **kept)


def test_an_id_that_several_batches_have_asked(root: Path) -> None:
    """Each has a life of its own: settled, waiting, set aside; none of them answers for another."""
    put(root, "2", input=[request(1)])
    put(root, "3", input=[request(5), request(1)], output=[answered(1), answered(1)])
    run(root)
    found = lives(root, "q-1")
    assert [(each.lineage, each.outcome) for each in found] == [
        ("1", Standing.ANSWERED),
        ("2", Standing.PENDING),
        ("3", Standing.QUARANTINED),
    ]
    (aside,) = found[2].attempts
    assert (aside.place, aside.folder) == (Place.QUARANTINE, "quarantine/3.1")
    assert aside.request == "quarantine/3.1/batch_input_3.jsonl:2"
    assert aside.reason is not None
    assert "answer too many" in aside.reason


def test_a_request_under_way(fake_provider: FakeProvider) -> None:
    """The provider's id, its word, and when the create left are told while the batch is there."""
    with begun("openai", fake_provider, polls=9) as online:
        online.run()
        (found,) = explain(str(online.root), settings(), "q-1").lives
        (attempt,) = found.attempts
        assert found.outcome is Standing.IN_FLIGHT
        assert (attempt.provider, attempt.batch_id) == ("openai", fake_provider.batches[0].id)
        assert attempt.status is not None
        assert attempt.sent_at is not None
        assert events(attempt) == ["spend.reserved", "batch.creating", "batch.submitted"]


@pytest.mark.parametrize("custom_id", ["é-✓", 'a"b\\c', "x" * 300, "../1", " "])
def test_any_id_can_be_asked_for(custom_id: str, tmp_path: Path) -> None:
    """However it is escaped in the file, and however long it is."""
    root = tmp_path / "w"
    line = json.dumps({**request(0), "custom_id": custom_id}, ensure_ascii=len(custom_id) % 2 == 0)
    put(root, "1", input=[request(7), line.encode()])
    (attempt,) = life(root, custom_id).attempts
    assert attempt.request == "workdir/batch_input_1.jsonl:2"


def test_an_unknown_id(root: Path) -> None:
    """Nearest ones are named; nothing like it, and the hint says what an id is."""
    with pytest.raises(UsageError, match='no batch has asked "q-11"') as near:
        explain(str(root), settings(), "q-11")
    assert '"q-1"' in near.value.hint
    for wrong in ("zzzzzzzz", "", "\udcff"):
        with pytest.raises(UsageError) as far:
            explain(str(root), settings(), wrong)
        assert "q-" not in far.value.hint


def test_what_could_not_be_searched_is_said(root: Path) -> None:
    """An id is not called unknown while a batch could not be read; one that is found is told."""
    put(root, "9", input=[b"{not json"])
    with pytest.raises(NeedsPerson, match="not all could be searched: 9"):
        explain(str(root), settings(), "q-77")
    assert life(root, "q-1").outcome is Standing.ANSWERED


def test_a_request_of_a_batch_whose_name_has_settled_files(tmp_path: Path) -> None:
    """Nobody says that no batch has asked it: one has that nobody can tell from the settled one."""
    root = tmp_path / "w"
    put(root, "1", input=[request(0)], output=[answered(0)])
    run(root)
    put(root, "1", input=[request(7)])
    with pytest.raises(NeedsPerson, match=r"not all could be searched: workdir/batch_input_1\.jsonl is not"):
        explain(str(root), settings(), "q-7")
    assert life(root, "q-0").outcome is Standing.ANSWERED
