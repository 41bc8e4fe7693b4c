"""
What became of every request, over all attempts and wherever its batches stand.

Read from the files of real workspaces, through a view that can change nothing.
"""

import json
import shutil
from collections.abc import Iterator, Sequence
from contextlib import closing
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

import attrs
import pytest

from reconciler import decide
from reconciler.errors import UsageError
from reconciler.executor.context import viewing
from reconciler.executor.lineages import lineages
from reconciler.executor.standings import rows_of, standings_of
from reconciler.model.coverage import FileDigest
from reconciler.model.identity import BatchName
from reconciler.model.record import After
from reconciler.model.rows import ResultRow
from reconciler.workspace.canaries import sample_of
from reconciler.workspace.reading import Reading
from tests import plugging
from tests.workspaces import answered, failed, live, put, request, run, scratch, settings, stats

Short = tuple[str, str, str, int, str | None]

ASKED: Final = [request(n) for n in range(4)]


@pytest.fixture
def root() -> Iterator[Path]:
    """A place for a workspace."""
    with scratch() as folder:
        yield folder / "w"


def rows(root: Path, only: Sequence[str] = (), *, finished: bool = False) -> list[ResultRow]:
    """Every row; nothing was in the way of any."""
    found, problems = told(root, only, finished=finished)
    assert problems == []
    return found


def told(
    root: Path, only: Sequence[str] = (), *, finished: bool = False
) -> tuple[list[ResultRow], list[str]]:
    """Every row, and what could not be read."""
    problems: list[str] = []
    with viewing(str(root), settings()) as view:
        return list(rows_of(view, problems, only, finished=finished)), problems


def short(found: Sequence[ResultRow]) -> list[Short]:
    """Id, outcome, batch, attempt and child of each row."""
    return [(row.custom_id, row.outcome.value, row.batch, row.attempt, row.child) for row in found]


def three_attempts(root: Path) -> None:
    """Four requests: one answered at each of three attempts, and one that failed at each of them."""
    put(root, "7", input=ASKED, output=[answered(2)], error=[failed(n, 500) for n in (3, 1, 0)])
    run(root, provider="openai")
    put(root, "7.r1", output=[answered(0)], error=[failed(3, 500), failed(1, 503)])
    run(root, provider="openai")
    put(root, "7.r2", output=[answered(3)], error=[failed(1, 429)])
    run(root, provider="openai")


def remove_raw(root: Path, name: str) -> None:
    """Take the requests and answers of a settled batch away, and leave its manifest."""
    for path in (root / "done" / name).glob("batch_*.jsonl"):
        path.unlink()


def test_an_answer_beats_a_failure_and_the_last_failure_counts(root: Path) -> None:
    """Each request stands once, in input order, with the attempt that answered it or failed last."""
    three_attempts(root)
    assert short(rows(root)) == [
        ("q-0", "answered", "7.r1", 2, None),
        ("q-1", "failed", "7.r2", 3, None),
        ("q-2", "answered", "7", 1, None),
        ("q-3", "answered", "7.r2", 3, None),
    ]
    last = rows(root)[1]
    assert (last.error_class, last.error_message, last.lineage, last.text) == (
        "rate-limit",
        "status 429",
        "7",
        None,
    )
    assert [row.text for row in rows(root)] == ["answer 0", None, "answer 2", "answer 3"]


@pytest.mark.parametrize("gone", [["7"], ["7.r1"], ["7.r2"], ["7", "7.r1", "7.r2"]])
def test_what_was_published_stands_in_for_files_that_are_gone(root: Path, gone: list[str]) -> None:
    """With the JSONL of any settled batch removed, the rows are the same ones."""
    three_attempts(root)
    before = rows(root)
    for name in gone:
        remove_raw(root, name)
    assert rows(root) == before


def test_published_results_that_were_changed_are_not_believed(root: Path) -> None:
    """Without its files, a batch whose results were edited has no rows, and that is said."""
    put(root, "7", input=ASKED[:1], output=[answered(0)])
    put(root, "8", input=ASKED[1:2], output=[answered(1)])
    run(root)
    remove_raw(root, "7")
    path = root / "target" / "7.results.jsonl"
    path.write_bytes(path.read_bytes().replace(b"answer 0", b"answer 9"))
    found, problems = told(root)
    assert short(found) == [("q-1", "answered", "8", 1, None)]
    assert len(problems) == 1
    assert "done/7" in problems[0]


@pytest.mark.parametrize(
    ("data", "why"),
    [
        pytest.param(None, "done/7/ has no manifest.json", id="gone"),
        pytest.param(b"{", "done/7/manifest.json is no manifest", id="torn"),
    ],
)
def test_a_settled_batch_whose_manifest_cannot_be_read_is_told(
    root: Path, data: bytes | None, why: str
) -> None:
    """Without what settled it, its answers count for nothing, and that is said; other batches keep theirs."""
    put(root, "7", input=ASKED[:1], output=[answered(0)])
    put(root, "8", input=ASKED[1:2], output=[answered(1)])
    run(root)
    path = root / "done" / "7" / "manifest.json"
    path.unlink()
    if data is not None:
        path.write_bytes(data)
    found, problems = told(root)
    assert short(found) == [("q-1", "answered", "8", 1, None)]
    (problem,) = problems
    assert problem.startswith(why)


def test_metadata_in_quarantine_that_cannot_be_read_hides_no_request(root: Path) -> None:
    """Its requests are quarantined whatever its metadata says; one whose input is gone is told."""
    for name in "12":
        put(root, name, input=ASKED[:2], output=[answered(0), answered(0)])
    run(root)
    (root / "quarantine/1.1/batch_metadata_1.jsonl").write_bytes(b"not metadata")
    (root / "quarantine/2.1/batch_input_2.jsonl").unlink()
    found, problems = told(root)
    assert [(row.lineage, row.outcome.value) for row in found] == [("1", "quarantined")] * 2
    assert problems == ["quarantine/2.1/: its input is not there"]


@pytest.mark.parametrize("cut", [True, False], ids=["cut", "no-lines-of-ours"])
def test_published_results_that_are_no_results_any_more_are_not_believed(root: Path, *, cut: bool) -> None:
    """Without its files, a batch has no rows where its results are cut, or something else as long as they."""
    put(root, "7", input=ASKED[:1], output=[answered(0)])
    run(root)
    remove_raw(root, "7")
    path = root / "target" / "7.results.jsonl"
    path.write_bytes(path.read_bytes()[:-9] if cut else b"x" * (path.stat().st_size - 1) + b"\n")
    assert told(root) == ([], ["done/7/: its files are gone, and so is what it published"])


def test_settled_files_that_were_changed_are_not_believed(root: Path) -> None:
    """Answers in done/ that are not those that settled make no rows."""
    put(root, "7", input=ASKED[:1], output=[answered(0)])
    run(root)
    path = root / "done" / "7" / "batch_output_7.jsonl"
    path.write_bytes(path.read_bytes().replace(b"answer 0", b"answer 9"))
    assert told(root) == ([], ["done/7/: its files are not those that settled"])


def test_what_has_not_ended(root: Path) -> None:
    """A request is pending, in flight, missing, or asked again, and the row says where."""
    sent = {"schema": 1, "generation": 1, "name": "2", "attempt": 1, "state": "submitted", "batch_id": "b"}
    put(root, "1", input=ASKED[:1])
    put(root, "2", input=ASKED[:1], metadata={**sent, "provider": "openai"})
    put(root, "3", input=ASKED[:2], output=[answered(1)])
    put(root, "4", input=ASKED[:2], output=[answered(1)], error=[failed(0, 500)])
    run(root)
    decide.retry(str(root), settings(), ["4"])
    assert short(rows(root)) == [
        ("q-0", "pending", "1", 1, None),
        ("q-0", "in-flight", "2", 1, None),
        ("q-0", "missing", "3", 1, None),
        ("q-1", "answered", "3", 1, None),
        ("q-0", "retried", "4", 1, "4.r1"),
        ("q-1", "answered", "4", 1, None),
    ]
    assert rows(root)[1].provider == "openai"
    assert rows(root)[4].error_class == "server-error"


def test_a_missing_request_that_is_asked_again(root: Path) -> None:
    """Without any line of its own it stands at its parent, and names the child; answered, at the child."""
    put(root, "3", input=ASKED[:2], output=[answered(1)])
    run(root)
    decide.retry(str(root), settings(), ["3"])
    assert short(rows(root))[0] == ("q-0", "retried", "3", 1, "3.r1")
    remove_raw(root, "3")
    assert short(rows(root))[0] == ("q-0", "retried", "3", 1, "3.r1")
    put(root, "3.r1", output=[answered(0)])
    run(root)
    assert short(rows(root))[0] == ("q-0", "answered", "3.r1", 2, None)


def test_what_was_set_aside_or_given_up(root: Path) -> None:
    """Ids in quarantine are quarantined, those that a person gave up dismissed, without any answer."""
    put(root, "1", input=ASKED[:2], output=[answered(0), answered(0)])
    put(root, "2", input=ASKED[:2], output=[answered(0)])
    put(root, "3", input=ASKED[:1], error=[failed(0, 400)])
    run(root, failed="attention")
    assert [each[1] for each in short(rows(root))] == [
        *("quarantined", "quarantined", "answered", "missing", "failed"),
    ]
    decide.dismiss(str(root), settings(failed="attention"), ["1", "2", "3"])
    assert short(rows(root)) == [
        ("q-0", "dismissed", "1", 1, None),
        ("q-1", "dismissed", "1", 1, None),
        ("q-0", "answered", "2", 1, None),
        ("q-1", "dismissed", "2", 1, None),
        ("q-0", "dismissed", "3", 1, None),
    ]
    assert [row.text for row in rows(root)][:2] == [None, None]
    assert rows(root)[4].error_class == "invalid-request"


def test_a_child_in_quarantine_keeps_the_failure_of_its_parent(root: Path) -> None:
    """A request whose child was set aside is quarantined, with the last failure that is known of it."""
    put(root, "7", input=ASKED[:2], output=[answered(0)], error=[failed(1, 500)])
    run(root, provider="openai")
    put(root, "7.r1", output=[answered(1), answered(1)])
    run(root, provider="openai")
    assert short(rows(root)) == [
        ("q-0", "answered", "7", 1, None),
        ("q-1", "quarantined", "7", 1, "7.r1"),
    ]
    decide.dismiss(str(root), settings(), ["7.r1"])
    assert short(rows(root))[1] == ("q-1", "dismissed", "7", 1, "7.r1")


def test_answers_that_do_not_match_count_for_nothing(root: Path) -> None:
    """A live batch that is about to be set aside has no answer yet, and that is said."""
    put(root, "1", input=ASKED[:2], output=[answered(0), answered(3)])
    found, problems = told(root)
    assert [row.outcome.value for row in found] == ["pending", "pending"]
    assert problems == ["the answers of 1 do not match its input; none of them counts"]


def test_live_answers_count_before_any_pass(root: Path) -> None:
    """Answers that match are answers, whether a pass has seen them or not."""
    put(root, "1", input=ASKED[:2], output=[answered(1), answered(0)])
    assert [row.text for row in rows(root)] == ["answer 0", "answer 1"]


def test_an_answer_comes_whole_only_where_nothing_can_be_taken_out_of_it(root: Path) -> None:
    """A refusal has its words, and an embedding nothing but its body."""
    refusing, bare = answered(0), answered(1)
    refusing["response"]["body"]["choices"][0]["message"] |= {"content": None, "refusal": "no"}
    bare["response"]["body"] = {"object": "list", "data": [{"embedding": [0.5], "index": 0}], "model": "m"}
    put(root, "1", input=ASKED[:2], output=[refusing, bare])
    run(root)
    refused, embedded = rows(root)
    assert (refused.refusal, refused.body) == ("no", None)
    assert (embedded.text, embedded.body) == (None, bare["response"]["body"])


@pytest.mark.parametrize("name", ["1", "1.r1"])
def test_live_files_that_have_the_name_of_a_settled_batch_are_told(root: Path, name: str) -> None:
    """No table leaves them out in silence; what an interrupted move has left is no such thing."""
    put(root, "1", input=ASKED[:2], output=[answered(0)], error=[failed(1, 500)])
    run(root, provider="openai")
    put(root, "1.r1", output=[answered(1)])
    run(root)
    settled = short(rows(root))
    for path in (root / "done" / name).glob("batch_*.jsonl"):
        shutil.copy(path, live(root) / path.name)
    assert short(rows(root)) == settled

    put(root, name, input=[request(7)], output=[answered(7)])
    found, problems = told(root)
    assert short(found) == settled
    where = f"workdir/batch_input_{name}.jsonl is not the file that done/{name}/ holds"
    assert problems == [f"{where}: its requests are left out"]
    assert told(root, finished=True)[1] == []


class Leaving(Reading):
    """A look at files that a pass is just taking away."""

    def digest(self, path: str) -> FileDigest:
        """Of a file that is gone by now."""
        (Path(self.root) / path).unlink()
        return super().digest(path)


def test_live_files_that_a_pass_is_just_taking_away_are_no_clash(root: Path) -> None:
    """What an interrupted move has left may go while somebody looks; no table ends with an error."""
    put(root, "1", input=ASKED[:1], output=[answered(0)])
    run(root)
    put(root, "1", input=[request(7)], output=[answered(7)])
    with viewing(str(root), settings()) as view, closing(Leaving(str(root))) as look:
        (lineage,) = lineages(attrs.evolve(view, look=look))
    assert lineage.unread == ()


def test_finished_looks_at_done_alone(root: Path) -> None:
    """What lives or was set aside adds no row, and an answer of a live child no answer."""
    put(root, "1", input=ASKED[:2], output=[answered(0)], error=[failed(1, 500)])
    put(root, "2", input=ASKED[:1])
    put(root, "3", input=ASKED[:1], output=[answered(1)])
    run(root, provider="openai")
    put(root, "1.r1", output=[answered(1)])
    assert short(rows(root, finished=True)) == [
        ("q-0", "answered", "1", 1, None),
        ("q-1", "retried", "1", 1, "1.r1"),
    ]
    assert short(rows(root))[1] == ("q-1", "answered", "1.r1", 2, None)


def test_only_names_and_patterns(root: Path) -> None:
    """A name or pattern chooses batches, a child's name the child alone; anything else is refused."""
    three_attempts(root)
    put(root, "8", input=ASKED[:1])
    assert [row.lineage for row in rows(root, ["8"])] == ["8"]
    assert len(rows(root, ["7*"])) == 4
    assert short(rows(root, ["7.r1"])) == [
        ("q-0", "answered", "7.r1", 2, None),
        ("q-1", "failed", "7.r2", 3, None),
        ("q-3", "answered", "7.r2", 3, None),
    ]
    with pytest.raises(UsageError, match="no batch is called 9"):
        rows(root, ["9"])


def test_batches_in_their_order(root: Path) -> None:
    """Numbers come in their order wherever they stand, other names after them."""
    for name in ("b", "10", "9", "a"):
        put(root, name, input=ASKED[:1], output=[answered(0)])
    run(root)
    put(root, "8", input=ASKED[:1])
    put(root, "11", input=ASKED[:1])
    assert [row.lineage for row in rows(root)] == ["8", "9", "10", "11", "a", "b"]


@pytest.mark.parametrize("removed", [False, True])
def test_values_of_processors(root: Path, *, removed: bool) -> None:
    """What a processor made of an answer stands in its row, also where a child gave the answer."""
    put(root, "7", input=ASKED[:2], output=[answered(0)], error=[failed(1, 500)])
    plugs = plugging.Plugs(output=lambda result: {"loud": result.text.upper()})
    plugs.run(root, provider="openai")
    put(root, "7.r1", output=[answered(1)])
    plugs.run(root, provider="openai")
    if removed:
        remove_raw(root, "7.r1")
    assert [row.value for row in rows(root)] == [{"loud": "ANSWER 0"}, {"loud": "ANSWER 1"}]


@pytest.mark.parametrize("theirs", [b"ANSWER 9", b"ANSWER 10"], ids=["as-long", "longer"])
def test_values_that_were_changed_are_left_out(root: Path, theirs: bytes) -> None:
    """Values are believed as long as the file is what was published; the answers are read all the same."""
    put(root, "7", input=ASKED[:1], output=[answered(0)])
    plugging.Plugs(output=lambda result: {"loud": result.text.upper()}).run(root)
    path = root / "target" / "7.results.jsonl"
    path.write_bytes(path.read_bytes().replace(b"ANSWER 0", theirs))
    found, problems = told(root)
    assert [(row.value, row.text) for row in found] == [(None, "answer 0")]
    assert problems == ["target/7.results.jsonl is not what was published; its values are left out"]


def test_a_child_that_is_nowhere_is_told(root: Path) -> None:
    """Its requests stand as their parent knows them, and the rows are told to be less than there was."""
    three_attempts(root)
    shutil.rmtree(root / "done" / "7.r1")
    found, problems = told(root)
    assert problems == ["retry child 7.r1 is nowhere to be found"]
    assert [row.outcome.value for row in found if row.lineage == "7"] == [
        *("failed", "failed", "answered", "failed"),
    ]


def test_a_manifest_that_names_itself_as_its_child_ends_somewhere(root: Path) -> None:
    """Whoever edits a manifest holds up nobody: each batch of a lineage is looked at once, canaries too."""
    three_attempts(root)
    path = root / "done" / "7.r1" / "manifest.json"
    found = json.loads(path.read_bytes())
    found["children"]["7.r1"] = found["children"]["7.r2"]
    path.write_text(json.dumps(found), "utf-8")
    with viewing(str(root), settings()) as view:
        (lineage,) = lineages(view)
        sample = sample_of(view.look, view.layout, After((BatchName("7"), BatchName("7.r1")), 0.5))

    assert [each.name for each in lineage.members] == ["7", "7.r1", "7.r2"]
    assert (sample.answered, sample.requests) == (3, 4)


def test_an_answer_in_a_child_that_was_put_together_in_another_order(root: Path) -> None:
    """The order of a child's lines does not matter as long as it is the child that was made."""
    put(root, "7", input=ASKED, error=[failed(n, 500) for n in range(4)])
    run(root, provider="openai")
    path = live(root) / "batch_input_7.r1.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(reversed(lines)))
    manifest = root / "done" / "7" / "manifest.json"
    found: Any = json.loads(manifest.read_bytes())
    found["children"]["7.r1"]["input"]["sha256"] = sha256(path.read_bytes()).hexdigest()
    manifest.write_text(json.dumps(found))
    put(root, "7.r1", output=[answered(n) for n in (1, 3, 0, 2)])
    assert [(row.text, row.batch) for row in rows(root)] == [(f"answer {n}", "7.r1") for n in range(4)]


def test_the_life_of_one_request(root: Path) -> None:
    """Every batch that asked a request is found by its id, the first attempt first."""
    three_attempts(root)
    with viewing(str(root), settings()) as view:
        for lineage in lineages(view):
            with standings_of(view, lineage) as found:
                life = [(each.member.name, each.at, each.standing.value) for each in found.find("q-3")]
                assert found.find("q-9") == []
    assert life == [("7", 3, "failed"), ("7.r1", 2, "failed"), ("7.r2", 1, "answered")]


def test_nothing_is_touched(root: Path) -> None:
    """Reading changes nothing, not even a time stamp of a folder."""
    three_attempts(root)
    put(root, "8", input=ASKED)
    before = stats(root)
    rows(root)
    assert stats(root) == before
