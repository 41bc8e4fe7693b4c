"""What was published, held against what is there."""

from pathlib import Path

from reconciler.workspace.effects import Effects
from reconciler.workspace.receipts import changed


def test_what_was_published_and_what_is_there(tmp_path: Path) -> None:
    """The same bytes are unchanged; others, none, and what cannot be looked at are told."""
    fx = Effects(str(tmp_path))
    fx.make_folder("target")
    digest = fx.publish("target/1.results.jsonl", (b"a\n",))
    assert changed(fx, {"target/1.results.jsonl": digest}) is None
    (tmp_path / "target/1.results.jsonl").write_bytes(b"b\n")
    assert (
        changed(fx, {"target/1.results.jsonl": digest}) == "target/1.results.jsonl is not what was published"
    )
    (tmp_path / "target/1.results.jsonl").unlink()
    assert "not there any more" in str(changed(fx, {"target/1.results.jsonl": digest}))


def test_what_cannot_be_looked_at(tmp_path: Path) -> None:
    """A receipt that names what no file of this workspace can be is told, and is no traceback."""
    fx = Effects(str(tmp_path))
    fx.make_folder("target")
    digest = fx.publish("target/a", (b"a\n",))
    assert str(changed(fx, {"../outside": digest})).startswith("../outside cannot be read: ")
