"""What hooks were told: files that cannot be read are told, and never taken for nothing."""

import json
from pathlib import Path

import pytest

from reconciler.errors import BadMetadata
from reconciler.workspace import outbox
from reconciler.workspace.effects import Effects
from reconciler.workspace.outbox import DELIVERED, FOLDER, Posted, commit, delivered, newest, note_delivered


def room(root: Path) -> Effects:
    """A workspace with an outbox."""
    fx = Effects(str(root))
    for folder in (".reconciler", FOLDER):
        fx.make_folder(folder)
    return fx


def test_what_was_noted_comes_back(tmp_path: Path) -> None:
    """How far each hook has heard is what was noted last; of an event that all have heard nothing stays."""
    fx = room(tmp_path)
    commit(fx, None, [{"event": "a"}], Posted(last=0))
    commit(fx, Posted(last=0), [{"event": "b"}], Posted(last=1))
    note_delivered(fx, {"mine": 1})
    assert delivered(fx) == {"mine": 1}
    assert list(outbox.pending(fx, 0)) == [(1, {"event": "b"})]
    assert newest(fx) == Posted(last=1)


@pytest.mark.parametrize("data", [b"", b"{", b'{"mine": "1"}', b"[]"])
def test_what_was_delivered_cannot_be_read(tmp_path: Path, data: bytes) -> None:
    """A hook that may have heard is not told again as if it had not: a person is asked."""
    fx = room(tmp_path)
    (tmp_path / DELIVERED).write_bytes(data)
    with pytest.raises(BadMetadata, match=r"delivered\.json cannot be read") as told:
        delivered(fx)
    assert told.value.hint == "move it away"


@pytest.mark.parametrize("change", [{"schema": 2}, {"last": None}, {"told": []}, {"events": 1}])
def test_what_was_told_cannot_be_read(tmp_path: Path, change: dict[str, object]) -> None:
    """A file of another version, or with something else in it, is told with what to do."""
    fx = room(tmp_path)
    commit(fx, None, [{"event": "a"}], Posted(last=0))
    (path,) = [each for each in (tmp_path / FOLDER).iterdir() if each.name.endswith(".json")]
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    with pytest.raises(BadMetadata, match=path.name):
        newest(fx)
