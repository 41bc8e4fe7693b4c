"""Documents of the outbox that nobody can read: refused with the way out, never an error of another kind."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from reconciler.errors import BadMetadata
from reconciler.workspace import outbox
from reconciler.workspace.effects import Effects
from reconciler.workspace.outbox import DELIVERED, Posted

FIRST = f"{outbox.FOLDER}/000000000000.json"


@pytest.fixture
def fx(tmp_path: Path) -> Iterator[Effects]:
    """The room, on a workspace whose hooks have heard of two events."""
    room = Effects(str(tmp_path))
    outbox.commit(room, None, [{"id": "a"}, {"id": "b"}], Posted(1, 17, {"7": "held"}))
    outbox.note_delivered(room, {"post": 1})
    yield room
    room.close()


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"{", id="cut"),
        pytest.param(b'{"post":"1"}', id="no-number"),
        pytest.param(b"[1]", id="no-object"),
        pytest.param(b'{"\xff":1}', id="no-text"),
        pytest.param(b"[" * 5000, id="nested"),
    ],
)
def test_what_was_heard_cannot_be_read(fx: Effects, tmp_path: Path, data: bytes) -> None:
    """Which hook has heard what is never guessed: it would be told twice, or not at all."""
    assert outbox.delivered(fx) == {"post": 1}
    (tmp_path / DELIVERED).write_bytes(data)
    with pytest.raises(BadMetadata, match=r"delivered\.json cannot be read") as caught:
        outbox.delivered(fx)
    assert caught.value.hint == "move it away"


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"{", id="cut"),
        pytest.param(b"[1]", id="no-object"),
        pytest.param(b'{"schema":1}', id="no-fields"),
        pytest.param(b'{"schema":1,"told":[]}', id="no-states"),
        pytest.param(b'{"schema":1,"told":{},"last":"x"}', id="no-number"),
        pytest.param(b'{"schema":1,"told":{},"last":1,"ledger":1,"events":2}', id="no-events"),
        pytest.param(b'{"schema":"\xff"}', id="no-text"),
        pytest.param(b"[" * 5000, id="nested"),
    ],
)
def test_events_that_cannot_be_read(fx: Effects, tmp_path: Path, data: bytes) -> None:
    """No event is made up, and the hint says how hooks hear of what comes."""
    assert outbox.newest(fx) == Posted(1, 17, {"7": "held"})
    (tmp_path / FIRST).write_bytes(data)
    for read in (outbox.newest, lambda look: list(outbox.pending(look, 0))):
        with pytest.raises(BadMetadata, match=r"000000000000\.json cannot be read") as caught:
            read(fx)
        assert "outbox away" in caught.value.hint


def test_events_of_another_version(fx: Effects, tmp_path: Path) -> None:
    """What a newer version wrote is not taken for our own."""
    written = (tmp_path / FIRST).read_bytes()
    (tmp_path / FIRST).write_bytes(written.replace(b'"schema":1', b'"schema":2'))
    with pytest.raises(BadMetadata, match=r"written by another version \(schema 2\)"):
        outbox.newest(fx)
