"""
A name that leads to no provider of a package, and code that makes none, is told before anything is done.

Its code leaves a mark when it is imported: where nothing of a user may run, there must be none.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from reconciler.testing import FakeProvider
from tests.cli.acme import CLI, MODULE, installed, put_input, reach_acme, register, write_settings
from tests.cli.remote import There
from tests.workspaces import files, record


@pytest.fixture
def mark(tmp_path: Path) -> Path:
    """What the code leaves when it is imported."""
    return tmp_path / "mark"


@pytest.fixture
def library(tmp_path: Path, mark: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder on the search path, where a package is installed that registers `acme`."""
    with installed(tmp_path / "library", mark, monkeypatch) as folder:
        yield folder


@pytest.fixture
def there(
    fake_provider: FakeProvider,
    library: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> There:
    """A service that the package knows how to ask."""
    assert library.is_dir()
    return reach_acme(fake_provider, monkeypatch, capsys)


@pytest.mark.parametrize("how", ["flag", "workspace", "environment", "table"])
def test_a_slip_is_told(how: str, there: There, workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A name that is neither built in nor installed is 78 with the nearest one, and not a matter of trust."""
    put_input(workspace, there)
    words = ["--provider", "opneai"] if how == "flag" else []
    if how == "workspace":
        write_settings(workspace, '[provider]\nname = "opneai"\n')
    if how == "table":
        write_settings(workspace, '[[batch]]\nmatch = "x"\nprovider = "opneai"\n')
    if how == "environment":
        monkeypatch.setenv("RECONCILER_PROVIDER_NAME", "opneai")
    for verb in ("run", "plan"):
        said = there.call(verb, workspace, *words)
        assert said.code == 78
        assert "provider.name is 'opneai', and there is no such provider" in said.err
        assert "did you mean openai?" in said.err
        assert "installed as reconciler.providers: acme" in said.err
        assert "trust" not in said.err


def test_a_slip_of_an_installed_name(there: There, workspace: Path) -> None:
    """The nearest name may be an installed one."""
    put_input(workspace, there)
    assert "did you mean acme?" in there.call(workspace, "--provider", "acmee").err


def test_a_slip_can_be_looked_at(there: There, workspace: Path) -> None:
    """`status` answers whatever the settings name, and says that nobody of that name can be asked."""
    put_input(workspace, there)
    write_settings(workspace, '[provider]\nname = "opneai"\n')
    said = there.call("status", workspace)
    assert "no client for provider 'opneai'" in said.out
    assert "install its package" in said.out


def test_a_built_in_name_stays(there: There, workspace: Path, library: Path, mark: Path) -> None:
    """A package that registers `openai` or `none` changes nothing of what these are."""
    register(
        library, f"openai = {MODULE}:make", f"none = {MODULE}:make", f"local = {MODULE}:make", name="bad"
    )
    put_input(workspace, there)
    assert there.call(workspace, "--provider", "openai").code == 77
    assert there.call(workspace, "--provider", "none").code == 3
    assert there.call(workspace, "--provider", "local").code == 0
    assert not mark.exists()
    assert there.creates() == 0


def test_a_name_that_two_register(there: There, workspace: Path, library: Path) -> None:
    """Whose batches go where must not hang on the order of folders: 78, and both are named."""
    register(library, "acme = json:loads", name="other")
    put_input(workspace, there)
    said = there.call(workspace, *CLI)
    assert said.code == 78
    assert f"registered twice: {MODULE}:make and json:loads" in said.err


def test_an_entry_point_that_says_nothing(there: There, workspace: Path, library: Path) -> None:
    """A package that registers what is no reference is told with its name, not with a traceback."""
    register(library, "nonsense = ???", "half = json", name="bad")
    put_input(workspace, there)
    for name in ("nonsense", "half"):
        said = there.call(workspace, "--provider", name)
        assert said.code == 78
        assert f"provider.name is '{name}'" in said.err


def test_metadata_loads_no_code(there: There, workspace: Path, mark: Path) -> None:
    """A batch that metadata alone gives to an installed provider is held, and audit says that nobody asks."""
    put_input(workspace, there)
    there.call(workspace, *CLI)
    mark.unlink()
    sys.modules.pop(MODULE)
    for words in ((workspace,), (workspace, "--provider", "openai"), ("plan", workspace)):
        assert "no client for provider 'acme'" in there.call(*words).out
    assert there.call("status", workspace).code == 0
    said = there.call("audit", workspace)
    assert "acme: not asked: there is no client for it here" in said.err
    assert said.code == 77
    assert not mark.exists()
    assert record(workspace, "1")["state"] == "submitted"


WHOLE: Final = """
from reconciler.providers import BatchProvider

class make(BatchProvider):
    account = "a"
    def __init__(self, o, e): pass
    def create(self, *a): pass
    def status(self, *a): pass
    def batches(self, *a): pass
    def download(self, *a): pass
"""
SECRET: Final = 'def make(o, e): raise RuntimeError(e["ACME_API_KEY"])'
REGION: Final = "from reconciler import ConfigError\ndef make(o, e): raise ConfigError('no such region')"
KEYLESS: Final = "from reconciler.providers import KeyMissing\ndef make(o, e): return KeyMissing('x', ())"
MAKES: Final = {
    "raises": (SECRET, "making it raised RuntimeError: ***"),
    "exits": ("def make(o, e): raise SystemExit(0)", "making it raised SystemExit"),
    "settings": (REGION, "no such region"),
    "nothing": ("def make(o, e): return None", "is no provider: None"),
    "itself": ("class make:\n    def __init__(self, o, e): pass", "whose takes_file is None"),
    "half": (WHOLE.replace("def create", "def make_one"), "without create()"),
    "no-upload": (f"{WHOLE}    takes_file = True\n", "without upload()"),
    "no-cancel": (f"{WHOLE}    cancels = True\n", "without cancel()"),
    "async": (WHOLE.replace("def create", "async def create"), "create() is async"),
    "anybody": (WHOLE.replace('"a"', '""'), "its account is an empty text"),
    "limits": (f"{WHOLE}    limits = 1000\n", "its limits is 1000"),
    "dialects": (f"{WHOLE}    dialects = {{'cohere'}}\n", "its dialects is a set"),
    "numbers": (f"{WHOLE}    numbers_ids = True\n", "for built-in ones alone"),
    "property": (f"{WHOLE}    model = property(lambda self: 1 / 0)\n", "ZeroDivisionError"),
    "keyless": (KEYLESS, "names no variable"),
    "import": ("import nothing_of_that_name", "importing it raised ModuleNotFoundError"),
}


@pytest.mark.parametrize(("code", "told"), MAKES.values(), ids=MAKES)
def test_what_is_no_provider_is_told(code: str, told: str, there: There, workspace: Path) -> None:
    """A factory that raises, or makes something else, is 78 before anything is done; no key is shown."""
    put_input(workspace, there)
    (workspace.parent / "mine.py").write_text(code, "utf-8")
    before = files(workspace)
    said = there.call(workspace, "--provider", f"{workspace.parent}/mine.py:make")
    assert said.code == 78, said
    assert told in said.err
    assert there.fake.key not in said.err
    assert files(workspace) == before
