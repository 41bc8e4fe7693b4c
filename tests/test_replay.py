"""
`reconcile replay`: processors run again over settled answers; what changed is shown and published.

Nobody is asked anything. Each point where a crash may come is in test_crash.py.
"""

import itertools
import json
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, NoReturn

import attrs
import pytest

from reconciler import decide
from reconciler.check import check
from reconciler.errors import UsageError
from reconciler.model.exchange import Result
from reconciler.replaying import Replay, Replayed, ReplayedBatch, moment, replay
from reconciler.retention import retain
from reconciler.session import Options
from tests.plugging import Plugs, Seen, items, put_answers, refusing, texts
from tests.workspace.faults import Crash, Trip
from tests.workspaces import (
    answered,
    failed,
    files,
    ledger,
    leftovers,
    manifest,
    put,
    request,
    results,
    run,
    settings,
    stats,
)


def no_way() -> NoReturn:
    """A way to providers on which any call fails the test."""
    raise AssertionError("a replay asked for the network")


def again(root: Path, plugs: Plugs | None = None, *names: str, **more: Any) -> dict[str, ReplayedBatch]:
    """What a replay says of each batch."""
    return {each.name: each for each in told(root, plugs, *names, **more).batches}


def told(root: Path, plugs: Plugs | None = None, *names: str, **more: Any) -> Replay:
    """A replay without a network."""
    flags = {
        key: more.pop(key) for key in ("on_failure", "processor", "content", "line_bytes") if key in more
    }
    options = attrs.evolve((plugs or Plugs()).options, wire=no_way)
    return replay(str(root), settings(**flags), names, options, **more)


def shout(result: Result) -> Any:
    """A processor."""
    return (result.text or "").upper()


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Two settled batches; the second has a failure for good and one that went to a child, which is live."""
    root = tmp_path / "w"
    put_answers(root)
    put(
        root,
        "2",
        input=[request(n) for n in range(3)],
        output=[answered(0)],
        error=[failed(1, 429), failed(2)],
    )
    run(root, provider="openai")
    return root


def test_a_replay_that_changes_nothing_writes_nothing(root: Path) -> None:
    """Every line is counted as what it was, and not a time stamp moves."""
    told(root)
    before = {path: seen for path, seen in stats(root).items() if path not in (".", ".reconciler")}
    found = again(root)
    assert {name: each.state for name, each in found.items()} == dict.fromkeys("12", Replayed.UNCHANGED)
    assert found["2"].difference.unchanged == 3
    assert {path: seen for path, seen in stats(root).items() if path not in (".", ".reconciler")} == before


def test_what_a_new_processor_makes_is_shown_and_published(root: Path) -> None:
    """Counts and examples name what changed; results, receipt, history and `check` agree afterwards."""
    found = again(root, Plugs(shout))
    assert found["1"].state is Replayed.CHANGED
    assert (found["1"].difference.changed, found["2"].difference.changed) == (3, 1)
    first = found["1"].difference.examples[0]
    assert (first.custom_id, first.member, first.old, first.new) == ("q-0", "value", None, "ANSWER 0")
    assert found["1"].published == ("target/1.results.jsonl",)
    assert [row["value"] for row in results(root, "1")] == ["ANSWER 0", "ANSWER 1", "ANSWER 2"]
    assert [row["outcome"] for row in results(root, "2")] == ["answered", "retried", "failed"]
    assert manifest(root, "1")["receipts"]["process-output"]["processor"] == "tests:processor/1"
    assert [each["batch"] for each in ledger(root) if each["event"] == "batch.replayed"] == ["1", "2"]
    verdict = check(str(root), settings())
    assert (verdict.findings, verdict.notes) == ([], [])
    assert leftovers(root) == []
    assert not (root / ".reconciler/replay").exists()


def test_a_replay_is_redelivery_under_the_token_of_the_same_work(tmp_path: Path) -> None:
    """The same version gets the tokens that it had; another gets others; both know they may have had it."""
    root = tmp_path / "w"
    put_answers(root)
    first, same, other = Seen(), Seen(), Seen()
    Plugs(first).run(root)
    again(root, Plugs(same))
    again(root, Plugs(other, version="2"))
    assert first.redelivered == {False}
    assert same.tokens == first.tokens
    assert other.tokens.keys() == first.tokens.keys()
    assert set(other.tokens.values()).isdisjoint(first.tokens.values())
    assert same.redelivered == other.redelivered == {True}


def test_tokens_are_remembered_of_code_alone(root: Path) -> None:
    """What has begun is what explains a redelivery; a built-in processor leaves that as it was."""
    assert told(root).batches[0].published == ()
    assert "begun" not in manifest(root, "1")["receipts"]["process-output"]
    again(root, Plugs(shout), "1")
    (token,) = manifest(root, "1")["receipts"]["process-output"]["begun"]
    told(root, None, "1", processor="results")
    assert manifest(root, "1")["receipts"]["process-output"]["begun"] == [token]


def test_a_dry_run_publishes_nothing(root: Path) -> None:
    """It shows what the replay then does, and leaves every file as it was."""
    before = files(root)
    foreseen = again(root, Plugs(shout), dry_run=True)
    assert files(root) == before
    done = again(root, Plugs(shout))
    assert {name: each.difference for name, each in foreseen.items()} == {
        name: each.difference for name, each in done.items()
    }
    assert all(not each.published for each in foreseen.values())


def test_answers_that_could_be_handled_before_are_not_replaced_by_none(root: Path) -> None:
    """A processor that fails on an answer publishes nothing of that batch, says whose, and ends with 3."""
    before = files(root)
    found = told(root, Plugs(refusing("q-1")), "1")
    assert found.exit_code == 3
    assert found.batches[0].state is Replayed.UNHANDLED
    assert "q-1: ValueError: no use for q-1" in found.batches[0].because
    assert files(root) == before


def test_unhandled_answers_may_settle(root: Path) -> None:
    """With `on_failure = "settle"` the rest is published, the answer in failed-items/ until it is handled."""
    found = told(root, Plugs(refusing("q-1")), "1", on_failure="settle")
    assert found.exit_code == 0
    assert [row["custom_id"] for row in items(root)] == ["q-1"]
    assert [row["value"] is None for row in results(root, "1")] == [False, True, False]
    assert manifest(root, "1")["receipts"]["process-output"]["unhandled"]["requests"] == 1
    assert again(root, Plugs(refusing(), version="2"), "1")["1"].state is Replayed.CHANGED
    assert items(root) == []
    assert "unhandled" not in manifest(root, "1")["receipts"]["process-output"]


def test_a_mended_processor_handles_what_was_given_up(tmp_path: Path) -> None:
    """An answer that settled unhandled gets its value, and those that stay unhandled hold nothing back."""
    root = tmp_path / "w"
    put_answers(root)
    Plugs(refusing("q-1", "q-2")).run(root, on_failure="settle")
    found = told(root, Plugs(refusing("q-2"), version="2"))
    assert found.exit_code == 0
    assert [row["value"] for row in results(root, "1")] == [{"text": "answer 0"}, {"text": "answer 1"}, None]
    assert [row["custom_id"] for row in items(root)] == ["q-2"]


def test_answers_that_cannot_be_read_any_more_are_named(tmp_path: Path) -> None:
    """Read as JSON, the first that is none is told with its request and its reason; nothing is published."""
    root = tmp_path / "w"
    put_answers(root, 3, output=texts("[0]", "{", "no"))
    Plugs().run(root)
    before = files(root)
    found = again(root, Plugs(content="json"))["1"]
    assert found.state is Replayed.UNHANDLED
    assert found.because.startswith("2 answers could not be handled: q-1: ")
    assert 'on_failure = "settle"' in found.hint
    assert files(root) == before


def test_values_of_a_processor_that_nobody_named_now_are_safe(tmp_path: Path) -> None:
    """A flag that was left out replaces no value; named, even the built-in processor may."""
    root = tmp_path / "w"
    put_answers(root)
    Plugs(shout).run(root)
    before = files(root)
    found = told(root)
    assert (found.exit_code, found.batches[0].state) == (3, Replayed.REFUSED)
    assert "tests:processor/1" in found.batches[0].because
    assert "reconcile replay WORKSPACE 1 --output-processor M:F" in found.batches[0].hint
    assert "reconcile replay WORKSPACE 1 --output-processor results" in found.batches[0].hint
    assert files(root) == before
    assert told(root, processor="results").batches[0].state is Replayed.CHANGED
    assert [row["value"] for row in results(root, "1")] == [None, None, None]


@pytest.mark.parametrize(
    ("output", "content", "flags"),
    [
        pytest.param("results", "json", "--content json", id="json"),
        pytest.param("results", "jsonl", "--content jsonl", id="jsonl"),
        pytest.param("files", "text", "--output-processor files", id="files"),
        pytest.param("files", "json", "--output-processor files --content json", id="files-json"),
    ],
)
def test_what_built_in_processors_have_read_is_safe(
    output: Any, content: str, flags: str, tmp_path: Path
) -> None:
    """Values, or files, do not go because `--content` was left out; the hint says both ways on."""
    root = tmp_path / "w"
    put_answers(root, 3, output=texts("[0]", "[1]", "[2]"))
    Plugs(output, content=content).run(root)
    before = files(root)
    found = again(root)["1"]
    assert found.state is Replayed.REFUSED
    assert found.hint.splitlines()[0] == f"reconcile replay WORKSPACE 1 {flags}    hands them over again"
    assert "--output-processor results" in found.hint.splitlines()[1]
    assert files(root) == before
    assert again(root, Plugs(output, content=content))["1"].state is Replayed.UNCHANGED


@pytest.mark.parametrize("wanted", [{"content": "text"}, {"processor": "results"}])
def test_a_user_who_wants_text_says_so(wanted: dict[str, Any], tmp_path: Path) -> None:
    """Either flag is enough."""
    root = tmp_path / "w"
    put_answers(root, 3, output=texts("[0]", "[1]", "[2]"))
    Plugs(content="json").run(root)
    assert [row["value"] for row in results(root, "1")] == [[0], [1], [2]]
    assert told(root, **wanted).batches[0].state is Replayed.CHANGED
    assert [row["value"] for row in results(root, "1")] == [None, None, None]


def test_what_reads_answers_in_another_way_may_replace_them(tmp_path: Path) -> None:
    """Of a batch that nobody's code has made anything of."""
    root = tmp_path / "w"
    put_answers(root, 3, output=texts("[0]", "[1]", "[2]"))
    run(root)
    assert again(root, Plugs(content="json"))["1"].state is Replayed.CHANGED
    assert again(root, Plugs(content="jsonl"))["1"].state is Replayed.CHANGED


def test_files_of_answers(tmp_path: Path) -> None:
    """One file an answer: what is wanted is replaced, what no index names any more goes, the rest stays."""
    root = tmp_path / "w"
    put_answers(root, 3, output=texts("[0]", "[1]", "```\n[2]\n```"))
    Plugs("files", content="json").run(root)
    assert {path.name for path in (root / "target/1.files").iterdir()} == {
        "q-0.json", "q-1.json", "q-2.json", "index.jsonl"
    }  # fmt: skip
    (root / "target/1.files/notes.md").write_text("mine")
    found = again(root, Plugs("files"))["1"]
    assert found.state is Replayed.CHANGED
    assert {path.name for path in (root / "target/1.files").iterdir()} == {
        "q-0.txt", "q-1.txt", "q-2.txt", "index.jsonl", "notes.md"
    }  # fmt: skip
    assert check(str(root), settings()).notes == []


def test_a_processor_of_whole_batches(tmp_path: Path) -> None:
    """Its value and its files are compared as files, and a value that it returns no more goes."""
    root = tmp_path / "w"
    put_answers(root)

    def first(batch: Any, context: Any) -> Any:
        context.publish("all.txt", "".join(f"{each.text}\n" for each in batch.results()))
        return {"answered": batch.answered}

    def second(_batch: Any, context: Any) -> None:
        context.publish("all.txt", "none")

    Plugs(first).run(root)
    assert again(root, Plugs(first))["1"].difference.unchanged == 2
    found = again(root, Plugs(second, version="2"))["1"]
    assert (found.difference.changed, found.difference.gone) == (1, 1)
    assert (root / "target/1.files/all.txt").read_text() == "none"
    assert not (root / "target/1.value.json").exists()


def test_results_that_somebody_changed_or_removed(root: Path) -> None:
    """They are published as they should be, and lines are told as changed, gone and added."""
    path = root / "target/1.results.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(lines[0].replace(b"answer 0", b"answer 9") + b"{}\n" + lines[2])
    found = again(root, None, "1")["1"].difference
    assert (found.changed, found.added, found.gone, found.unchanged) == (1, 1, 1, 1)
    assert path.read_bytes() == b"".join(lines)
    path.unlink()
    assert again(root, None, "1")["1"].difference.added == 1
    assert path.read_bytes() == b"".join(lines)


def test_names_and_patterns(root: Path) -> None:
    """Names choose batches, and one that is none, or is not settled, stops the command before anything."""
    assert list(again(root, None, "2")) == ["2"]
    assert list(again(root, None, "?")) == ["1", "2"]
    before = files(root)
    for name in ("2.r1", "9", "../1"):
        with pytest.raises(UsageError, match="no settled batch"):
            told(root, Plugs(shout), "1", name)
    assert files(root) == before


def test_batches_of_one_model(root: Path) -> None:
    """A batch counts when a request or an answer of it names the model, or one that the pattern fits."""
    line = answered(0)
    line["response"]["body"]["model"] = "other-7b"
    asked = request(0)
    asked["body"]["temperature"] = 1
    put(root, "3", input=[asked], output=[line])
    run(root)
    assert list(again(root, model="other-7b")) == ["3"]
    assert list(again(root, model="m")) == ["1", "2", "3"]
    assert list(again(root, model="oth*")) == ["3"]
    assert list(again(root, model="none")) == []


def test_batches_that_settled_since(root: Path) -> None:
    """Counted from the manifest's own time, and what is no time is refused."""
    path = root / "done/1/manifest.json"
    found = json.loads(path.read_bytes())
    path.write_text(json.dumps({**found, "settled_at": 1_000.0}))
    assert list(again(root, since="1970-01-01T00:16:40Z")) == ["1", "2"]
    assert list(again(root, since="1970-01-01T00:16:41Z")) == ["2"]
    assert list(again(root, since="7d")) == ["2"]
    for wrong in ("yesterday", "7 days", "", "2026-13-01", "d"):
        with pytest.raises(UsageError, match="neither a date nor a duration"):
            told(root, since=wrong)


@pytest.mark.parametrize(
    ("since", "expected"),
    [
        ("90", None), ("90s", 10.0), ("1m", 40.0), ("0.5m", 70.0), ("1970-01-01", 0.0), (12.5, 12.5),
        ("1970-01-01T01:00:00+01:00", 0.0),
    ],
)  # fmt: skip
def test_times(since: str | float, expected: float | None) -> None:
    """A duration is counted back from now, a date is its first second in UTC."""
    if expected is None:
        with pytest.raises(UsageError):
            moment(since, 100.0)
    else:
        assert moment(since, 100.0) == expected


def test_what_has_no_answers_any_more(tmp_path: Path) -> None:
    """Removed JSONL and what was dismissed out of quarantine are said to be that, and are no failure."""
    root = tmp_path / "w"
    put_answers(root)
    put(root, "4", input=[request(7)], output=[answered(7), answered(7)])
    run(root, jsonl="remove")
    decide.dismiss(str(root), settings(), ["4"])
    before = files(root)
    found = told(root)
    assert found.exit_code == 0
    assert {each.name: each.state for each in found.batches} == dict.fromkeys("14", Replayed.SKIPPED)
    assert "removed by [retain]" in found.batches[0].because
    assert files(root) == before
    # Of which model it was nobody can say any more: it is told of, and not left out.
    assert "1" in again(root, model="none")


def unlist(root: Path) -> None:
    """Take the manifest away."""
    (root / "done/1/manifest.json").unlink()


def change_an_answer(root: Path) -> None:
    """Change an answer, not its id."""
    path = root / "done/1/batch_output_1.jsonl"
    path.write_bytes(path.read_bytes().replace(b"answer 1", b"answer 8"))


def lose_an_answer(root: Path) -> None:
    """Take a line away."""
    path = root / "done/1/batch_output_1.jsonl"
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:-1]))


@pytest.mark.parametrize("spoil", [unlist, change_an_answer, lose_an_answer])
def test_no_processor_sees_what_is_not_verified(spoil: Callable[[Path], None], root: Path) -> None:
    """Files that are not those that settled are refused with 3, and the other batches are replayed."""
    spoil(root)
    seen = Seen()
    found = told(root, Plugs(seen))
    assert found.exit_code == 3
    assert {each.name: each.state for each in found.batches} == {"1": Replayed.REFUSED, "2": Replayed.CHANGED}
    assert len(seen.calls) == 1


def test_what_is_about_to_be_removed_is_not_replayed(tmp_path: Path) -> None:
    """A removal that was cut off has its tombstone, which proves the results of then."""
    for at in itertools.count(1):
        root = tmp_path / f"w{at}"
        put_answers(root)
        run(root)
        trip = Trip(at)
        with suppress(Crash):
            retain(str(root), settings(jsonl="remove"), (), Options(tap=trip))
        if not trip.reached:
            break
        told(root, Plugs(shout))
        for _ in range(3):
            run(root, jsonl="remove")
        assert check(str(root), settings()).findings == [], trip.seen[-1]


def test_what_a_cut_off_replay_left_goes_with_the_next_pass(root: Path) -> None:
    """Nothing below `.reconciler/replay/` was ever published, so nothing of it is kept."""
    left = root / ".reconciler/replay/target/1.results.jsonl"
    left.parent.mkdir(parents=True)
    left.write_text("half")
    run(root)
    assert not (root / ".reconciler/replay").exists()
