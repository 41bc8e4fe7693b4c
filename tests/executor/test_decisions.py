"""What a person gives up out of quarantine, where something stands in the way of it."""

import errno
from collections.abc import Iterator
from pathlib import Path

import pytest

from reconciler import decide
from reconciler.check import check
from reconciler.errors import NeedsPerson
from reconciler.session import Options
from reconciler.workspace.effects import Tap
from tests.workspace.faults import errno_failure
from tests.workspaces import answered, files, leftovers, manifest, put, request, run, scratch, settings


@pytest.fixture
def root() -> Iterator[Path]:
    """A workspace with a batch in quarantine: one request was answered twice."""
    with scratch() as folder:
        put(folder / "w", "7", input=[request(0), request(1)], output=[answered(0), answered(0)])
        run(folder / "w")
        yield folder / "w"


def elsewhere(number: int) -> Tap:
    """The folder cannot be renamed into `done/`; one that was made there can."""
    failure, asked = errno_failure(number), []

    def tap(change: str, path: str) -> None:
        if (change, path) == ("rename", "done/7"):
            asked.append(path)
            if len(asked) == 1:
                raise failure()

    return tap


def test_an_input_that_cannot_be_read(root: Path) -> None:
    """Its ids cannot be counted, so they cannot be given up; nothing moves, and the line is named."""
    path = root / "quarantine/7.1/batch_input_7.jsonl"
    path.write_bytes(path.read_bytes() + b'{"custom_id": \n')
    before = files(root)
    with pytest.raises(NeedsPerson, match=r"batch_input_7\.jsonl:3") as refused:
        decide.dismiss(str(root), settings(), ["7"])
    assert "mend the line" in refused.value.hint
    assert files(root) == before


def test_done_on_another_device(root: Path) -> None:
    """Where the folder cannot be renamed into `done/`, its files are copied there, and then go."""
    decide.dismiss(str(root), settings(), ["7"], Options(tap=elsewhere(errno.EXDEV)))
    assert manifest(root, "7")["coverage"]["dismissed"]["requests"] == 2
    assert not (root / "quarantine/7.1").exists()
    assert leftovers(root) == []
    assert check(str(root), settings()).findings == []


def test_a_disk_that_gives_way(root: Path) -> None:
    """Any other error ends it before a file has moved; the same command ends it later."""
    with pytest.raises(OSError, match="Input/output"):
        decide.dismiss(str(root), settings(), ["7"], Options(tap=elsewhere(errno.EIO)))
    assert (root / "quarantine/7.1/batch_output_7.jsonl").exists()
    decide.dismiss(str(root), settings(), ["7"])
    assert manifest(root, "7")["coverage"]["dismissed"]["requests"] == 2
    assert check(str(root), settings()).findings == []


def test_a_folder_of_that_name_whose_manifest_is_torn(root: Path) -> None:
    """It may be anybody's: the batch goes beside it, under the next name."""
    (root / "done/7").mkdir(parents=True)
    (root / "done/7/manifest.json").write_bytes(b"{")
    decide.dismiss(str(root), settings(), ["7"])
    assert manifest(root, "7.q1")["coverage"]["dismissed"]["requests"] == 2
    assert (root / "done/7/manifest.json").read_bytes() == b"{"


@pytest.mark.parametrize("data", [b"", b"{", b'{"schema": 1, "name": "8"}\n'])
def test_metadata_that_cannot_be_read(root: Path, data: bytes) -> None:
    """Nobody knows which create it speaks of: the batch is given up all the same, and it goes along."""
    (root / "quarantine/7.1/batch_metadata_7.jsonl").write_bytes(data)
    decide.dismiss(str(root), settings(), ["7"])
    assert manifest(root, "7")["coverage"]["dismissed"]["requests"] == 2
    assert (root / "done/7/batch_metadata_7.jsonl").read_bytes() == data
