"""Hostile answers and unlucky processors: what was once got wrong about them."""

import functools
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import attrs
import pytest

from reconciler import decide
from reconciler.errors import PermanentError
from reconciler.executor.values import NoJson, as_json
from reconciler.model.content import Content
from reconciler.model.exchange import Result
from reconciler.model.outcome import Outcome
from reconciler.model.report import State
from reconciler.processors.base import BatchContext, ProcessedBatch, wrap
from reconciler.processors.content import How, Parsed, Unreadable, read
from tests.cli.calling import call
from tests.plugging import Plugs, Seen, items, put_answers, sound, texts
from tests.workspace.faults import Crash, Trip, in_child
from tests.workspaces import answered, failed, live, put, request, results, scratch


@pytest.fixture
def root() -> Iterator[Path]:
    """A place for a workspace, in memory."""
    with scratch() as folder:
        yield folder / "w"


def seen(text: str, content: Content = Content.JSON, finish: str = "stop") -> Parsed | Unreadable:
    """What is read in the text of an answer."""
    return read(Result("q", Outcome.ANSWERED, text=text, finish_reason=finish), content)


def put_failures(root: Path) -> None:
    """A batch with an answer, a failure that is asked again by itself and one that is not."""
    put(
        root,
        "1",
        input=[request(n) for n in range(3)],
        output=[answered(0)],
        error=[failed(1, 429), failed(2, 400)],
    )


@pytest.mark.parametrize("output", ["results", "files"])
def test_attention_with_a_built_in_output_processor(root: Path, output: str) -> None:
    """A batch that its error processor wants a person to look at needs attention, exit 3, and then rests."""
    put_failures(root)
    report = Plugs(output, error=lambda result: "attention").run(root)  # noqa: ARG005 - the name of a parameter
    assert (report.exit_code, report.batch("1").state) == (3, State.ATTENTION), report.batch("1").because


def test_a_whole_answer_after_a_hand_over(root: Path) -> None:
    """What a batch's error processor says of the batch does not concern ids that a child owns already."""
    put_failures(root)
    Plugs(Seen()).run(root, failed="attention", provider="openai")
    assert (live(root) / "batch_input_1.r1.jsonl").exists()
    report = Plugs(Seen(), error=lambda batch: "give-up").run(root, provider="openai")  # noqa: ARG005 - likewise
    assert report.batch("1").state is State.SETTLED, report.batch("1").because
    sound(root)


def test_a_named_answer_after_a_hand_over(root: Path) -> None:
    """The same for an answer that names an id that a child owns."""
    put_failures(root)
    Plugs(Seen()).run(root, failed="attention", provider="openai")
    report = Plugs(Seen(), error=lambda batch: {"q-1": "give-up"}).run(root, provider="openai")  # noqa: ARG005
    assert report.batch("1").state is State.SETTLED, report.batch("1").because


def test_an_exit_in_an_async_function() -> None:
    """An async function that calls `sys.exit` fails like a plain one; the pass does not hang."""

    def work() -> int:
        signal.alarm(10)

        async def leaves(_result: Result) -> Any:
            raise SystemExit(3)

        with scratch() as folder:
            put_answers(folder / "w")
            return Plugs(leaves).run(folder / "w").exit_code

    assert in_child(work) == 3


@attrs.frozen
class Model:
    """A model that cannot be dumped."""

    error: Exception


class Dumping:
    """Raises when it is dumped, as a model with a broken serializer does."""

    def model_dump(self, *, mode: str) -> Any:
        """Fail."""
        raise RuntimeError(mode)


def test_a_model_that_cannot_be_dumped(root: Path) -> None:
    """A returned object that raises when it is taken apart is that processor's fault, not the pass's."""
    with pytest.raises(NoJson):
        as_json(Dumping())
    put_answers(root)
    assert Plugs(lambda result: Dumping()).run(root).exit_code == 3  # noqa: ARG005 - likewise


def test_two_keys_that_become_one() -> None:
    """A key that is no string is refused, or at least never takes another's place."""
    with pytest.raises(NoJson):
        as_json({1: "a", "1": "b"})


class WordlessError(Exception):
    """An exception that cannot be shown."""

    def __str__(self) -> str:
        raise RuntimeError("no words")


@pytest.mark.parametrize(
    "error",
    [ValueError("\ud800"), WordlessError(), SystemExit(3), PermanentError("never")],
    ids=["half-a-surrogate", "wordless", "exit", "permanent"],
)
def test_data_that_raises(root: Path, error: BaseException) -> None:
    """Data that raises, whatever it is, is written down as the processor's failure, exit 3."""
    put_answers(root)

    def chunks() -> Iterator[bytes]:
        yield b"x"
        raise error

    def publish(_batch: ProcessedBatch, context: BatchContext) -> None:
        context.publish("a.txt", chunks())

    assert Plugs(publish).run(root).exit_code == 3
    assert len(items(root)) == 1


def test_a_permanent_error_with_half_a_surrogate(root: Path) -> None:
    """The words of a PermanentError of the user get into the file like any others."""
    put_answers(root)

    def never(_result: Result) -> Any:
        raise PermanentError("\ud800")

    assert Plugs(never).run(root).exit_code == 3
    assert len(items(root)) == 3


def test_of_two_files_one_cannot_be_written(root: Path) -> None:
    """A batch that was not handled has published nothing."""
    put_answers(root)

    def publish(_batch: ProcessedBatch, context: BatchContext) -> None:
        context.publish("a.txt", "x")
        context.publish("b.txt", [7])  # type: ignore[list-item]

    assert Plugs(publish).run(root).exit_code == 3
    assert not (root / "target" / "1.files" / "a.txt").exists()


def test_a_value_of_an_older_version_does_not_stay(root: Path) -> None:
    """What an earlier version returned does not stand beside what a later one did not."""
    put_answers(root)
    Plugs(lambda batch: 7, content="json").run(root)  # noqa: ARG005 - likewise
    assert (root / "target" / "1.value.json").exists()
    assert (live(root) / "batch_input_1.jsonl").exists()
    assert Plugs(lambda batch: None, version="2").run(root).exit_code == 0  # noqa: ARG005 - likewise
    assert not (root / "target" / "1.value.json").exists()


def test_files_that_are_not_wanted_after_a_crash() -> None:
    """Files that are not wanted any more go, though the process was stopped on the way, wherever that was."""
    wanted: list[str] = []
    for point in range(100):
        with scratch() as folder:
            place = folder / "w"
            put_answers(place, 3, output=texts("[0]", "no", "[2]"))
            Plugs("files", content="json").run(place)
            trip = Trip(at=point)
            try:
                Plugs("files", tap=trip).run(place)
            except Crash:
                for _ in range(3):
                    Plugs("files").run(place)
            there = sorted(path.name for path in (place / "target" / "1.files").iterdir())
            wanted = wanted or there
            assert there == wanted, f"stopped before change {point}: {trip.seen[-1]}"
            if point and not trip.reached:
                break


@pytest.mark.parametrize("output", [lambda result: {"n": result.custom_id}, "files"], ids=["record", "files"])
def test_a_retry_of_a_settled_batch_keeps_the_values(root: Path, output: Any) -> None:
    """`retry` of a settled batch leaves what its processor has published, but for the outcome."""
    put_failures(root)
    plugs = Plugs(output)
    assert plugs.run(root).exit_code == 0
    before = {path.name for path in (root / "target").iterdir()}
    plugs.decide(decide.retry, root)
    assert {path.name for path in (root / "target").iterdir()} == before
    if not isinstance(output, str):
        assert [line["value"] for line in results(root, "1")] == [{"n": "q-0"}, None, None]


def test_dismiss_after_a_processor_by_flag(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`dismiss` of a batch whose processor came by flag keeps the values that it has published."""
    root, code = tmp_path / "w", tmp_path / "mine.py"
    code.write_text(
        "def f(result):\n    return {'q-1': 1 / 0}[result.custom_id] if result.custom_id == 'q-1' else 7\n"
    )
    put_answers(root)
    assert call(capsys, root, "--output-processor", f"{code}:f").code == 3
    assert [line["value"] for line in results(root, "1")] == [7, None, 7]
    call(capsys, "dismiss", root, "1")
    assert [line["value"] for line in results(root, "1")] == [7, None, 7]


def add(number: int, result: Result) -> Any:
    """Add something."""
    return (number, result.text)


def scale(number: int, result: Result) -> Any:
    """Multiply something."""
    return result.text and result.text * number


def test_partials_have_a_version() -> None:
    """Two partials of different functions are not the same processor."""
    assert wrap(functools.partial(add, 1)).identity != wrap(functools.partial(scale, 1)).identity


@pytest.mark.parametrize(
    "text", ["{" * 200_000, '["' * 200_000, '{"' * 200_000], ids=["braces", "lists", "keys"]
)
def test_hostile_text_ends(text: str) -> None:
    """Brackets without end come to an end, however many there are (an alarm would kill the child)."""

    def work() -> int:
        signal.alarm(20)
        return int(isinstance(seen(text), Unreadable | Parsed))

    assert in_child(work) == 1


@pytest.mark.parametrize(
    ("text", "value"),
    [
        pytest.param('{"a": 1} as in [1, 2, 3, 4, 5]', {"a": 1}, id="citation-longer-than-the-object"),
        pytest.param('As in [1]: [{"a": 1}, {"a": 2}]', [{"a": 1}, {"a": 2}], id="citation-before-a-list"),
        pytest.param('Here: ["x", {"b": 1}]', ["x", {"b": 1}], id="list-that-does-not-begin-with-an-object"),
    ],
)
def test_citations_and_lists(text: str, value: Any) -> None:
    """An object beside a citation is the answer; a list is not taken for one of its members."""
    assert seen(text) == Parsed(value, How.PROSE)


def test_lines_that_the_limit_cut_between_two() -> None:
    """Lines that the length limit cut off are told as truncated, also where the last one looks whole."""
    assert isinstance(seen('{"a": 1}\n12', Content.JSONL, "length"), Unreadable)
    assert isinstance(seen('{"a": 1}\n{"a": 2}', Content.JSONL, "length"), Unreadable)


def test_no_leaf_looks_like_an_option() -> None:
    """A file name never begins with a dash: `rm *` would take it for an option."""
    from reconciler.processors.files import leaf_of  # noqa: PLC0415 - only here

    assert not leaf_of("-rf", Content.TEXT).startswith("-")
