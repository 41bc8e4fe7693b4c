"""A file that arrives in pieces: begun anew it keeps nothing of before, and each change is told first."""

import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from reconciler.workspace.effects import Effects, temporary_for
from tests.workspace.faults import Trip
from tests.workspace.written import NEW, PATH, content, digest_of


@pytest.fixture
def trip() -> Trip:
    """Hears of each change."""
    return Trip()


@pytest.fixture
def fx(tmp_path: Path, trip: Trip) -> Iterator[Effects]:
    """The room, on an empty folder."""
    room = Effects(str(tmp_path), trip)
    yield room
    room.close()


def test_begun_anew_it_holds_what_came_since(fx: Effects, tmp_path: Path) -> None:
    """A shorter second try keeps no tail of the first, and its size and digest are its own."""
    with fx.receive(PATH) as incoming:
        incoming.write(NEW * 2)
        incoming.restart()
        assert incoming.size == 0
        incoming.write(NEW)
        assert incoming.digest == digest_of(NEW)
    fx.reveal(PATH, digest_of(NEW))
    assert content(tmp_path) == NEW


def test_each_change_is_told_before_it_is_made(fx: Effects, trip: Trip) -> None:
    """Creation, each write, a new beginning, and the sync: a crash can be made before any of them."""
    with fx.receive(PATH) as incoming:
        incoming.write(NEW)
        incoming.restart()
        incoming.write(NEW)
    told = [change for change, path in trip.seen if path == temporary_for(PATH)]
    assert told == ["create", "write", "write", "write", "fsync"]


def test_a_mode_is_told_before_it_is_set(fx: Effects, trip: Trip, tmp_path: Path) -> None:
    """A repair of modes can be stopped before each of them."""
    (tmp_path / "open.txt").write_bytes(NEW)
    (tmp_path / "open.txt").chmod(0o644)
    fx.narrow("open.txt", 0o600)
    assert ("chmod", "open.txt") in trip.seen
    assert stat.S_IMODE((tmp_path / "open.txt").stat().st_mode) == 0o600
