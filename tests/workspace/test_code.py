"""Which files a setting's code lies in; none of it is imported."""

import hashlib
import os
import sys
from pathlib import Path

import pytest

from reconciler.errors import ConfigError
from reconciler.workspace.code import GROUPS, digest_of, refer, whole_name
from tests.workspace.faults import UNREADABLE, needs_unreadable

SETTING = "output.processor"


def test_folders_that_are_packages_without_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """They hold no code that runs: what is trusted is the module, and those packages above it that do."""
    sources = {"rk_space/inner/hooks.py": b"f = print\n", "rk_space/whole/__init__.py": b"import os\n"}
    sources["rk_space/whole/hooks.py"] = b"f = len\n"
    for path, source in sources.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_bytes(source)
    monkeypatch.syspath_prepend(str(tmp_path))

    bare = refer(SETTING, "rk_space.inner.hooks:f", "/")
    assert (bare.path, bare.above) == (str(tmp_path / "rk_space/inner/hooks.py"), ())
    assert digest_of(bare) == hashlib.sha256(sources["rk_space/inner/hooks.py"]).hexdigest()
    whole = refer(SETTING, "rk_space.whole.hooks:f", "/")
    assert whole.above == (str(tmp_path / "rk_space/whole/__init__.py"),)
    with pytest.raises(ConfigError, match="not installed"):
        refer(SETTING, "rk_space.inner:f", "/")
    assert [name for name in sys.modules if name.startswith("rk_space")] == []


def test_code_that_went_away_is_named(tmp_path: Path) -> None:
    """A file that was found and is gone when it is read is a setting that cannot be obeyed."""
    (tmp_path / "hooks.py").write_bytes(b"f = print\n")
    reference = refer(SETTING, "hooks.py:f", str(tmp_path))
    (tmp_path / "hooks.py").unlink()
    with pytest.raises(ConfigError, match=r"hooks\.py cannot be read: No such file"):
        digest_of(reference)


@needs_unreadable
@pytest.mark.parametrize("setting", GROUPS)
def test_a_name_that_cannot_be_written_down_is_refused(setting: str, tmp_path: Path) -> None:
    """A file may be called by bytes that are no UTF-8; what has run is written down by its name."""
    (tmp_path / os.fsdecode(b"m\xff.py")).touch()
    with pytest.raises(ConfigError, match=rf"{setting} names 'm.udcff\.py:f', which is no UTF-8"):
        refer(setting, os.fsdecode(b"m\xff.py:f"), str(tmp_path))


@pytest.mark.parametrize(
    ("name", "folder", "whole"),
    [
        ("answers.py:answer", "sub", "{root}/sub/answers.py:answer"),
        ("../answers.py:answer", "sub", "{root}/answers.py:answer"),
        ("/x/answers.py:answer", "sub", "/x/answers.py:answer"),
        ("answers:answer", "sub", "answers:answer"),
        ("echo", "sub", "echo"),
        ("answers.py:answer", "\udcff", "answers.py:answer"),
    ],
)
def test_a_name_that_can_be_typed_anywhere(tmp_path: Path, name: str, folder: str, whole: str) -> None:
    """A file gets its whole path, unless that cannot be written down."""
    assert whole_name(name, f"{tmp_path}/{folder}") == whole.format(root=tmp_path.resolve())


def test_code_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    """So is one that the disk does not give."""
    (tmp_path / "hooks.py").symlink_to(UNREADABLE)
    with pytest.raises(ConfigError, match="cannot be read: Input/output error"):
        digest_of(refer(SETTING, "hooks.py:f", str(tmp_path)))


def test_an_installed_module_may_be_a_link(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Some installers link to files of a store: what they hold is what is looked at."""
    (tmp_path / "store").write_bytes(b"f = print\n")
    (tmp_path / "rk_linked.py").symlink_to("store")
    monkeypatch.syspath_prepend(str(tmp_path))
    reference = refer(SETTING, "rk_linked:f", "/")
    assert reference.path == str(tmp_path / "rk_linked.py")
    assert digest_of(reference) == hashlib.sha256(b"f = print\n").hexdigest()
