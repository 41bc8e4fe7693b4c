"""How the batches stand that a held one waits for."""

from pathlib import Path

import pytest

from reconciler.model.canary import Sample
from reconciler.model.identity import BatchName, Role, file_name
from reconciler.model.record import After, Record
from reconciler.workspace import metadata
from reconciler.workspace.canaries import sample_of
from reconciler.workspace.layout import Layout
from reconciler.workspace.reading import Reading
from tests.workspaces import answered, failed, put, request, run

NAME = BatchName("1")


def sample(root: Path) -> Sample:
    """What came of batch 1, which another waits for."""
    look = Reading(str(root))
    try:
        return sample_of(look, Layout(str(root), "workdir"), After((NAME,), 0.5))
    finally:
        look.close()


@pytest.mark.parametrize(
    ("data", "record"),
    [
        pytest.param(None, None, id="none-yet"),
        pytest.param(metadata.encode(Record(NAME, batch_id="b")), Record(NAME, batch_id="b"), id="good"),
        pytest.param(b"{", None, id="cut"),
        pytest.param(metadata.encode(Record(BatchName("2"))), None, id="of-another-batch"),
    ],
)
def test_one_that_is_here_is_going(tmp_path: Path, data: bytes | None, record: Record | None) -> None:
    """Whatever its metadata says or does not say, a batch whose input is live has not gone away."""
    put(tmp_path / "w", "1", input=[request(0)])
    if data is not None:
        (tmp_path / "w/workdir" / file_name(Role.METADATA, "1")).write_bytes(data)
    assert sample(tmp_path / "w") == Sample(0, 0, {NAME: record})


@pytest.mark.parametrize("how", ["folder", "link", "cut"])
def test_one_whose_manifest_cannot_be_read_says_nothing(tmp_path: Path, how: str) -> None:
    """What was answered is counted from a manifest that can be read alone; else the batch counts as gone."""
    root = tmp_path / "w"
    put(root, "1", input=[request(0), request(1)], output=[answered(0)], error=[failed(1)])
    run(root)
    assert sample(root) == Sample(1, 2)
    manifest = root / "done/1/manifest.json"
    manifest.rename(tmp_path / "kept.json")
    if how == "folder":
        manifest.mkdir()
    elif how == "link":
        manifest.symlink_to(tmp_path / "kept.json")
    else:
        manifest.write_bytes(b"{")
    assert sample(root) == Sample(0, 0, gone=(NAME,))
