"""Files that hold settings: each that cannot be read is told with its name and what to do."""

from pathlib import Path

import pytest

from reconciler.errors import ConfigError
from reconciler.workspace.sources import schema_file, settings_files

unreadable = pytest.mark.skipif(
    not Path("/proc/self/mem").exists(), reason="only Linux has a file that nobody can read from its start"
)


def test_a_schema_is_read(tmp_path: Path) -> None:
    """A file of the workspace comes as its bytes."""
    (tmp_path / "answer.json").write_bytes(b"{}")
    assert schema_file(str(tmp_path / "reconciler.toml"), "here", "answer.json") == b"{}"


@pytest.mark.parametrize(
    ("path", "told"),
    [
        ("x" * 300, "no file is there"),
        ("link/answer.json", "no file is there"),
        ("answer.json", "no file is there"),
        ("folder", "no file is there"),
        ("../answer.json", "no path below the workspace"),
        ("a\0b", "no path below the workspace"),
    ],
)
def test_a_schema_that_cannot_be_read(tmp_path: Path, path: str, told: str) -> None:
    """Whatever stands in the way is said, with who names it and what else would do."""
    (tmp_path / "folder").mkdir()
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside/answer.json").write_bytes(b"{}")
    (tmp_path / "link").symlink_to(tmp_path / "outside")
    with pytest.raises(ConfigError, match=f"here: results.schema is .*{told}") as found:
        schema_file(str(tmp_path / "reconciler.toml"), "here", path)
    assert "write the schema itself" in found.value.hint


@unreadable
def test_a_schema_that_the_disk_does_not_give() -> None:
    """A file that is there and cannot be read is told as such."""
    with pytest.raises(ConfigError, match="'mem', which cannot be read: Input/output error"):
        schema_file("/proc/self/reconciler.toml", "here", "mem")


@unreadable
def test_settings_that_the_disk_does_not_give(tmp_path: Path) -> None:
    """A file that is there and cannot be read is an error: its settings may be why nothing is sent."""
    with pytest.raises(ConfigError, match=r"/mem cannot be read: Input/output error"):
        settings_files(str(tmp_path), "/proc/self/mem")
