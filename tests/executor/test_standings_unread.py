"""
What the rows of a workspace say where something cannot be read, moves meanwhile, or is not what it was.

Nothing is made up, nothing that can be read is lost for it, and each gap is told.
"""

import json
import os
from collections.abc import Callable, Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

import attrs
import pytest

from reconciler import decide
from reconciler.errors import Interrupted, PermanentError, StaleSnapshot, TransientError
from reconciler.executor.context import Silent, viewing
from reconciler.executor.lineages import Lineage, Member, lineages
from reconciler.executor.sources import Untold, source_of
from reconciler.executor.standings import LOOKS, Followed, Standings, rows_of, standings_of
from reconciler.model.coverage import digest_id
from reconciler.model.identity import BatchName
from reconciler.model.rows import ResultRow, Standing
from reconciler.model.snapshot import Place
from tests.workspaces import answered, failed, jsonl, live, put, request, run, scratch, settings

ASKED: Final = [request(n) for n in range(4)]
OTHER: Final = ("q-9", "answered", "8")
"""The row of a batch with which nothing is wrong."""


@pytest.fixture
def root() -> Iterator[Path]:
    """A place for a workspace."""
    with scratch() as folder:
        yield folder / "w"


@attrs.define
class Restless(Silent):
    """
    Somebody who writes to a file whenever a look at it begins, so many times.

    Attributes:
        path: The file.
        times: How often.
        looks: How many looks at it there were.
    """

    path: Path
    times: int
    looks: int = 0

    def start(self, what: str, size: int) -> None:  # noqa: ARG002 - as any progress
        """Write to it."""
        if what.endswith(self.path.name):
            self.looks += 1
            if self.looks <= self.times:
                os.utime(self.path, ns=(0, self.looks))


def told(
    root: Path, progress: Silent | None = None, stopping: Callable[[], bool] = lambda: False
) -> tuple[list[tuple[str, str, str]], list[str]]:
    """Id, outcome and batch of every row, and what could not be read."""
    problems: list[str] = []
    with viewing(str(root), settings(), progress) as view:
        found = rows_of(attrs.evolve(view, stopping=stopping), problems)
        rows = [(row.custom_id, row.outcome.value, row.batch) for row in found]
    return rows, problems


def with_child(root: Path) -> Path:
    """Two requests that failed and are asked again; the input of the child."""
    put(root, "7", input=ASKED[:3], output=[answered(1)], error=[failed(n, 500) for n in (0, 2)])
    run(root, provider="openai")
    return live(root) / "batch_input_7.r1.jsonl"


def give(root: Path, child: Path, lines: list[Any]) -> None:
    """Have the child made of other requests, and its parent know it like this."""
    child.write_bytes(jsonl(lines))
    path = root / "done" / "7" / "manifest.json"
    found: Any = json.loads(path.read_bytes())
    given = found["children"]["7.r1"]["input"]
    given |= {"sha256": sha256(child.read_bytes()).hexdigest(), "bytes": child.stat().st_size}
    path.write_text(json.dumps(found))


# --- what cannot be read ------------------------------------------------------------------------------------


def _no_manifest(root: Path) -> None:
    put(root, "7", input=ASKED[:1], output=[answered(0)])
    run(root)
    (root / "done" / "7" / "manifest.json").unlink()


def _manifest_without_input(root: Path) -> None:
    put(root, "7", input=ASKED[:1], output=[answered(0)])
    run(root)
    path = root / "done" / "7" / "manifest.json"
    found: Any = json.loads(path.read_bytes())
    del found["coverage"]["digests"]["input"]
    path.write_text(json.dumps(found))


def _given_up_without_input(root: Path) -> None:
    put(root, "7", input=ASKED[:1], output=[answered(0), answered(0)])
    run(root)
    decide.dismiss(str(root), settings(), ["7"])
    (root / "done" / "7" / "batch_input_7.jsonl").unlink()


def _bad_input(root: Path) -> None:
    put(root, "7", input=[ASKED[0], b"{"])


def _bad_input_with_answers(root: Path) -> None:
    put(root, "7", input=[ASKED[0], b"{"], output=[answered(0)])


@pytest.mark.parametrize(
    ("broken", "says"),
    [
        (_no_manifest, "done/7/ has no manifest.json"),
        (_manifest_without_input, "done/7/manifest.json does not say what the input was"),
        (_given_up_without_input, "done/7/: the input of 7 is not there"),
        (_bad_input, "workdir/batch_input_7.jsonl:2: "),
        (_bad_input_with_answers, "workdir/batch_input_7.jsonl:2: "),
    ],
)
def test_a_batch_that_cannot_be_read_is_told_and_hides_no_other(
    root: Path, broken: Callable[[Path], None], says: str
) -> None:
    """It has no rows, it is said which file is the reason, and those of other batches are there."""
    broken(root)
    put(root, "8", input=[request(9)], output=[answered(9)])
    rows, problems = told(root)
    assert rows == [OTHER]
    assert len(problems) == 1
    assert problems[0].startswith(says)


@pytest.mark.parametrize(
    ("lines", "says"),
    [
        ([ASKED[0], ASKED[2], ASKED[3]], "7.r1 does not hold the requests that it was given"),
        ([b"{"], "workdir/batch_input_7.r1.jsonl:1: "),
    ],
)
def test_a_child_that_is_not_what_was_given_counts_for_nothing(
    root: Path, lines: list[Any], says: str
) -> None:
    """Its requests stand as their parent knows them, and it is said why."""
    with_child(root).write_bytes(jsonl(lines))
    rows, problems = told(root)
    assert rows == [("q-0", "failed", "7"), ("q-1", "answered", "7"), ("q-2", "failed", "7")]
    assert len(problems) == 1
    assert problems[0].startswith(says)


def test_a_child_with_requests_of_nobody_counts_for_nothing(root: Path) -> None:
    """Even where the parent was made to name it: a request that the first batch never asked has no row."""
    child = with_child(root)
    give(root, child, [ASKED[2], ASKED[3]])
    rows, problems = told(root)
    assert rows == [("q-0", "failed", "7"), ("q-1", "answered", "7"), ("q-2", "failed", "7")]
    assert problems == ["retry child 7.r1 holds requests that 7 does not"]


def test_a_child_in_another_order_leaves_the_requests_between_to_their_parent(root: Path) -> None:
    """Each answer goes to its own request, though what the parent has answered stands between them."""
    give(root, with_child(root), [ASKED[2], ASKED[0]])
    put(root, "7.r1", output=[answered(0)])
    assert told(root) == (
        [("q-0", "answered", "7.r1"), ("q-1", "answered", "7"), ("q-2", "missing", "7")],
        [],
    )


# --- what moves meanwhile -----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["7", "7.r1"])
@pytest.mark.parametrize("times", [0, 1, LOOKS])
def test_a_lineage_that_moves_is_looked_at_again(root: Path, name: str, times: int) -> None:
    """As long as it comes to rest within a few looks, the rows are what they are without any haste."""
    with_child(root)
    before = told(root)
    path = next(root.rglob(f"batch_input_{name}.jsonl"))
    restless = Restless(path, times)
    assert told(root, restless) == before
    assert restless.looks > times


@pytest.mark.parametrize("name", ["7", "7.r1"])
def test_a_lineage_that_never_rests_is_told_to_be_worked_on(root: Path, name: str) -> None:
    """No rows are made up of what moves: the same command is to be run again, and it is said which batch."""
    with_child(root)
    path = next(root.rglob(f"batch_input_{name}.jsonl"))
    with pytest.raises(TransientError, match=r"^7: a pass is working on it") as raised:
        told(root, Restless(path, 99))
    assert raised.value.hint == "the same command again, when the pass has ended"


@pytest.mark.parametrize("name", ["7", "7.r1"])
def test_who_asks_for_an_end_gets_it(root: Path, name: str) -> None:
    """An end that is asked for while any batch is read is no finding about that batch."""
    with_child(root)
    restless = Restless(next(root.rglob(f"batch_input_{name}.jsonl")), 0)
    with pytest.raises(Interrupted):
        told(root, restless, lambda: restless.looks > 0)


def test_ids_are_not_taken_from_an_input_that_became_another(root: Path) -> None:
    """Also where size and time stay as they were: a request of which no line is left has no name."""
    put(root, "1", input=ASKED[:2])
    path = live(root) / "batch_input_1.jsonl"
    with viewing(str(root), settings()) as view:
        (lineage,) = lineages(view)
        with standings_of(view, lineage) as found:
            seen, first = path.stat(), jsonl(ASKED[:1])
            path.write_bytes(first.ljust(seen.st_size, b" "))
            os.utime(path, ns=(seen.st_atime_ns, seen.st_mtime_ns))
            rows: list[ResultRow] = []
            with pytest.raises(StaleSnapshot, match="the input of 1 changed"):
                rows.extend(found.rows())


# --- what a source is asked ---------------------------------------------------------------------------------


@pytest.mark.parametrize("roles", [{}, {"output": [answered(1)]}])
def test_a_line_that_does_not_stand_is_not_made_up(root: Path, roles: dict[str, Any]) -> None:
    """Who asks for the line of a request that has none is refused, with answers beside it or without."""
    put(root, "1", input=ASKED[:2], **roles)
    with viewing(str(root), settings()) as view:
        (lineage,) = lineages(view)
        with source_of(view, lineage.root, finished=False) as source:
            assert not source.told(0)
            with pytest.raises(PermanentError, match=r"request 0 .*has no line here"):
                source.row(0)


@pytest.mark.parametrize(("standing", "found_at"), [(False, []), (True, [2])])
def test_an_id_is_not_found_across_two_others(root: Path, *, standing: bool, found_at: list[int]) -> None:
    """Digests stand side by side; the end of one and the beginning of the next make no third."""
    put(root, "1", input=ASKED)
    wanted = digest_id(b"q-1")
    across = b"\0" * 8 + wanted + b"\0" * 8
    source = Untold(across + (wanted if standing else b"\0" * 16), None, Standing.PENDING)
    member = Member(BatchName("1"), Place.LIVE, "workdir", {})
    with viewing(str(root), settings()) as view:
        standings = Standings(view, Lineage((member,)), [Followed(member, source)], [])
        assert [each.at for each in standings.find("q-1")] == found_at
