"""
Requests that are given up are collected in `failed-items/`: what a settled batch counts so, no other.

Each point where a crash may come is in test_crash.py; here are those after which a pass thinks otherwise.
"""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import attrs
import pytest

from reconciler import decide
from reconciler.check import check
from reconciler.errors import NeedsPerson, PermanentError
from reconciler.explaining import explain
from reconciler.failed_requests import failed_requests
from reconciler.model.report import State
from reconciler.retention import retain
from tests.plugging import Plugs, items, refusing
from tests.scenarios import SCENARIOS, make_local
from tests.test_replay import again
from tests.workspace.faults import Crash, Trip
from tests.workspaces import answered, failed, options, put, request, run, scratch, settings, stats, unknown

ASKED: Final = [request(n) for n in range(4)]


def given_up(root: Path, name: str = "1") -> dict[str, str]:
    """Who was given up, and whether by policy or by a person."""
    return {each["custom_id"]: each["why"] for each in items(root, name) if each["why"] != "processor"}


def put_failures(root: Path, *statuses: int) -> None:
    """A batch of four whose first requests failed with these statuses, the others answered."""
    count = len(statuses)
    put(
        root,
        "1",
        input=ASKED,
        output=[answered(n) for n in range(count, 4)],
        error=[failed(n, status) for n, status in enumerate(statuses)],
    )


def audit(root: Path) -> tuple[list[str], list[str]]:
    """What `check` finds, and what it notes."""
    verdict = check(str(root), settings())
    return [f"{each.where}: {each.what}" for each in verdict.findings], verdict.notes


def test_what_the_policy_gives_up_is_collected(tmp_path: Path) -> None:
    """A line names request and answer where they stand now, with class, reason and attempt."""
    put_failures(tmp_path, 400)
    batch = run(tmp_path).batch("1")
    assert batch.because == "moved to done/1/; 1 request given up (failed-items/1.jsonl)"
    assert items(tmp_path) == [
        {
            "custom_id": "q-0",
            "batch": "1",
            "why": "failed",
            "reason": "status 400",
            "class": "invalid-request",
            "code": None,
            "attempt": 1,
            "request": "done/1/batch_input_1.jsonl:1",
            "answer": "done/1/batch_error_1.jsonl:1",
        }
    ]
    for key in ("request", "answer"):
        path, _, number = items(tmp_path)[0][key].rpartition(":")
        line = (tmp_path / path).read_bytes().splitlines()[int(number) - 1]
        assert json.loads(line)["custom_id"] == "q-0"
    assert audit(tmp_path) == ([], [])


def test_a_long_reason_is_cut(tmp_path: Path) -> None:
    """Providers repeat whole prompts in their messages; the answer itself has every word."""
    body = {"error": {"message": "no " * 100}}
    put(tmp_path, "1", input=ASKED[:1], error=[failed(0) | {"response": {"status_code": 400, "body": body}}])
    run(tmp_path)
    (item,) = items(tmp_path)
    assert item["reason"] == ("no " * 100)[:200]


def test_a_failure_without_words_is_told_by_its_status(tmp_path: Path) -> None:
    """Where a provider says nothing else, the number is all there is to say."""
    put(tmp_path, "1", input=ASKED[:1], error=[failed(0) | {"response": {"status_code": 418, "body": {}}}])
    run(tmp_path)
    assert [item["reason"] for item in items(tmp_path)] == ["HTTP status 418"]


def test_what_is_asked_again_is_not(tmp_path: Path) -> None:
    """Only what no child asks is given up; once no attempt is left, the child gives it up."""
    put_failures(tmp_path, 400, 429)
    run(tmp_path, provider="openai", max_attempts=2)
    assert given_up(tmp_path) == {"q-0": "failed"}
    put(tmp_path, "1.r1", error=[failed(1, 429)])
    run(tmp_path, provider="openai", max_attempts=2)
    assert given_up(tmp_path, "1.r1") == {"q-1": "failed"}
    assert items(tmp_path, "1.r1")[0]["attempt"] == 2
    assert audit(tmp_path) == ([], [])


def test_where_nothing_is_given_up_there_is_no_file(tmp_path: Path) -> None:
    """A batch that is answered leaves none, nor does one whose every failure went to a child."""
    put_failures(tmp_path, 429)
    put(tmp_path, "2", input=ASKED, output=[answered(n) for n in range(4)])
    run(tmp_path, provider="openai")
    assert (tmp_path / "done" / "1").is_dir()
    assert not (tmp_path / "failed-items").exists()


@pytest.mark.parametrize("word", ["never", "retry"])
def test_missing_requests_are_given_up_by_a_person_alone(word: str, tmp_path: Path) -> None:
    """Whatever the table says of them, their batch stays, and nothing is collected before `dismiss`."""
    put(tmp_path, "1", input=ASKED, output=[answered(0)], error=[failed(1, 400)])
    flags: dict[str, Any] = {"missing": word, "provider": "openai", "max_attempts": 1}
    report = run(tmp_path, **flags)
    assert report.batch("1").state is State.ATTENTION
    assert items(tmp_path) == []
    decide.dismiss(str(tmp_path), settings(**flags), ["1"])
    assert given_up(tmp_path) == {"q-1": "failed", "q-2": "dismissed", "q-3": "dismissed"}
    assert [each["class"] for each in items(tmp_path)] == ["invalid-request", "missing", "missing"]
    assert audit(tmp_path) == ([], [])


def test_failures_that_a_person_looks_at_are_given_up_by_that_person(tmp_path: Path) -> None:
    """While the batch is held nothing is collected; after `dismiss` all its failures are dismissed."""
    put_failures(tmp_path, 400, 429)
    run(tmp_path, failed="attention")
    assert items(tmp_path) == []
    decide.dismiss(str(tmp_path), settings(failed="attention"), ["1"])
    assert given_up(tmp_path) == {"q-0": "dismissed", "q-1": "dismissed"}
    assert audit(tmp_path) == ([], [])


def test_a_batch_that_is_dismissed_out_of_quarantine_gives_up_every_request(tmp_path: Path) -> None:
    """Also under the name that it gets beside a mended copy, whose own requests nobody has given up."""
    put(tmp_path, "4", input=ASKED[:2], output=[answered(0), answered(0)])
    run(tmp_path)
    put(tmp_path, "4", input=ASKED[:2], output=[answered(0), answered(1)])
    run(tmp_path)
    decide.dismiss(str(tmp_path), settings(), ["4"])
    assert items(tmp_path, "4") == []
    assert given_up(tmp_path, "4.q1") == {"q-0": "dismissed", "q-1": "dismissed"}
    first = items(tmp_path, "4.q1")[0]
    assert first["request"] == "done/4.q1/batch_input_4.jsonl:1"
    assert first["reason"] == "given up by a person; it was in quarantine/4.1/"
    assert audit(tmp_path) == ([], [])


def test_asked_again_by_a_person_they_leave_the_file(tmp_path: Path) -> None:
    """`retry` takes the ids out that go to the child; when none is left, the file goes."""
    put_failures(tmp_path, 400, 429)
    run(tmp_path)
    assert list(given_up(tmp_path)) == ["q-0", "q-1"]
    decide.retry(str(tmp_path), settings(), ["1"])
    assert list(given_up(tmp_path)) == ["q-0"]
    decide.retry(str(tmp_path), settings(), ["1"], classes=["invalid-request"])
    assert not (tmp_path / "failed-items" / "1.jsonl").exists()
    assert audit(tmp_path) == ([], [])


def test_the_lines_are_gone_for_good_before_the_ids_go_over(tmp_path: Path) -> None:
    """A power cut after the manifest was replaced cannot bring the file back."""
    put_failures(tmp_path, 429)
    run(tmp_path)
    trip = Trip()
    decide.retry(str(tmp_path), settings(), ["1"], options(trip))
    gone = trip.seen.index(("unlink", "failed-items/1.jsonl"))
    assert trip.seen[gone + 1] == ("fsync-folder", "failed-items")
    assert gone < trip.seen.index(("rename", "done/1/manifest.json"))


def test_it_holds_what_retry_would_print(tmp_path: Path) -> None:
    """`retry --print` prints the request line of each of them, and no other."""
    put_failures(tmp_path, 400, 429, 500)
    run(tmp_path, provider="openai")
    put(tmp_path, "1.r1", output=[answered(1)], error=[failed(2, 400)])
    run(tmp_path, provider="openai")
    printed = [json.loads(line)["custom_id"] for line in failed_requests(str(tmp_path), settings())]
    assert printed == [*given_up(tmp_path), *given_up(tmp_path, "1.r1")] == ["q-0", "q-2"]


@pytest.mark.parametrize("damage", ["copy", "gone"])
def test_what_cannot_be_read_keeps_no_other_from_being_printed(tmp_path: Path, damage: str) -> None:
    """The failures of every other batch come first; then it is said what could not be looked at."""
    put_failures(tmp_path, 400)
    run(tmp_path)
    (tmp_path / "done/0").mkdir()
    if damage == "copy":
        shutil.copy(tmp_path / "done/1/manifest.json", tmp_path / "done/0")
    lines = failed_requests(str(tmp_path), settings())
    assert json.loads(next(lines))["custom_id"] == "q-0"
    with pytest.raises(NeedsPerson, match="not all could be looked at: done/0/"):
        next(lines)
    with pytest.raises(PermanentError, match="done/0/"):
        next(failed_requests(str(tmp_path), settings(), ["0"]))


@pytest.mark.parametrize(
    ("spoil", "told"),
    [("metadata", "batch_metadata_0.jsonl"), ("answers", "0: its input and answers do not match"), ("", "")],
)
def test_a_live_batch_that_is_wrong_is_told_one_that_waits_is_not(
    tmp_path: Path, spoil: str, told: str
) -> None:
    """Bad metadata, or foreign answers, hide failures; a batch that nobody has answered yet hides none."""
    put_failures(tmp_path, 400)
    run(tmp_path)
    put(tmp_path, "0", input=[request(7)])
    if spoil == "answers":
        put(tmp_path, "0", output=[answered(8)])
    if spoil == "metadata":
        (tmp_path / "batch_metadata_0.jsonl").write_text("{")
    lines = failed_requests(str(tmp_path), settings())
    assert json.loads(next(lines))["custom_id"] == "q-0"
    if not spoil:
        assert list(lines) == []
        return
    with pytest.raises(NeedsPerson, match=f"not all could be looked at: .*{told}"):
        next(lines)
    with pytest.raises(NeedsPerson, match=told) as refused:
        next(failed_requests(str(tmp_path), settings(), ["0"]))
    assert refused.value.hint


def test_what_is_answered_here_is_collected_too(tmp_path: Path) -> None:
    """The embedded provider's failures: what it never calls again, and what was called as often as it may."""
    make_local(tmp_path)
    SCENARIOS["local"].act(tmp_path, None)
    assert given_up(tmp_path, "2") == {"q-1": "failed", "q-2": "failed"}
    assert [each["class"] for each in items(tmp_path, "2")] == ["invalid-request", "timeout"]
    assert audit(tmp_path) == ([], [])


def test_answers_and_requests_share_the_file(tmp_path: Path) -> None:
    """What a processor failed on comes first; whoever writes one kind anew keeps the other."""
    put_failures(tmp_path, 400)
    plugs = Plugs(refusing("q-2"))
    plugs.run(tmp_path, on_failure="settle")
    assert [(each["custom_id"], each["why"]) for each in items(tmp_path)] == [
        ("q-2", "processor"),
        ("q-0", "failed"),
    ]
    assert again(tmp_path, Plugs(refusing("q-3"), version="2"), on_failure="settle")["1"].state == "changed"
    assert [each["custom_id"] for each in items(tmp_path)] == ["q-3", "q-0"]
    again(tmp_path, Plugs(lambda result: result.text, version="3"))
    assert [each["custom_id"] for each in items(tmp_path)] == ["q-0"]
    decide.retry(str(tmp_path), settings(), ["1"], classes=["invalid-request"])
    assert items(tmp_path) == []
    assert audit(tmp_path) == ([], [])


def test_an_error_of_a_replay_is_told_of_the_answer(tmp_path: Path) -> None:
    """A replay that fails tells why, though requests that were given up stand in the same file."""
    put_failures(tmp_path, 400)
    run(tmp_path)
    told = again(tmp_path, Plugs(refusing("q-2")))["1"]
    assert told.because.startswith("1 answer could not be handled: q-2: ")
    assert list(given_up(tmp_path)) == ["q-0"]


def test_a_second_pass_changes_nothing(tmp_path: Path) -> None:
    """Neither the file nor anything else."""
    put_failures(tmp_path, 400)
    run(tmp_path)
    before = {path: seen for path, seen in stats(tmp_path).items() if "logs" not in path}
    run(tmp_path)
    assert {path: seen for path, seen in stats(tmp_path).items() if "logs" not in path} == before


def test_explain_names_the_line(tmp_path: Path) -> None:
    """Of the batch that gave it up, not of those that have asked it before or answered others."""
    put_failures(tmp_path, 429, 400)
    run(tmp_path, provider="openai")
    put(tmp_path, "1.r1", error=[failed(0, 400)])
    run(tmp_path, provider="openai")
    (life,) = explain(str(tmp_path), settings(), "q-0").lives
    assert [each.collected for each in life.attempts] == [None, "failed-items/1.r1.jsonl:1"]
    (life,) = explain(str(tmp_path), settings(), "q-1").lives
    assert [each.collected for each in life.attempts] == ["failed-items/1.jsonl:1"]
    (life,) = explain(str(tmp_path), settings(), "q-3").lives
    assert [each.collected for each in life.attempts] == [None]


def test_explain_looks_past_lines_that_are_no_text(tmp_path: Path) -> None:
    """A line that somebody has edited away keeps no other from being found."""
    put_failures(tmp_path, 400)
    run(tmp_path)
    path = tmp_path / "failed-items" / "1.jsonl"
    path.write_bytes(b"\xff\n[1]\n" + path.read_bytes())
    (life,) = explain(str(tmp_path), settings(), "q-0").lives
    assert [each.collected for each in life.attempts] == ["failed-items/1.jsonl:3"]
    assert audit(tmp_path) == ([], [])


Edit = Callable[[Path], object]

EDITS: Final[dict[str, tuple[Edit, str]]] = {
    "one-less": (lambda path: path.write_bytes(path.read_bytes().split(b"\n", 1)[1]), "1 request given up"),
    "one-more": (lambda path: path.write_bytes(path.read_bytes() * 2), "4 requests given up"),
    "another": (
        lambda path: path.write_bytes(path.read_bytes().replace(b"q-0", b"q-3")),
        "other requests than 1 has given up",
    ),
    "no-text": (
        lambda path: path.write_bytes(path.read_bytes().replace(b"q-0", b"\xed\xa0\x80")),
        "1 request given up",
    ),
    "torn": (lambda path: path.write_bytes(path.read_bytes()[:-10]), "1 request given up"),
}


@pytest.mark.parametrize("removed", [False, True], ids=["kept", "removed"])
@pytest.mark.parametrize("edit", EDITS)
def test_check_holds_it_against_the_account(edit: str, tmp_path: Path, *, removed: bool) -> None:
    """One id too few, too many or exchanged is found, also where the JSONL was removed since."""
    put_failures(tmp_path, 400, 400)
    run(tmp_path)
    if removed:
        retain(str(tmp_path), settings(jsonl="remove"))
    assert audit(tmp_path) == ([], [])
    change, wanted = EDITS[edit]
    change(tmp_path / "failed-items" / "1.jsonl")
    findings, _ = audit(tmp_path)
    assert len(findings) == 1
    assert findings[0].startswith("failed-items/1.jsonl: ")
    assert wanted in findings[0]


def test_check_notes_that_it_is_gone(tmp_path: Path) -> None:
    """Who has seen to the requests may remove the file: manifest and answers still tell of them."""
    put_failures(tmp_path, 400, 400)
    run(tmp_path)
    (tmp_path / "failed-items" / "1.jsonl").unlink()
    assert audit(tmp_path) == (
        [],
        ["failed-items/1.jsonl: told of 2 requests given up, and is not there any more"],
    )


@attrs.define
class Watch:
    """
    A tap that looks, before each change, whether the file names a request that has gone over to a child.

    Attributes:
        root: The workspace, in which batch 1 has one failure.
        wrong: The changes before which it did.
    """

    root: Path
    wrong: list[str] = attrs.field(factory=list)

    def __call__(self, change: str, path: str) -> None:
        """Look."""
        metadata = self.root / "workdir" / "batch_metadata_1.jsonl"
        if given_up(self.root) and metadata.exists() and "children" in json.loads(metadata.read_bytes()):
            self.wrong.append(f"{change} {path}")


@pytest.mark.parametrize("mend", ["table", "retry", "answers", "mismatch"])
def test_cut_off_and_then_thought_otherwise(mend: str) -> None:
    """
    A pass dies anywhere while its batch settles, and what comes next is not what it was about to do.

    Whatever that is, at no moment does the file name a request that a child asks, or that is answered then.
    """
    point, cut = 0, True
    while cut:
        point += 1
        with scratch() as folder:
            root = folder / "w"
            put(root, "1", input=ASKED[:2], output=[answered(0)], error=[unknown(1)])
            try:
                run(root, tap=Trip(at=point, failure=Crash), provider="openai", unknown="never")
                cut = False
            except Crash:
                pass
            if (root / "done" / "1").exists():
                continue
            watched = Watch(root)
            if mend == "table":
                run(root, tap=watched, provider="openai")
            elif mend == "retry":
                decide.retry(str(root), settings(), ["1"])
            else:
                lines = [answered(0), answered(1)] if mend == "answers" else [answered(0), answered(0)]
                (root / "workdir" / "batch_error_1.jsonl").unlink()
                put(root, "1", output=lines)
                run(root)
            when = f"{mend}, cut off before change {point}"
            assert given_up(root) == {}, when
            assert watched.wrong == [], when
    assert point > 20
