"""Looks at what was named: they see what a listing sees of it, and end where looks at everything end."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from reconciler.model.identity import BatchName, lineage_root
from reconciler.watching.arrivals import NAMES, Seen
from reconciler.watching.looks import CHILDREN
from reconciler.workspace.layout import find
from reconciler.workspace.reading import Reading
from reconciler.workspace.scan import Kin, scan, scan_kin
from tests.watching.living import Living
from tests.workspaces import answered, failed, leftovers, request, scratch, tree

NAMED = ("1", "2", "a", "a.r1", "a.r3", "b", "b.r2", "7.r1")
SOME_NAMES = st.sampled_from(NAMED)
ROLES = ("input", "output", "error", "metadata")

FOLDERS = st.fixed_dictionaries(
    {
        "live": st.sets(st.tuples(st.sampled_from(ROLES), SOME_NAMES), max_size=12),
        "odd": st.sets(st.tuples(st.sampled_from(ROLES), SOME_NAMES), max_size=2),
        "aside": st.sets(st.tuples(SOME_NAMES, st.integers(1, 3)), max_size=4),
    }
)


@given(FOLDERS, st.sets(SOME_NAMES, max_size=4))
def test_a_look_at_names_sees_what_a_listing_sees_of_them(folders: dict[str, Any], wanted: set[str]) -> None:
    """Of the lineages that are asked for: the same files, folders in quarantine, kinds, and children."""
    with scratch() as root:
        _make(root, folders)
        layout = find(str(root))
        with closing(Reading(layout.root)) as look:
            everything = scan(look, layout)
            roots = frozenset(map(lineage_root, wanted))
            kin = Kin(roots, {each: n for each, n in everything.last_child.items() if each in roots})
            found = scan_kin(look, layout, kin)

    def of(names: Any) -> set[BatchName]:
        return {name for name in names if lineage_root(name) in roots}

    assert found.batches == {name: dict(everything.batches[name]) for name in of(everything.batches)}
    assert [*found.batches] == [name for name in everything.batches if name in found.batches]
    assert found.quarantined == {name: everything.quarantined[name] for name in of(everything.quarantined)}
    assert set(found.odd) == of(everything.odd)
    assert found.last_child == kin.last_child
    assert (found.clashes, found.ignored, found.stale) == ({}, (), ())


def _make(root: Path, folders: dict[str, Any]) -> None:
    (root / "workdir").mkdir()
    for role, name in folders["live"]:
        (root / "workdir" / f"batch_{role}_{name}.jsonl").touch()
    for role, name in folders["odd"] - folders["live"]:
        (root / "workdir" / f"batch_{role}_{name}.jsonl").symlink_to("elsewhere")
    for name, number in folders["aside"]:
        folder = root / "quarantine" / f"{name}.{number}"
        folder.mkdir(parents=True)
        (folder / f"batch_input_{name}.jsonl").touch()


@pytest.fixture
def living(tmp_path: Path) -> Iterator[Living]:
    """A watched workspace in which a batch is held and one needs attention; it was looked at as a whole."""
    (tmp_path / "w" / "workdir").mkdir(parents=True)
    found = Living(tmp_path / "w")
    found.write("batch_input_held.jsonl", [request(0)])
    found.write("batch_output_alone.jsonl", [answered(0)])
    found.live_for(10.0)
    assert found.watch.scans == 1
    yield found
    found.watch.close()


def _triple(living: Living, name: str) -> None:
    living.write(f"batch_input_{name}.jsonl", [request(0)])
    living.write(f"batch_output_{name}.jsonl", [answered(0)])


def test_what_was_not_looked_at_stands_where_it_stood(living: Living) -> None:
    """A look at one batch tells nothing of the others, and takes none of them for gone."""
    before = {report.name: report.state for report in living.watch.standing}
    told = living.told.names("batch.")
    _triple(living, "new")
    living.live_for(1.0)

    assert {*before} == {"held", "alone"}
    assert {report.name: report.state for report in living.watch.standing} == before
    assert living.told.names("batch.") == [*told, "batch.settled"]
    assert living.watch.scans == 1


def test_from_absence_nothing_is_concluded_before_everything_is_looked_at(living: Living) -> None:
    """A batch that was named and of which nothing is there any more stands where it stood until then."""
    path = living.write("batch_input_held.jsonl", [request(0)])
    path.unlink()
    living.hand.see(Seen.WENT, path.name)
    living.live_for(10.0)
    assert "held" in {report.name for report in living.watch.standing}

    living.live_for(330.0)
    assert "held" not in {report.name for report in living.watch.standing}
    assert living.watch.scans == 2


def test_names_alike_but_for_case_are_looked_at_among_all(living: Living) -> None:
    """A file beside another whose name differs by case alone leads to a listing, and settles nothing."""
    if (living.root / "WORKDIR").exists():
        pytest.skip("case does not count on this file system")
    _triple(living, "HELD")
    living.live_for(1.0)

    assert living.watch.scans == 2
    assert not (living.root / "done").exists()
    assert "are one name where case does not count" in living.told.of("batch.needs-attention")[-1]["because"]


def test_what_waited_for_a_file_that_went_is_looked_at(living: Living) -> None:
    """An input beside which an output is begun and given up is looked at in a moment, as any other is."""
    living.write("batch_input_new.jsonl", [request(0)])
    path = living.write("batch_output_new.jsonl", b"{", Seen.APPEARED, Seen.GREW)
    living.live_for(10.0)
    assert "new" not in {report.name for report in living.watch.standing}
    path.unlink()
    living.hand.see(Seen.WENT, path.name)
    living.live_for(10.0)

    assert "new" in {report.name for report in living.watch.standing}
    assert living.watch.scans == 1


def test_what_is_due_is_looked_at_by_name(living: Living) -> None:
    """A batch whose time has come, as after a full disk, is looked at without a listing."""

    def full(change: str, path: str) -> None:
        if change == "write":
            raise OSError(28, "No space left on device", path)

    living.tap = full
    _triple(living, "new")
    living.live_for(20.0)
    living.tap = lambda _change, _path: None
    living.live_for(30.0)

    assert (living.root / "done" / "new").is_dir()
    assert living.watch.scans == 1


@pytest.mark.parametrize("observed", ["polling", "crowded", "many children"])
def test_where_names_do_not_suffice_everything_is_looked_at(living: Living, observed: str) -> None:
    """Where nobody tells of all files, where too many come at once, and of lineages that are long."""
    if observed == "polling":
        living.watch.arrivals.closes = False
    if observed == "crowded":
        for n in range(NAMES + 1):
            living.hand.see(Seen.WHOLE, f"batch_input_c{n}.jsonl")
    _triple(living, f"x.r{CHILDREN + 1}" if observed == "many children" else "x")
    living.live_for(10.0)

    assert living.watch.scans > 1


ANSWERS: dict[str, tuple[str, Any]] = {
    "whole": ("output", [answered(0), answered(1)]),
    "half": ("output", [answered(0)]),
    "wrong": ("output", [answered(0), answered(5)]),
    "failed": ("error", [failed(0, 429), failed(1)]),
    "some failed": ("error", [failed(1, 429)]),
    "torn": ("output", b'{"custom_id": "q-0", "resp'),
}

DROPS = st.tuples(
    st.sampled_from(["input", *ANSWERS, "gone", "put back", "unheard"]),
    st.sampled_from(["1", "2", "a", "A", "1.r1"]),
    st.sampled_from(["heard", "heard", "slow"]),
    st.sampled_from([0.0, 0.1, 0.5, 3.0, 20.0, 70.0]),
)


@settings(max_examples=40, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(DROPS, min_size=1, max_size=10))
def test_looks_at_names_end_where_looks_at_everything_end(drops: list[tuple[str, str, str, float]]) -> None:
    """Whatever is dropped, heard of or not: after the next look at everything each batch stands the same."""
    with _lived(drops, named=True) as (one, told), _lived(drops, named=False) as (other, other_told):
        assert one.watch.passes >= one.watch.scans
        assert _stands(one) == _stands(other)
        assert told == other_told
        assert leftovers(one.root) == []


@pytest.mark.slow
@settings(max_examples=1500, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(st.lists(DROPS, min_size=1, max_size=16))
def test_many_lives_end_alike(drops: list[tuple[str, str, str, float]]) -> None:
    """The full form of the one above."""
    with _lived(drops, named=True) as (one, told), _lived(drops, named=False) as (other, other_told):
        assert _stands(one) == _stands(other)
        assert told == other_told


@contextmanager
def _lived(
    drops: list[tuple[str, str, str, float]], *, named: bool
) -> Iterator[tuple[Living, dict[BatchName, str]]]:
    """A workspace in which all of that was dropped, and which was looked at as a whole at last."""
    with scratch() as root:
        (root / "workdir").mkdir()
        living = Living(root)
        living.live_for(1.0)
        for what, name, how, seconds in drops:
            _drop(living, what, name, how)
            if not named:
                living.hand.see(Seen.ANY, "")
            living.live_for(seconds)
        living.live_for(700.0)
        stands = {report.name: report.state.value for report in living.watch.standing}
        yield living, stands
        living.watch.close()


def _drop(living: Living, what: str, name: str, how: str) -> None:
    folder = living.root / "workdir"
    if what == "gone":
        for path in sorted(folder.glob(f"batch_*_{name}.jsonl")):
            path.unlink()
            living.hand.see(Seen.WENT, path.name)
        return
    if what == "put back":
        for path in sorted((living.root / "quarantine").glob(f"{name}.*/batch_*_{name}.jsonl")):
            path.rename(folder / path.name)
            living.hand.see(Seen.WHOLE, path.name)
        return
    if what == "unheard":
        # Under a name of its own: what comes on top of it, or one alike but for case, may find it settled in
        # one life alone.
        for role, lines in (("input", [request(0), request(1)]), ANSWERS["some failed"]):
            living.write(f"batch_{role}_un{name.lower()}.jsonl", lines, Seen.WENT)
        return
    role, lines = ("input", [request(0), request(1)]) if what == "input" else ANSWERS[what]
    seen = (Seen.APPEARED, Seen.GREW) if how == "slow" else ()
    living.write(f"batch_{role}_{name}.jsonl", lines, *seen)


def _stands(living: Living) -> dict[str, bytes]:
    """Every file, where the order in which batches settled does not matter."""
    found = tree(living.root)
    found.pop(".reconciler/next-look", None)
    history = found.pop(".reconciler/ledger.jsonl", b"")
    return found | {"history": b"\n".join(sorted(history.splitlines()))}
