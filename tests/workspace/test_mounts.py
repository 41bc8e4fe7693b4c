"""What stands at a path: a folder or not, empty or not."""

from pathlib import Path

from reconciler.workspace.mounts import identity, is_empty


def test_a_folder_is_empty_until_something_is_in_it(tmp_path: Path) -> None:
    """What is no folder, or is not there, is not empty: nobody knows what will be there."""
    assert is_empty(str(tmp_path))
    (tmp_path / "a").touch()
    assert not is_empty(str(tmp_path))
    assert not is_empty(str(tmp_path / "a"))
    assert not is_empty(str(tmp_path / "gone"))


def test_one_folder_under_two_names(tmp_path: Path) -> None:
    """A link leads to the same folder; a file, and what is not there, are none."""
    (tmp_path / "there").mkdir()
    (tmp_path / "link").symlink_to("there")
    (tmp_path / "file").touch()
    assert identity(str(tmp_path / "link")) == identity(str(tmp_path / "there")) is not None
    assert identity(str(tmp_path / "file")) is identity(str(tmp_path / "gone")) is None
