"""The notes of a wall: written once, and what lies beside them is passed over."""

from pathlib import Path

from reconciler.model.identity import BatchName
from reconciler.model.outcome import ErrorClass
from reconciler.workspace.effects import Effects
from reconciler.workspace.walls import FOLDER, Met, Place, ahead, met, sent, walls
from tests.workspace.faults import Trip


def test_a_note_is_written_once(tmp_path: Path) -> None:
    """Noted again, by a pass that was cut off before, nothing changes."""
    place, trip = Place("openai", "a" * 8, "m"), Trip()
    fx = Effects(str(tmp_path), tap=trip)
    for folder in (".reconciler", FOLDER, place.folder):
        fx.make_folder(folder)
    refused = Met("1", "openai", "m", ErrorClass.BILLING, "no money", 3)
    sent(fx, place, BatchName("2"))
    met(fx, place, refused)
    changes = len(trip.seen)
    sent(fx, place, BatchName("2"))
    met(fx, place, refused)
    assert len(trip.seen) == changes
    assert ahead(fx, place) == ["2"]


def test_what_is_no_place_is_passed_over(tmp_path: Path) -> None:
    """A file beside the folders of the walls is nobody's wall."""
    place = Place("openai", "a" * 8, "m")
    fx = Effects(str(tmp_path))
    for folder in (".reconciler", FOLDER, place.folder):
        fx.make_folder(folder)
    met(fx, place, Met("1", "openai", "m", ErrorClass.BILLING, "no money", 3))
    (tmp_path / FOLDER / "notes.txt").write_text("mine")
    assert [each.folder for each in walls(fx)] == [place.folder]
