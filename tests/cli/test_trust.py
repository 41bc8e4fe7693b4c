"""
A workspace may name code, and where keys go, only once its user has said so.

The code of these tests leaves a mark when it is imported; where it is refused, there must be none.
"""

import os
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from tests.cli.calling import call
from tests.cli.trusting import (
    NAMING,
    VERBS,
    put_all,
    refused,
    say,
    spawn_with,
    trusted,
    write_code,
    write_settings,
)
from tests.workspaces import files, results


@pytest.fixture
def mark(tmp_path: Path) -> Path:
    """What the code leaves when it is imported."""
    return tmp_path / "mark"


@pytest.fixture
def code(workspace: Path, mark: Path) -> Path:
    """A file of code inside the workspace."""
    path = workspace / "hooks.py"
    write_code(path, mark)
    return path


FLAGS: Final = (
    "--output-processor=results",
    "--error-processor=summary",
    "--worker=echo",
    "--provider=none",
)


@pytest.mark.parametrize("verb", ["status", "check"])
@pytest.mark.parametrize("where", NAMING)
def test_where_things_stand_can_be_asked_without_trust(  # noqa: PLR0913, PLR0917 - two tables and what they are held against
    where: str, verb: str, workspace: Path, code: Path, mark: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """`status` and `check` run no code of anybody: they answer, import nothing and touch nothing."""
    put_all(workspace)
    write_settings(workspace, NAMING[where].format(code.name))
    before = files(workspace)
    assert say(capsys, verb, workspace).code == 0
    assert not mark.exists()
    assert files(workspace) == before


@pytest.mark.parametrize("verb", [verb for verb in VERBS if verb not in ("status", "check")])
@pytest.mark.parametrize("where", NAMING)
def test_a_workspace_that_names_code_is_refused(  # noqa: PLR0913, PLR0917 - two tables and what they are held against
    where: str, verb: str, workspace: Path, code: Path, mark: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whatever would run that code, or foretells it, wherever it is named: 78, and nothing was imported."""
    put_all(workspace)
    write_settings(workspace, NAMING[where].format(code.name))
    before = files(workspace)
    said = say(capsys, verb, workspace)
    refused(said, workspace, before, mark)
    assert "names code" in said.err
    assert "this workspace is not trusted" in said.err


@pytest.mark.parametrize("verb", ["run", "plan", "process"])
@pytest.mark.parametrize("where", ["processor", "error-processor", "worker", "batch-worker", "transform"])
def test_a_flag_that_overrides_it_is_no_trust(  # noqa: PLR0913, PLR0917 - two tables and what they are held against
    where: str, verb: str, workspace: Path, code: Path, mark: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What the file says counts, obeyed or not: the next call might come without the flag."""
    put_all(workspace)
    write_settings(workspace, NAMING[where].format(code.name))
    before = files(workspace)
    flags = FLAGS if verb == "run" else FLAGS[:3]
    refused(say(capsys, verb, workspace, *flags), workspace, before, mark)


def test_a_variable_that_overrides_it_is_no_trust(
    workspace: Path,
    code: Path,
    mark: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Nor is the environment."""
    write_settings(workspace, NAMING["worker"].format(code.name))
    before = files(workspace)
    monkeypatch.setenv("RECONCILER_LOCAL_WORKER", "echo")
    refused(call(capsys, workspace), workspace, before, mark)


def test_nothing_of_a_module_is_imported_before_it_is_trusted(workspace: Path, tmp_path: Path) -> None:
    """Neither the module nor the packages above it; not when it is refused, and not while it is trusted."""
    marks = {name: tmp_path / f"mark-{name}" for name in ("above", "inner", "module")}
    library = tmp_path / "library"
    write_code(library / "above/__init__.py", marks["above"])
    write_code(library / "above/inner/__init__.py", marks["inner"])
    write_code(library / "above/inner/hooks.py", marks["module"])
    put_all(workspace)
    write_settings(workspace, NAMING["processor"].format("above.inner.hooks"))
    for verb in ("run", "plan", "check", "trust"):
        said = spawn_with(library, verb, workspace)
        assert said.code == (0 if verb in ("check", "trust") else 78), said.err
        assert [name for name, path in marks.items() if path.exists()] == []
    assert spawn_with(library, workspace).code == 3
    assert [name for name, path in marks.items() if path.exists()] == ["above", "inner", "module"]
    assert results(workspace, "1")[0]["value"] == "mine"


def test_what_is_trusted_runs(
    workspace: Path, code: Path, mark: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """After `reconcile trust` the code is imported, and does its work."""
    put_all(workspace)
    said = trusted(workspace, code, capsys)
    assert "trusted  output.processor = hooks.py:handle" in said.out
    assert not mark.exists()
    call(capsys, workspace)
    assert mark.exists()
    assert results(workspace, "1")[0]["value"] == "mine"


def test_a_trusted_worker_answers(workspace: Path, code: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A worker of the workspace answers, through the whole command line."""
    put_all(workspace)
    write_settings(workspace, '[provider]\nname = "local"\n' + NAMING["worker"].format(code.name))
    assert call(capsys, "trust", workspace).code == 0
    assert call(capsys, workspace, "--only", "2").code == 0
    assert results(workspace, "2")[0]["text"] == "mine"


def test_trust_is_a_document_too(workspace: Path, code: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`--json` says which file of which content is trusted for which setting."""
    write_settings(workspace, NAMING["worker"].format(code.name))
    document = call(capsys, "trust", workspace, "--json").document
    (row,) = document["trusted"]
    assert document["settings_file"] == str(workspace / "reconciler.toml")
    assert (row["setting"], row["name"], row["path"]) == ("local.worker", "hooks.py:work", str(code))


def test_a_workspace_that_names_no_code_needs_no_trust(
    workspace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """There is nothing to trust, and nothing is written down."""
    write_settings(
        workspace, '[output]\nprocessor = "files"\nerror_processor = "summary"\n[local]\nworker = "echo"\n'
    )
    said = call(capsys, "trust", workspace)
    assert (said.code, said.out) == (0, "")
    assert "there is nothing to trust" in said.err
    assert not (Path(os.environ["XDG_CONFIG_HOME"]) / "reconciler").exists()
    assert call(capsys, workspace).code == 0


# Where keys go

ADDRESSES: Final = {
    "alone": '[provider]\nbase_url = "{}"\n',
    "with-a-provider": '[provider]\nname = "openai"\nbase_url = "{}"\n',
    "of-the-embedded-provider": '[provider]\nname = "local"\nbase_url = "{}"\n',
}


@pytest.fixture
def stranger() -> Iterator[socket.socket]:
    """A server that nobody should come to."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.setblocking(False)  # noqa: FBT003 - the library's own signature
        yield server


def address_of(server: socket.socket) -> str:
    """Its base URL."""
    return f"http://127.0.0.1:{server.getsockname()[1]}/v1"


@pytest.mark.parametrize("verb", [verb for verb in VERBS if verb not in ("status", "check")])
@pytest.mark.parametrize("where", ADDRESSES)
@pytest.mark.parametrize("flags", [(), ("--provider=none",)])
def test_a_workspace_that_says_where_keys_go_is_refused(  # noqa: PLR0913, PLR0917 - three tables and what they are held against
    where: str,
    verb: str,
    flags: tuple[str, ...],
    workspace: Path,
    stranger: socket.socket,
    mark: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A base URL in the workspace's own file, obeyed or not: 78, nothing connected, and no key is shown."""
    monkeypatch.setenv("OPENAI_API_KEY", "sk-canary")
    put_all(workspace)
    write_settings(workspace, ADDRESSES[where].format(address_of(stranger)))
    before = files(workspace)
    said = say(capsys, verb, workspace, *(flags if verb in ("pass", "run", "plan") else ()))
    refused(said, workspace, before, mark)
    assert f"names where keys go (provider.base_url = '{address_of(stranger)}')" in said.err
    assert "sk-canary" not in said.err
    with pytest.raises(BlockingIOError):
        stranger.accept()


@pytest.mark.parametrize("verb", ["status", "check"])
def test_where_things_stand_connects_nowhere(
    verb: str, workspace: Path, stranger: socket.socket, capsys: pytest.CaptureFixture[str]
) -> None:
    """`status` and `check` answer whatever the base URL, and ask nobody."""
    put_all(workspace)
    write_settings(workspace, ADDRESSES["with-a-provider"].format(address_of(stranger)))
    assert say(capsys, verb, workspace).code == 0
    with pytest.raises(BlockingIOError):
        stranger.accept()


def test_a_base_url_is_trusted_with_its_file(workspace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`reconcile trust` shows the address; it holds until the file changes."""
    write_settings(workspace, ADDRESSES["alone"].format("https://one.example/v1"))
    assert call(capsys, workspace).code == 78
    said = call(capsys, "trust", workspace)
    assert (said.code, said.out) == (0, "trusted  provider.base_url = https://one.example/v1\n")
    assert call(capsys, workspace).code == 0
    (row,) = call(capsys, "trust", workspace, "--json").document["trusted"]
    assert row == {
        "setting": "provider.base_url",
        "name": "https://one.example/v1",
        "path": "",
        "sha256": "",
    }

    write_settings(workspace, ADDRESSES["alone"].format("https://two.example/v1"))
    said = call(capsys, workspace)
    assert said.code == 78
    assert "has changed since it was trusted; it names where keys go" in said.err


def test_code_and_a_base_url_are_told_together(
    workspace: Path, code: Path, mark: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Of a workspace that names both, both are told, and one word trusts both."""
    text = NAMING["processor"].format(code.name) + ADDRESSES["alone"].format("https://one.example/v1")
    write_settings(workspace, text)
    said = call(capsys, workspace)
    assert said.code == 78
    assert (
        "names code (output.processor = 'hooks.py:handle') and where keys go (provider.base_url = "
        in said.err
    )
    assert "look at that code and at reconciler.toml" in said.err

    assert len(call(capsys, "trust", workspace).out.splitlines()) == 2
    assert call(capsys, workspace).code == 0
    write_code(code, mark, "other")
    assert call(capsys, workspace).code == 78


def test_an_empty_base_url_names_nothing(workspace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The default needs no trust, even where it is written out."""
    write_settings(workspace, ADDRESSES["alone"].format(""))
    assert call(capsys, workspace).code == 0
    assert "there is nothing to trust" in call(capsys, "trust", workspace).err


def test_a_base_url_of_the_person_needs_no_trust(
    workspace: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """What the user's own file or the environment says was said by the user."""
    own = Path(os.environ["XDG_CONFIG_HOME"]) / "reconciler"
    own.mkdir(parents=True)
    (own / "config.toml").write_text(ADDRESSES["alone"].format("https://one.example/v1"), "utf-8")
    assert call(capsys, workspace).code == 0
    monkeypatch.setenv("RECONCILER_PROVIDER_BASE_URL", "https://two.example/v1")
    assert call(capsys, workspace).code == 0
