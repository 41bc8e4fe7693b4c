"""Code by name: the files that importing it would run, found without importing any of them."""

import hashlib
from pathlib import Path

import pytest

from reconciler.errors import ConfigError
from reconciler.workspace.code import digest_of, read_code, refer

SETTING = "output_processor"


def test_a_file_that_is_gone(tmp_path: Path) -> None:
    """It was there when it was named; what cannot be read is told, and runs not at all."""
    path = tmp_path / "mine.py"
    path.write_text("def f(): ...\n")
    found = refer(SETTING, "mine.py:f", str(tmp_path))
    assert digest_of(found)
    path.unlink()
    with pytest.raises(ConfigError, match=r"mine\.py cannot be read: No such file"):
        digest_of(found)
    with pytest.raises(ConfigError, match="cannot be read"):
        read_code(str(path))


def test_a_folder_of_modules_without_a_file_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Such a folder runs nothing; the modules in it are what they are, and only they are vouched for."""
    inner = tmp_path / "spread_out" / "inner"
    inner.mkdir(parents=True)
    (inner / "__init__.py").write_text("")
    (inner / "mine.py").write_text("def f(): ...\n")
    monkeypatch.syspath_prepend(tmp_path)
    found = refer(SETTING, "spread_out.inner.mine:f", ".")
    assert (found.above, found.path) == ((str(inner / "__init__.py"),), str(inner / "mine.py"))
    digests = [hashlib.sha256(data).hexdigest() for data in (b"", b"def f(): ...\n")]
    assert read_code(found.path)[1] == digests[1]
    with pytest.raises(ConfigError, match="'spread_out', which is not installed"):
        refer(SETTING, "spread_out:f", ".")
