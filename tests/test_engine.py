"""One pass does all that can be done, whatever lies there; a pass over what has settled does nothing."""

import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as effort
from hypothesis import strategies as st

from reconciler import engine
from reconciler.check import check
from reconciler.errors import UsageError
from reconciler.model.operation import MatchRequestIds
from reconciler.model.report import State
from reconciler.preview import preview
from reconciler.session import Options
from tests.workspace.faults import Trip
from tests.workspaces import (
    answered,
    failed,
    files,
    leftovers,
    put,
    put_mixture,
    request,
    run,
    scratch,
    settings,
    stats,
    tree,
)


@pytest.fixture
def root() -> Iterator[Path]:
    """A place for a workspace."""
    with scratch() as folder:
        yield folder / "w"


# Fixpoint


@pytest.mark.parametrize("provider", ["none", "openai"])
@pytest.mark.parametrize("policy", ["settle", "attention"])
def test_a_second_pass_makes_no_change(root: Path, provider: str, policy: str) -> None:
    """No change is even begun: no time, no inode, no lock file, no folder is other than before."""
    put_mixture(root)
    first = run(root, provider=provider, failed=policy)
    before = stats(root)
    trip = Trip()
    second = run(root, tap=trip, provider=provider, failed=policy)
    assert trip.seen == []
    assert stats(root) == before
    assert second.exit_code == first.exit_code
    assert {batch.name: batch.state for batch in second.batches if batch.state is not State.SETTLED} == {
        batch.name: batch.state for batch in first.batches if batch.state is not State.SETTLED
    }


def test_a_pass_over_nothing_leaves_a_lock_and_an_id(root: Path) -> None:
    """The first pass marks the workspace and does nothing else."""
    (root / "workdir").mkdir(parents=True)
    assert run(root).exit_code == 0
    assert set(files(root)) == {".reconciler/lock", ".reconciler/workspace-id"}


def test_looking_changes_nothing(root: Path) -> None:
    """`preview` reads alone, before the first pass and after it."""
    put_mixture(root)
    for _ in range(2):
        before = stats(root)
        preview(str(root), settings(), deep=True)
        assert stats(root) == before
        run(root)


# What a pass takes in


@given(seed=st.integers(0, 1000))
@effort(max_examples=8)
def test_the_order_of_files_on_disk_does_not_matter(seed: int) -> None:
    """Files that were created in another order make the same workspace and the same report."""
    found = []
    for shuffled in (False, True):
        with scratch() as folder:
            put_mixture(folder / "source")
            there = sorted((folder / "source" / "workdir").iterdir())
            if shuffled:
                random.Random(seed).shuffle(there)
            (folder / "w" / "workdir").mkdir(parents=True)
            for path in there:
                (folder / "w" / "workdir" / path.name).write_bytes(path.read_bytes())
            report = run(folder / "w", provider="openai")
            told = [(batch.name, batch.state, batch.because) for batch in report.batches]
            found.append((tree(folder / "w"), told, report.ignored))
    assert found[0] == found[1]


@pytest.mark.parametrize(
    ("only", "settled"),
    [
        pytest.param(["1"], {"1"}, id="name"),
        pytest.param(["1", "7_a"], {"1", "7_a"}, id="names"),
        pytest.param(["7*"], {"7", "7_a", "7.x"}, id="pattern"),
        pytest.param(["?"], {"1", "7"}, id="one-letter"),
        pytest.param(["[!1]*"], {"7", "7_a", "7.x"}, id="but-for"),
        pytest.param([], {"1", "7", "7_a", "7.x"}, id="all"),
    ],
)
def test_only_what_was_asked_for(root: Path, only: list[str], settled: set[str]) -> None:
    """Names and patterns choose whole names; the other batches are not touched."""
    for name in ("1", "7", "7_a", "7.x"):
        put(root, name, input=[request(0)], output=[answered(0)])
    report = engine.reconcile(str(root), settings(), Options(only=only))
    assert {batch.name for batch in report.batches} == settled
    assert {path.name for path in (root / "done").iterdir()} == settled


def test_a_name_that_is_not_there_is_a_usage_error(root: Path) -> None:
    """A typing error does not end in a pass over nothing that says all is well."""
    put(root, "1", input=[request(0)], output=[answered(0)])
    before = tree(root)
    with pytest.raises(UsageError, match="is called 2"):
        engine.reconcile(str(root), settings(), Options(only=["1", "2"]))
    assert tree(root) == before


def test_a_child_is_looked_at_in_the_pass_that_makes_it(root: Path) -> None:
    """What goes to a child is reported in the same pass, and held under its own name."""
    put(root, "1", input=[request(0), request(1)], output=[answered(0)], error=[failed(1, 500)])
    report = run(root, provider="openai")
    assert [(batch.name, batch.state) for batch in report.batches] == [
        ("1", State.SETTLED),
        ("1.r1", State.HELD),
    ]


def test_one_bad_batch_does_not_stop_the_others(root: Path) -> None:
    """Each batch ends by its own merits, whatever its neighbours are."""
    put_mixture(root)
    report = run(root, provider="openai")
    assert {str(batch.name): batch.state for batch in reversed(report.batches)} == {
        "1": State.SETTLED,
        "2": State.SETTLED,
        "2.r1": State.HELD,
        "3": State.ATTENTION,
        "4": State.ATTENTION,
        "5": State.HELD,
        "6": State.ATTENTION,
        "7": State.ATTENTION,
        "8": State.ATTENTION,
        "9": State.ATTENTION,
    }
    assert report.ignored == (("workdir/notes.txt", "not a batch file"),)


def test_a_stop_between_changes_is_resumable(root: Path) -> None:
    """Whenever somebody asks for an end, the pass says 130, and later passes reach the usual end."""
    put_mixture(root)
    usual = root.parent / "usual"
    put_mixture(usual)
    run(usual, provider="openai")
    asked = 0
    for allowed in range(0, 60, 3):
        asked = 0

        def stopping(limit: int = allowed) -> bool:
            nonlocal asked
            asked += 1
            return asked > limit

        with scratch() as folder:
            put_mixture(folder / "w")
            options = Options(stopping=stopping)
            report = engine.reconcile(str(folder / "w"), settings(provider="openai"), options)
            if report.exit_code != 130:
                break
            assert (
                check(str(folder / "w"), settings()).findings == check(str(folder / "w"), settings()).findings
            )
            run(folder / "w", provider="openai")
            assert by_line(tree(folder / "w")) == by_line(tree(usual))
            assert leftovers(folder / "w") == []


def by_line(found: dict[str, bytes]) -> dict[str, bytes]:
    """A tree whose ledger is sorted: an interrupted pass takes up batches in another order."""
    path = ".reconciler/ledger.jsonl"
    return {**found, path: b"\n".join(sorted(found.get(path, b"").split(b"\n")))}


# Work shrinks


@st.composite
def batches(draw: st.DrawFn) -> dict[str, dict[str, Any]]:
    """Up to three batches whose files may be anything."""
    lines = st.lists(
        st.one_of(
            st.builds(answered, st.integers(0, 3)),
            st.builds(failed, st.integers(0, 3), st.sampled_from((400, 429, 500))),
            st.just(b"?"),
        ),
        max_size=5,
    )
    asked = st.lists(
        st.builds(request, st.integers(0, 3)), max_size=4, unique_by=lambda each: each["custom_id"]
    )
    records = st.sampled_from(
        ({"batch_id": "batch_1"}, {"batch_id": "batch_1", "output_file_id": "f"}, {"x": 1})
    )
    files = {"input": asked, "output": lines, "error": lines, "metadata": records}
    names = draw(st.lists(st.sampled_from(("1", "2", "2.r1", "a")), min_size=1, max_size=3, unique=True))
    return {name: draw(st.fixed_dictionaries({}, optional=files)) for name in names}


def inputs(root: Path) -> set[tuple[str, bytes]]:
    """File name and bytes of every input, wherever it lies."""
    found = files(root).items()
    return {(path.rpartition("/")[2], data) for path, data in found if "/batch_input_" in path}


def steps(root: Path, provider: str) -> int:
    """How much the next pass would do, matching apart, which only looks."""
    seen = preview(str(root), settings(provider=provider), deep=True)
    return sum(not isinstance(step, MatchRequestIds) for _, plan in seen.batches for step in plan.steps)


@given(made=batches(), provider=st.sampled_from(("none", "openai")))
@effort(max_examples=60)
def test_work_shrinks(made: dict[str, dict[str, Any]], provider: str) -> None:
    """Whatever lies there, a pass does all that it can, the next plans no more, and no input is lost."""
    with scratch() as folder:
        root = folder / "w"
        (root / "workdir").mkdir(parents=True)
        for name, roles in made.items():
            put(root, name, **roles)
        asked = inputs(root)
        planned = steps(root, provider)
        left = planned
        for _ in range(3):
            run(root, provider=provider)
            before, left = left, steps(root, provider)
            assert left <= before
        assert left == 0
        there = stats(root)
        run(root, provider=provider)
        assert stats(root) == there
        assert inputs(root) >= asked
        assert leftovers(root) == []
