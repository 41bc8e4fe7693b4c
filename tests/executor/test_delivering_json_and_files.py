"""
Answers are handed over as values read from JSON, or become a file each, whatever their ids.

Each test makes real passes over a real workspace.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest

from reconciler import decide
from reconciler.model.content import Content
from reconciler.processors.files import leaf_of
from tests.plugging import Plugs, Seen, items, lines_of, put_answers, sound, texts, unread, values
from tests.reconciling import go
from tests.workspaces import (
    answered,
    failed,
    files,
    manifest,
    put,
    request,
    results,
    scratch,
)


@pytest.fixture
def root() -> Iterator[Path]:
    """A place for a workspace, in memory."""
    with scratch() as folder:
        yield folder / "w"


# Answers read as JSON


def test_values_are_read_for_it(root: Path) -> None:
    """With `content` it gets the value beside the text, and never what could not be read."""
    put_answers(root, 4, output=texts('{"a": 1}', "```json\n[2]\n```", "I cannot say", '{"a": 3,}'))
    seen = Seen(lambda result: ["got", result.value])
    assert Plugs(seen, content="json").run(root).exit_code == 3
    assert [each.value for each in seen.calls] == [{"a": 1}, [2], {"a": 3}]
    assert values(root) == [["got", {"a": 1}], ["got", [2]], None, ["got", {"a": 3}]]
    assert [line.get("value_from") for line in results(root, "1")] == ["whole", "fenced", None, "repaired"]
    assert items(root) == []
    (line,) = unread(root)
    assert (line["custom_id"], line["why"], line["text"], line["token"]) == (
        "q-2",
        "broken",
        "I cannot say",
        None,
    )


@pytest.mark.parametrize(("think", "value"), [("skip", [1]), ("search", {"draft": True})])
def test_thinking_is_searched_where_the_settings_say_so(root: Path, think: str, value: Any) -> None:
    """`[results] think` counts for JSON as it does for extraction."""
    put_answers(root, 1, output=texts('<think>{"draft": true}</think>[1]'))
    go(root, content="json", settings={"results.think": think})
    assert values(root) == [value]


def test_what_can_be_read_after_all_is_no_trouble_any_more(root: Path) -> None:
    """Handed over again as text, nothing is unread, and the file that told of it goes."""
    put_answers(root, 3, output=texts("[0]", "I cannot say", "[2]"))
    Plugs(Seen(), content="json").run(root)
    assert [each["custom_id"] for each in unread(root)] == ["q-1"]
    Plugs(Seen(), content="text").decide(decide.process, root)
    assert not (root / "failed-json-repairs/1.jsonl").exists()


def test_json_without_a_processor(root: Path) -> None:
    """The built-in `results` publishes the values, and counts how they were found."""
    put_answers(root, 3, output=texts('{"a": 1}', '{"a": 2,}', "so: [3]"))
    assert Plugs(content="json").run(root).exit_code == 0
    assert values(root) == [{"a": 1}, {"a": 2}, [3]]
    found = manifest(root, "1")["receipts"]["process-output"]["found"]
    assert found == {"whole": 1, "repaired": 1, "prose": 1}
    sound(root)


def test_lines_of_json(root: Path) -> None:
    """JSONL gives lists."""
    put_answers(root, 1, output=texts('{"a": 1}\n{"a": 2}'))
    assert Plugs(content="jsonl").run(root).exit_code == 0
    assert values(root) == [[{"a": 1}, {"a": 2}]]


# Files


def folder(root: Path, name: str = "1") -> dict[str, bytes]:
    """What lies in the folder of a batch's files."""
    return {path.name: path.read_bytes() for path in (root / "target" / f"{name}.files").iterdir()}


def renamed(line: dict[str, Any], custom_id: str) -> dict[str, Any]:
    """A line of another id."""
    return {**line, "custom_id": custom_id}


ODD_IDS: Final = (
    "../../escape",
    "/etc/passwd",
    "a/b",
    "index",
    "A",
    "a",
    "a\u0001b",
    "..",
    "é",
    "-",
    "a-" + "0" * 16,
)


def test_each_answer_becomes_a_file(root: Path) -> None:
    """Each answer has a file of its own, whatever its id, and the index says which."""
    put(
        root,
        "1",
        input=[renamed(request(n), each) for n, each in enumerate(ODD_IDS)],
        output=[renamed(answered(n), each) for n, each in enumerate(ODD_IDS)],
    )
    outside = {path.name for path in root.parent.iterdir()}
    assert Plugs("files").run(root).exit_code == 0
    index = lines_of(root / "target" / "1.files" / "index.jsonl")
    assert [line["custom_id"] for line in index] == list(ODD_IDS)
    found = folder(root)
    assert {line["file"] for line in index} == found.keys() - {"index.jsonl"}
    for n, line in enumerate(index):
        assert found[line["file"]] == f"answer {n}".encode()
    assert {path.name for path in root.parent.iterdir()} == outside
    ours = {path.split("/")[0] for path in files(root)}
    assert ours == {".reconciler", "done", "target"}
    sound(root)


def test_what_has_no_file(root: Path) -> None:
    """A failure and an answer that cannot be read have a line in the index and no file."""
    put(
        root,
        "1",
        input=[request(n) for n in range(3)],
        output=[*texts('{"a": 1}', "no")],
        error=[failed(2)],
    )
    assert Plugs("files", content="json").run(root).exit_code == 3
    index = lines_of(root / "target" / "1.files" / "index.jsonl")
    assert [line["file"] for line in index] == ["q-0.json", None, None]
    assert [line["outcome"] for line in index] == ["answered", "answered", "failed"]
    assert index[1]["unhandled"]["why"] == "broken"
    assert index[2]["error"]["class"] == "invalid-request"
    assert folder(root).keys() == {"q-0.json", "index.jsonl"}


def test_a_file_of_somebody_else_stays(root: Path) -> None:
    """What our index does not name is not ours: it stays, and a name in a forged index leads nowhere else."""
    put_answers(root)
    place = root / "target" / "1.files"
    place.mkdir(parents=True)
    (place / "notes.txt").write_text("mine", "utf-8")
    (root / "precious.txt").write_text("mine", "utf-8")
    (place / "index.jsonl").write_text('{"file": "../../precious.txt"}\n{"file": "notes.md"}\n', "utf-8")
    (place / "notes.md").write_text("mine", "utf-8")
    assert Plugs("files").run(root).exit_code == 0
    assert (root / "precious.txt").read_text("utf-8") == "mine"
    assert folder(root).keys() == {"q-0.txt", "q-1.txt", "q-2.txt", "index.jsonl", "notes.txt", "notes.md"}


def test_a_file_that_is_not_wanted_any_more(root: Path) -> None:
    """What an earlier invocation has published and this one has not goes."""
    put_answers(root, 3, output=texts("[0]", "no", "[2]"))
    assert Plugs("files", content="json").run(root).exit_code == 3
    (root / "target" / "1.files" / "notes.txt").write_text("mine", "utf-8")
    assert Plugs("files").run(root).exit_code == 0
    wanted = {leaf_of(f"q-{n}", Content.TEXT) for n in range(3)}
    assert folder(root).keys() == wanted | {"index.jsonl", "notes.txt"}


@pytest.mark.parametrize("kind", ["folder", "link"])
def test_a_name_that_is_taken(root: Path, kind: str) -> None:
    """Where a link or a folder has a name of ours, nothing outside the workspace is written."""
    put_answers(root, 1)
    outside = root.parent / "outside"
    outside.mkdir()
    place = root / "target"
    place.mkdir()
    if kind == "link":
        (place / "1.files").symlink_to(outside)
    else:
        (place / "1.files" / "q-0.txt").mkdir(parents=True)
    assert Plugs("files").run(root).exit_code in (1, 3)
    assert list(outside.iterdir()) == []
