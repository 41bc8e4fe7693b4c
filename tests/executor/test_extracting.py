"""A batch whose answers are held to something: its account, its results, and what of it stays."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import attrs
import pytest
from hypothesis import given
from hypothesis import settings as effort
from hypothesis import strategies as st

from reconciler.check import check
from reconciler.model.exchange import Result
from reconciler.model.extraction import Extraction, Kind
from reconciler.model.report import State
from reconciler.processors.extraction import compile_schema
from tests.plugging import Plugs, Seen, sound, texts, unread
from tests.workspaces import failed, files, live, manifest, put, record, request, results, scratch, settings

TAGS: Final = Extraction(Kind.TAGS, "<t>", "</t>")
OTHER: Final = Extraction(Kind.TAGS, "<u>", "</u>")
POINTER: Final = Extraction(Kind.POINTER, pointer="/a")
GOOD, BAD = "<t>A</t>", "none"


def put_texts(root: Path, *found: str, statuses: tuple[int, ...] = ()) -> None:
    """A batch whose first requests got these texts, and the ones after them failed with these statuses."""
    count = len(found) + len(statuses)
    bad = [failed(len(found) + n, status) for n, status in enumerate(statuses)]
    put(root, "1", input=[request(n) for n in range(count)], output=texts(*found), error=bad)


def outcomes(root: Path, name: str = "1") -> list[tuple[str, Any]]:
    """Outcome and value of each line."""
    return [(each["outcome"], each["value"]) for each in results(root, name)]


ANSWER: Final = st.sampled_from(
    ["<t>A</t>", "<t>A</t><t>A</t>", "<t>A</t><t>B</t>", "<t> </t>", "no", '{"a":1}', '{"b":1}', "[", ""]
)


def holds(text: str, extraction: Extraction) -> bool:
    """Whether a text holds what is asked for, by the plainest reading of the words."""
    if extraction.kind is Kind.TAGS:
        found = {part.partition("</t>")[0].strip() for part in text.split("<t>")[1:]}
        return len(found) == 1 and found != {""}
    try:
        return "a" in json.loads(text)
    except ValueError:
        return False


SCHEMA: Final = Extraction(Kind.SCHEMA, schema=compile_schema({"type": "object", "required": ["a"]}))


@given(st.lists(ANSWER, min_size=1, max_size=8), st.sampled_from([TAGS, POINTER, SCHEMA]), st.integers(0, 2))
@effort(deadline=None)
def test_the_account_is_that_of_a_plain_reading(
    found: list[str], extraction: Extraction, refused: int
) -> None:
    """The law: answered are the answers that hold what is asked, failed the others, and all is recounted."""
    with scratch() as folder:
        root = folder / "w"
        put_texts(root, *found, statuses=(400,) * refused)
        assert Plugs(extraction=extraction).run(root).exit_code == 0
        coverage = manifest(root, "1")["coverage"]
        good = sum(holds(text, extraction) for text in found)
        by_class = {name: tally["requests"] for name, tally in coverage["by_class"].items()}
        bad = {"invalid-answer": len(found) - good, "invalid-request": refused}
        assert coverage["answered"]["requests"] == good
        assert by_class == {name: count for name, count in bad.items() if count}
        assert [outcome for outcome, _ in outcomes(root)] == [
            *("answered" if holds(text, extraction) else "failed" for text in found),
            *["failed"] * refused,
        ]
        sound(root)


def test_what_was_asked_of_answers_is_in_the_manifest(tmp_path: Path) -> None:
    """The account says by what it was drawn; changed by hand, it counts for nothing."""
    root = tmp_path / "w"
    put_texts(root, GOOD, BAD)
    Plugs(extraction=TAGS).run(root)
    kept = manifest(root, "1")["coverage"]["extraction"]
    assert {key: kept[key] for key in ("kind", "prefix", "suffix", "think")} == {
        "kind": "tags",
        "prefix": "<t>",
        "suffix": "</t>",
        "think": "skip",
    }
    path = root / "done" / "1" / "manifest.json"
    path.write_bytes(path.read_bytes().replace(b'"<t>"', b'"<u>"'))
    assert any("sha256" in each.what for each in check(str(root), settings()).findings)


def test_settled_batches_stay_as_they_were(tmp_path: Path) -> None:
    """Other settings change nothing of a settled batch, and `check` counts it by what it was held to."""
    root = tmp_path / "w"
    put_texts(root, GOOD, BAD)
    Plugs(extraction=TAGS).run(root)
    before = files(root)
    for later in (Plugs(extraction=OTHER), Plugs(), Plugs(extraction=None, chosen=False)):
        later.run(root)
        sound(root)
    assert files(root) == before


@pytest.mark.parametrize(
    ("later", "failed_then"),
    [
        pytest.param(Plugs(extraction=OTHER), 2, id="another"),
        pytest.param(Plugs(extraction=None), 0, id="none-is-wanted"),
        pytest.param(Plugs(extraction=None, chosen=False), 1, id="nothing-is-said"),
        pytest.param(Plugs(extraction=TAGS), 1, id="the-same"),
    ],
)
def test_the_verdict_of_a_live_batch_is_drawn_anew(tmp_path: Path, later: Plugs, failed_then: int) -> None:
    """A live batch follows the settings, and keeps what it was held to where they say nothing of it."""
    root = tmp_path / "w"
    put_texts(root, GOOD, BAD)
    assert Plugs(extraction=TAGS).run(root, failed="attention").batches[0].state is State.ATTENTION
    assert record(root, "1")["coverage"]["failed"]["requests"] == 1
    later.run(root, failed="attention")
    coverage = (record if failed_then else manifest)(root, "1")["coverage"]
    assert (coverage["answered"]["requests"], coverage["failed"]["requests"]) == (
        2 - failed_then,
        failed_then,
    )
    assert sum(outcome == "failed" for outcome, _ in outcomes(root)) == failed_then
    sound(root)


def again(result: Result) -> str | None:
    """Ask invalid answers again."""
    return "retry" if result.error_class == "invalid-answer" else None


def test_an_invalid_answer_is_asked_again_in_a_child(tmp_path: Path) -> None:
    """By default nobody asks it again; where an error processor says so, exactly it goes to a child."""
    root = tmp_path / "w"
    put_texts(root, GOOD, BAD, GOOD)
    report = Plugs(extraction=TAGS, error=again).run(root, provider="openai")
    assert "1.r1" in [each.name for each in report.batches]
    child = live(root) / "batch_input_1.r1.jsonl"
    assert [json.loads(line)["custom_id"] for line in child.read_bytes().splitlines()] == ["q-1"]
    assert outcomes(root) == [("answered", "A"), ("retried", None), ("answered", "A")]
    sound(root)
    (live(root) / "batch_output_1.r1.jsonl").write_bytes(json.dumps(texts(BAD, GOOD)[1]).encode() + b"\n")
    Plugs(extraction=TAGS, error=again).run(root, provider="openai")
    assert outcomes(root, "1.r1") == [("answered", "A")]
    sound(root)


def test_what_a_batch_was_held_to_when_it_made_a_child_stays(tmp_path: Path) -> None:
    """What a child asks again does not become valid here under other settings: it would be paid twice."""
    root = tmp_path / "w"
    put_texts(root, GOOD, BAD, statuses=(400,))
    first = Plugs(extraction=TAGS, error=again)
    first.run(root, provider="openai", failed="attention")
    assert record(root, "1")["coverage"]["retried"]["requests"] == 1
    report = attrs.evolve(first, extraction=None).run(root, provider="openai", failed="attention")
    assert "went over to a retry child" not in report.batches[0].because
    assert record(root, "1")["coverage"]["retried"]["requests"] == 1
    sound(root)


def test_answers_that_were_invalid_and_are_gone_are_missed(tmp_path: Path) -> None:
    """Invalid answers were paid for: their file gone, nothing is sent, whatever they are held to now."""
    root = tmp_path / "w"
    put_texts(root, BAD, BAD)
    (live(root) / "batch_error_1.jsonl").unlink()
    Plugs(extraction=TAGS).run(root, failed="attention")
    (live(root) / "batch_output_1.jsonl").write_bytes(json.dumps(texts(BAD)[0]).encode() + b"\n")
    report = Plugs(extraction=OTHER).run(root, failed="attention")
    assert report.batches[0].state is State.ATTENTION
    assert "gone" in report.batches[0].because or "no answer" in report.batches[0].because
    assert record(root, "1")["coverage"]["failed"]["requests"] == 2
    (live(root) / "batch_output_1.jsonl").unlink()
    report = Plugs(extraction=TAGS).run(root, provider="openai")
    assert "gone" in report.batches[0].because


def test_a_processor_of_ones_own_gets_what_was_taken_out(tmp_path: Path) -> None:
    """It sees the value and no invalid answer; what it returns is `value`, what it got is `extracted`."""
    root = tmp_path / "w"
    put_texts(root, GOOD, BAD)
    seen = Seen(lambda result: [result.value])
    Plugs(seen, extraction=TAGS).run(root)
    assert [(each.custom_id, each.value, each.value_from) for each in seen.calls] == [("q-0", "A", "tags")]
    first, second = results(root, "1")
    assert (first["value"], first["extracted"], first["value_from"]) == (["A"], "A", "tags")
    assert (second["value"], "extracted" in second) == (None, False)


@pytest.mark.parametrize(
    ("extraction", "content", "text", "expected"),
    [
        pytest.param(TAGS, "text", GOOD, {"q-0.txt": b"A"}, id="tags"),
        pytest.param(POINTER, "text", '{"a":[1]}', {"q-0.json": b"[\n  1\n]\n"}, id="pointer"),
        pytest.param(TAGS, "json", '<t>{"b": 1}</t>', {"q-0.json": b'{\n  "b": 1\n}\n'}, id="json-in-tags"),
    ],
)
def test_files_hold_what_was_taken_out(
    tmp_path: Path, extraction: Extraction, content: str, text: str, expected: dict[str, bytes]
) -> None:
    """The processor `files` writes the value, not the words around it."""
    root = tmp_path / "w"
    put_texts(root, text, BAD)
    Plugs("files", content=content, extraction=extraction).run(root)
    folder = root / "target" / "1.files"
    assert {
        each.name: each.read_bytes() for each in folder.iterdir() if each.name != "index.jsonl"
    } == expected


def test_a_pointer_leaves_nothing_to_repair(tmp_path: Path) -> None:
    """Held to a pointer, an answer that is no JSON has failed: it is not put aside as unread as well."""
    root = tmp_path / "w"
    put_texts(root, '{"a": 1}', "five")
    assert Plugs(content="json", extraction=POINTER).run(root).exit_code == 0
    assert outcomes(root) == [("answered", 1), ("failed", None)]
    assert unread(root) == []


def test_another_version_of_the_repair_is_a_note(tmp_path: Path) -> None:
    """What another version of json-repair counted is no broken promise; the rest is still recounted."""
    root = tmp_path / "w"
    put_texts(root, '{"a": 1}', '{"b": 1}')
    old = attrs.evolve(POINTER, repair="0.0.1")
    Plugs(extraction=old).run(root)
    sound(root)
    tamper(root, lambda coverage: swap(coverage, "answered", "failed"))
    verdict = check(str(root), settings())
    # What is in failed-items/ was collected by the account before that.
    assert [each for each in verdict.findings if each.code != "given-up-differs"] == []
    assert any("json-repair" in note for note in verdict.notes)


def swap(coverage: dict[str, Any], one: str, other: str) -> None:
    """Count the ids of two parts the other way round."""
    coverage[one], coverage[other] = coverage[other], coverage[one]


def tamper(root: Path, change: Callable[[dict[str, Any]], None]) -> None:
    """Change the account in a manifest."""
    path = root / "done" / "1" / "manifest.json"
    found = json.loads(path.read_bytes())
    change(found["coverage"])
    path.write_text(json.dumps(found))


def test_check_recounts_by_what_was_asked(tmp_path: Path) -> None:
    """An account that calls an invalid answer answered is found out."""
    root = tmp_path / "w"
    put_texts(root, GOOD, GOOD, BAD)
    Plugs(extraction=TAGS).run(root)
    sound(root)
    tamper(root, lambda coverage: swap(coverage, "answered", "failed"))
    # The published lines say otherwise than that account, too.
    assert {each.promise for each in check(str(root), settings()).findings} == {1, 7}
