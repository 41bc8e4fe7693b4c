"""Where a file goes that somebody has named."""

from pathlib import Path

import pytest

from reconciler.errors import UsageError
from reconciler.workspace.exporting import destination


@pytest.mark.parametrize("named", ["a/", "/", "a\0b", "./b/"])
def test_what_names_no_file(tmp_path: Path, named: str) -> None:
    """A folder, and what no file system takes, are refused before anything is made."""
    with pytest.raises(UsageError, match="names no file"):
        destination(str(tmp_path / "w"), named, base=str(tmp_path))
    assert list(tmp_path.iterdir()) == []


def test_what_is_no_file(tmp_path: Path) -> None:
    """A folder that is there is no file to be written."""
    (tmp_path / "there").mkdir()
    with pytest.raises(UsageError, match="there is no regular file"):
        destination(str(tmp_path / "w"), "there", base=str(tmp_path))
