"""What matching has learned goes into the results, and changes nothing about them."""

import json
import os
import pickle  # noqa: TID251 - what crosses between processes is pickled; nothing foreign is read
import re
from pathlib import Path
from typing import Final

import pytest

from reconciler.errors import PermanentError, StaleSnapshot
from reconciler.executor.answers import asked_at, joined, places, silent
from reconciler.executor.context import Context
from reconciler.executor.matching import match
from reconciler.executor.publishing import publish_results
from reconciler.executor.reading import Lines
from reconciler.model.answers import Place
from reconciler.model.facts import FileFact
from reconciler.model.identity import BatchName, Role, file_name
from reconciler.model.outcome import ErrorClass
from reconciler.model.snapshot import Matched
from reconciler.processors.results import Origin
from reconciler.workspace.effects import Effects
from reconciler.workspace.layout import find
from tests.workspaces import answered, encoded, failed, put, request

ORIGIN = Origin(BatchName("1"), None, 1)


def context(root: Path) -> Context:
    """A workspace at hand, without a lock."""
    layout = find(str(root))
    return Context(look=Effects(layout.root), layout=layout)


def facts(ctx: Context) -> dict[Role, FileFact]:
    """The triple of batch 1."""
    found = {role: ctx.fx.fact(ctx.layout.live_path(file_name(role, BatchName("1")))) for role in Role}
    return {role: fact for role, fact in found.items() if fact is not None and role is not Role.METADATA}


def nobody(_hashed: int, _place: Place | None) -> None:
    """No child asks anything again."""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Answers of every kind, in another order than the input, one id without any."""
    embedding = answered(3)
    embedding["response"]["body"] = {"object": "list", "data": [{"embedding": [0.5]}], "model": "e"}
    output = [encoded(answered(2)), b"", encoded(embedding), encoded(answered(0)) + b"\r"]
    put(tmp_path, "1", input=[request(n) for n in range(6)], output=output, error=[failed(1), failed(5, 400)])
    return tmp_path


def test_lines_are_the_same_however_they_are_made(root: Path) -> None:
    """Made while matching or from the places, from this process's verdict or another's: the same bytes."""
    ctx = context(root)
    files = facts(ctx)
    matched = match(ctx, files, None)
    crossed = pickle.loads(pickle.dumps(matched))  # noqa: S301 - our own
    published = []
    for known in (matched, crossed, None):
        publish_results(ctx, files, ORIGIN, nobody, known)
        published.append((root / "target/1.results.jsonl").read_bytes())
    assert published[0] == published[1] == published[2]
    rows = [json.loads(line) for line in published[0].splitlines()]
    assert [row["custom_id"] for row in rows] == [f"q-{n}" for n in range(6)]
    words = ["answered", "failed", "answered", "answered", "dismissed", "failed"]
    assert [row["outcome"] for row in rows] == words
    assert {tuple(row)[:4] for row in rows} == {("custom_id", "outcome", "text", "value")}
    assert crossed == matched
    assert crossed.files == files


def test_a_verdict_on_other_files_is_not_used(root: Path) -> None:
    """Places count for exactly the files that were read; of others the lines are looked for anew."""
    ctx = context(root)
    stale = match(ctx, facts(ctx), None)
    put(root, "1", output=[answered(4), answered(3), answered(0), answered(2)])
    files = facts(ctx)
    publish_results(ctx, files, ORIGIN, nobody, stale)
    lines = (root / "target/1.results.jsonl").read_bytes().splitlines()
    assert [json.loads(line)["outcome"] for line in lines].count("answered") == 4


def test_the_generic_way_goes_through_everything_in_input_order(root: Path) -> None:
    """Each request comes with its place and its whole result, wherever the line stands."""
    ctx = context(root)
    files = facts(ctx)
    rows = list(joined(ctx, files, places(ctx, files, None)))
    assert [custom_id for custom_id, *_ in rows] == [f"q-{n}" for n in range(6)]
    assert [None if place is None else (place.role, place.number) for _, _, place, _ in rows] == [
        (Role.OUTPUT, 4),
        (Role.ERROR, 1),
        (Role.OUTPUT, 1),
        (Role.OUTPUT, 3),
        None,
        (Role.ERROR, 2),
    ]
    assert [result is None for *_, result in rows] == [False, False, False, False, True, False]
    assert [place.failed for _, _, place, _ in rows if place is not None and place.failed is not None][
        1
    ] is ErrorClass.INVALID_REQUEST


ODD: Final = (
    b"\xef\xbb\xbf" + encoded(request(0)) + b"\n \t\n\n" + encoded(request(1)) + b"\r\n",
    encoded(request(2)) + b"\n\n" + encoded(request(3)),
)
"""An input with a byte order mark, blank lines, one end of Windows, and a last line without an end."""


def odd_input(root: Path) -> tuple[Context, dict[Role, FileFact]]:
    """That input, with one answer."""
    put(root, "1", output=[answered(2)])
    (root / "batch_input_1.jsonl").write_bytes(b"".join(ODD))
    ctx = context(root)
    return ctx, {role: fact for role, fact in facts(ctx).items() if role is not Role.ERROR}


def test_a_request_is_read_where_its_line_stands(root: Path) -> None:
    """By its position alone: the very line that a reading from the beginning gives, blank ones in between."""
    ctx, files = odd_input(root)
    asked = files[Role.INPUT]
    found = places(ctx, files, None)
    whole = list(Lines(ctx, asked))
    for wanted in ([0, 1, 2, 3], [3], [1, 0]):
        taken = [
            (at, line.number, line.offset, line.data, custom_id)
            for at, line, custom_id in asked_at(ctx, asked, found, wanted)
        ]
        assert taken == [(at, whole[at].number, whole[at].offset, whole[at].data, f"q-{at}") for at in wanted]
    assert silent(ctx, files, found) == {0: "q-0", 1: "q-1", 3: "q-3"}


@pytest.mark.parametrize("rest", [0, 30, len(ODD[0]) + 2])
def test_requests_of_an_input_that_changes_are_nobodys(root: Path, rest: int) -> None:
    """Cut short while its lines are read, it is told, and not taken for one with fewer requests."""
    ctx, files = odd_input(root)
    asked = files[Role.INPUT]
    found = places(ctx, files, None)
    lines = asked_at(ctx, asked, found, range(4))
    next(lines)
    os.truncate(root / asked.path, rest)
    with pytest.raises(StaleSnapshot):
        list(lines)


def test_an_input_that_grows_is_not_the_one_that_was_read(root: Path) -> None:
    """Its lines stand where they stood, and still it is told: nobody knows what else has changed."""
    ctx, files = odd_input(root)
    lines = asked_at(ctx, files[Role.INPUT], places(ctx, files, None), [0, 1])
    next(lines)
    with (root / files[Role.INPUT].path).open("ab") as stream:
        stream.write(b"\n" + encoded(request(9)))
    with pytest.raises(StaleSnapshot):
        list(lines)


def test_an_input_that_was_saved_anew_is_no_bad_line(root: Path) -> None:
    """Where lines have moved since they were read, what stands in their places now is nobody's mistake."""
    ctx, files = odd_input(root)
    found = places(ctx, files, None)
    path = root / files[Role.INPUT].path
    path.write_bytes(encoded(request(9)) + b" \n" + path.read_bytes())
    with pytest.raises(StaleSnapshot):
        silent(ctx, files, found)


@pytest.mark.parametrize("role", [Role.INPUT, Role.OUTPUT, Role.ERROR])
def test_no_places_in_what_cannot_be_read(root: Path, role: Role) -> None:
    """A broken line of any file is told with its place; no answers are joined around it."""
    ctx = context(root)
    path = facts(ctx)[role].path
    first, *rest = (root / path).read_bytes().splitlines(keepends=True)
    (root / path).write_bytes(b"".join([first, b'{"custom_id": \n', *rest]))
    with pytest.raises(PermanentError, match=f"{re.escape(path)}:2"):
        places(ctx, facts(ctx), None)


def test_equal_verdicts_are_equal_whatever_they_carry(root: Path) -> None:
    """The places are no part of the verdict's equality, which tells whether a look is still good."""
    ctx = context(root)
    matched = match(ctx, facts(ctx), None)
    bare = Matched(matched.files, matched.coverage, matched.mismatch, missing=matched.missing)
    assert bare == matched
    assert "answers" not in repr(matched)
