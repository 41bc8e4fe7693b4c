"""Requests become inputs: new ones only, whole or not at all, at every moment at which this may end."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Final

import attrs
import msgspec
import pytest

from reconciler import reconcile
from reconciler.authoring.adding import Added, add
from reconciler.authoring.items import Item, Wanted, item_of
from reconciler.authoring.parting import Asked
from reconciler.errors import Clash, NeedsPerson, StaleSnapshot, UsageError
from reconciler.workspace.effects import Tap
from reconciler.workspace.template import create
from tests.authoring.documents import text
from tests.workspace.faults import Crash, Trip
from tests.workspaces import leftovers, options, put, record, request, run, scratch, settings

ASKED: Final = Asked("r")


def _items(*prompts: str, model: str = "gpt-4o-mini") -> list[Item]:
    return [item_of(Wanted(model, prompt=prompt)) for prompt in prompts]


def _add(root: Path, items: Iterable[Item], asked: Asked = ASKED, tap: Tap | None = None) -> Added:
    return add(str(root), settings(), list(items), asked, options(tap))


def _inputs(root: Path) -> dict[str, list[str]]:
    """The ids of every live input, by name."""
    return {
        path.name: [msgspec.json.decode(line)["custom_id"] for line in path.read_bytes().splitlines()]
        for path in sorted((root / "workdir").glob("batch_input_*"))
    }


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """An empty workspace."""
    path = tmp_path / "ws"
    create(str(path))
    return path


def test_the_same_script_adds_nothing_the_second_time(root: Path) -> None:
    """Whatever is there already, sent or not, is not made again."""
    first = _add(root, _items("a", "b"))
    before = _inputs(root)
    second = _add(root, _items("a", "b", "c"))
    assert (first.requests, first.there) == (2, 0)
    assert (second.requests, second.there) == (1, 2)
    assert before.items() <= _inputs(root).items()
    assert [len(ids) for ids in _inputs(root).values()] == [2, 1]


def test_what_has_been_answered_is_not_asked_again(root: Path) -> None:
    """Ids count wherever their batch has got to: in `done/` and in quarantine too."""
    added = _add(root, [item_of(Wanted("", provider="local", prompt=each)) for each in "ab"])
    assert reconcile(root, settings={"policy.settle_seconds": 0}).exit_code == 0
    assert not _inputs(root)
    again = _add(root, [item_of(Wanted("", provider="local", prompt=each)) for each in "ab"])
    assert (added.requests, again.requests, again.there) == (2, 0, 2)


def test_fresh_asks_everything_anew_and_deletes_nothing(root: Path) -> None:
    """Each generation has ids of its own, counted on from the last."""
    for generation in (1, 2, 3):
        _add(root, _items("a"), attrs.evolve(ASKED, fresh=generation > 1))
    found = [each for ids in _inputs(root).values() for each in ids]
    assert [each.partition("_")[2] for each in found] == ["", "g2", "g3"]


def test_a_batch_asks_one_model_at_one_provider(root: Path) -> None:
    """Requests are sorted by whom they are for, and metadata says so before anything is sent."""
    items = [*_items("a"), *_items("b", model="claude-x"), *_items("c"), *_items("d", model="gpt-4o")]
    added = _add(root, items)
    told = {part.name: (part.provider, part.model, len(part.items)) for part in added.parts}
    assert told == {
        "r-0001": ("anthropic", "claude-x", 1),
        "r-0002": ("openai", "gpt-4o", 1),
        "r-0003": ("openai", "gpt-4o-mini", 2),
    }
    assert {name: record(root, str(name))["provider"] for name in told} == {
        "r-0001": "anthropic",
        "r-0002": "openai",
        "r-0003": "openai",
    }


def test_batches_are_cut_by_number(root: Path) -> None:
    """Five requests, two in a batch: three batches, in order."""
    _add(root, _items(*"abcde"), attrs.evolve(ASKED, items_per_batch=2))
    assert [len(ids) for ids in _inputs(root).values()] == [2, 2, 1]


def test_a_request_beyond_its_providers_limit_is_refused(root: Path, tmp_path: Path) -> None:
    """It is told before anything is written; nobody else's request is made either."""
    large = text(tmp_path / "large.txt", "x" * 90_000_000)
    items = [*_items("a"), item_of(Wanted("claude-x", prompt="?", files=(large, large, large)))]
    with pytest.raises(UsageError, match="anthropic takes 268435456 in one batch"):
        _add(root, items)
    assert not _inputs(root)


def test_a_given_id_that_stands_for_something_else_is_a_clash(root: Path) -> None:
    """A new question under an old id would be answered by the old answer."""
    put(root, "1", input=[request(1)])
    with pytest.raises(Clash, match="'q-1' stands in this workspace with another request"):
        _add(root, [item_of(Wanted("gpt-4o-mini", prompt="new", custom_id="q-1"))])
    assert list(_inputs(root)) == ["batch_input_1.jsonl"]


def test_a_file_that_changes_meanwhile_stops_everything(root: Path, tmp_path: Path) -> None:
    """The id says what was asked; another content under it would be a lie."""
    path = text(tmp_path / "a.txt", "one")
    items = [*_items("a"), item_of(Wanted("gpt-4o-mini", prompt="?", files=(path,)))]
    text(path, "two")
    with pytest.raises(StaleSnapshot):
        _add(root, items)
    assert not _inputs(root)
    assert not leftovers(root)


def test_a_stop_at_any_change_is_made_up_for_by_the_same_call() -> None:
    """Killed before each change, run again: each request stands in one input, each input has its metadata."""
    items = [*_items("a", "b"), *_items("c", model="claude-x")]
    at = 0
    while True:
        at += 1
        with scratch() as folder:
            root = folder / "ws"
            create(str(root))
            trip = Trip(at)
            with suppress(Crash):
                _add(root, items, tap=trip)
            _add(root, items)
            found = [each for ids in _inputs(root).values() for each in ids]
            assert sorted(found) == sorted(item.custom_id for item in items), at
            for name in _inputs(root):
                kept = record(root, name.removeprefix("batch_input_").removesuffix(".jsonl"))
                assert kept["provider"] in ("openai", "anthropic"), at
                assert kept["input"]["bytes"] == (root / "workdir" / name).stat().st_size, at
            told = [path.name for path in (root / "workdir").glob("batch_metadata_*")]
            assert sorted(name.replace("metadata", "input") for name in told) == list(_inputs(root)), at
            run(root, provider="none")
            assert not leftovers(root), at
            if not trip.reached:
                break
    assert at > 10


def _limits(root: Path) -> dict[str, tuple[float, float]]:
    """How long each live batch may take, and until when."""
    names = [path.name[15:-6] for path in sorted((root / "workdir").glob("batch_metadata_*"))]
    found = {name: record(root, name).get("limit") for name in names}
    return {name: (said["seconds"], said["until"]) for name, said in found.items() if said}


def test_a_time_limit_counts_from_the_first_time(root: Path) -> None:
    """Said again it is the same end; what is new has its own; another length counts from when it is said."""
    at = [1000.0]

    def asked(*prompts: str, seconds: float | None) -> None:
        more = attrs.evolve(ASKED, time_limit=seconds)
        add(str(root), settings(), _items(*prompts), more, options(clock=lambda: at[0]))

    asked("a", seconds=60.0)
    at[0] = 1030.0
    asked("a", seconds=60.0)
    assert _limits(root) == {"r-0001": (60.0, 1060.0)}
    asked("a", "b", seconds=60.0)
    asked("a", "b", seconds=None)
    assert _limits(root) == {"r-0001": (60.0, 1060.0), "r-0002": (60.0, 1090.0)}
    asked("b", seconds=3600.0)
    assert _limits(root) == {"r-0001": (60.0, 1060.0), "r-0002": (3600.0, 4630.0)}


def test_a_time_limit_is_no_other_request(root: Path) -> None:
    """With a limit or without, the ids are the same, so nothing is asked twice."""
    _add(root, _items("a"))
    assert _add(root, _items("a"), attrs.evolve(ASKED, time_limit=60.0)).requests == 0
    assert [seconds for seconds, _ in _limits(root).values()] == [60.0]


def test_what_a_limit_has_stopped_gets_no_other(root: Path) -> None:
    """A batch that was ended by its limit keeps it; a person asks again what it has left."""
    _add(root, _items("a"), attrs.evolve(ASKED, time_limit=60.0))
    path = root / "workdir" / "batch_metadata_r-0001.jsonl"
    path.write_text(path.read_text().replace('"limit":', '"online":{"limited":true},"limit":'))
    _add(root, _items("a"), attrs.evolve(ASKED, time_limit=3600.0))
    assert [seconds for seconds, _ in _limits(root).values()] == [60.0]


@pytest.mark.parametrize("live", [False, True], ids=["alone", "beside-a-live-one"])
def test_metadata_in_quarantine_is_no_free_name(root: Path, *, live: bool) -> None:
    """Metadata that somebody left in quarantine is a batch's: nobody else gets its name."""
    _add(root, [item_of(Wanted("", provider="local", prompt="a"))])
    aside = root / "quarantine/r-0001.1"
    aside.mkdir(parents=True)
    (root / "workdir/batch_metadata_r-0001.jsonl").rename(aside / "batch_metadata_r-0001.jsonl")
    if not live:
        (root / "workdir/batch_input_r-0001.jsonl").unlink()
    before = _inputs(root)
    _add(root, _items("b"))
    assert [*_inputs(root)] == [*before, "batch_input_r-0002.jsonl"]
    assert not (root / "workdir/batch_metadata_r-0001.jsonl").exists()


@pytest.mark.parametrize("gone", ["input", "metadata-and-input"])
def test_what_was_sent_and_has_lost_its_input_is_not_asked_again(root: Path, gone: str) -> None:
    """Nobody knows what a batch at a provider asks whose input was taken away: nothing is added beside it."""
    _add(root, _items("a"))
    path = root / "workdir/batch_metadata_r-0001.jsonl"
    told = record(root, "r-0001") | {"state": "submitted", "batch_id": "batch_1"}
    put(root, "r-0001", metadata=told)
    (root / "workdir/batch_input_r-0001.jsonl").unlink()
    if gone == "input":
        with pytest.raises(NeedsPerson, match="r-0001"):
            _add(root, _items("a", "b"))
        assert _inputs(root) == {}
    else:
        path.unlink()
        assert _add(root, _items("a", "b")).requests == 2


@pytest.mark.parametrize("change", ["edited", "gone"])
def test_what_was_removed_and_tells_no_more_is_not_asked_again(root: Path, change: str) -> None:
    """Where `[retain]` left only the results and these were changed, asking anew is for their user to say."""
    items = [item_of(Wanted("", provider="local", prompt=each)) for each in "ab"]
    _add(root, items)
    assert reconcile(root, settings={"policy.settle_seconds": 0, "retain.jsonl": "remove"}).exit_code == 0
    assert (root / "done/r-0001/tombstone.json").exists()
    assert _add(root, items).requests == 0
    published = root / "target/r-0001.results.jsonl"
    if change == "gone":
        published.unlink()
    else:
        published.write_bytes(published.read_bytes().splitlines(keepends=True)[0])
    with pytest.raises(NeedsPerson, match="r-0001"):
        _add(root, items)
    assert _inputs(root) == {}
    assert _add(root, items, attrs.evolve(ASKED, fresh=True)).requests == 2
