"""
A workspace may name code only once its user has said so, and only the code that was looked at.

The code of these tests leaves a mark when it is imported; where it is refused, there must be none.
"""

import json
import os
import shutil
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import pytest

from tests.cli.calling import ROOT, Said, call, put_held, put_settled, python, spawn
from tests.workspaces import answered, failed, files, put, request, results

CODE: Final = """
from pathlib import Path

Path({mark!r}).write_text("imported", "utf-8")

def handle(result):
    return {value!r}

def judge(result):
    return None

def shorten(request):
    return {{**request, "body": {{**request["body"], "max_tokens": 9}}}}

def work(request):
    message = {{"role": "assistant", "content": {value!r}}}
    return {{"choices": [{{"index": 0, "message": message, "finish_reason": "stop"}}]}}

THING = 7
"""


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


def write_code(path: Path, mark: Path, value: str = "mine") -> None:
    """A file of code that leaves *mark*, and whose functions give *value*."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(CODE.format(mark=str(mark), value=value), "utf-8")


def write_settings(workspace: Path, text: str) -> None:
    """The settings file of a workspace."""
    (workspace / "reconciler.toml").write_text(text, "utf-8")


def put_all(workspace: Path) -> None:
    """A batch to be processed, with a failure, and one to be answered, however young it is."""
    put(workspace, "1", input=[request(0), request(1)], output=[answered(0)], error=[failed(1)])
    put(workspace, "2", input=[request(2)])
    os.utime(workspace / "workdir/batch_input_2.jsonl", (1, 1))


NAMING: Final = {
    "processor": '[output]\nprocessor = "{}:handle"\n',
    "error-processor": '[output]\nerror_processor = "{}:judge"\n',
    "worker": '[local]\nworker = "{}:work"\n',
    "transform": '[policy.classes]\ninvalid-request = "{}:shorten"\n',
    "batch-transform": '[[batch]]\nmatch = "[xy]"\nclasses.billing = "{}:shorten"\n',
    "batch-processor": '[[batch]]\nmatch = "nothing-here"\nprocessor = "{}:handle"\n',
    "batch-error-processor": '[[batch]]\nmatch = "[xy]"\nerror_processor = "{}:judge"\n',
    "batch-worker": '[[batch]]\nmatch = "*"\nworker = "{}:work"\n',
    "overruled-by-a-later-table": (
        '[[batch]]\nmatch = "1"\nprocessor = "{}:handle"\n[[batch]]\nmatch = "*"\nprocessor = "results"\n'
    ),
}
VERBS: Final = {
    "pass": (),
    "run": ("run",),
    "plan": ("plan",),
    "status": ("status",),
    "check": ("check",),
    "retry": ("retry", "1"),
    "dismiss": ("dismiss", "1"),
    "process": ("process", "1"),
}
FLAGS: Final = (
    "--output-processor=results",
    "--error-processor=summary",
    "--worker=echo",
    "--provider=none",
)


def say(capsys: pytest.CaptureFixture[str], verb: str, workspace: Path, *flags: str) -> Said:
    """Call a verb."""
    first, *names = VERBS[verb] or ("run",)
    return call(capsys, first, workspace, *names, *flags)


def refused(said: Said, workspace: Path, before: dict[str, bytes], mark: Path) -> None:
    """Refused with 78 and the way out; nothing was imported and nothing touched."""
    assert (said.code, said.out) == (78, "")
    assert f"reconcile trust {workspace}" in said.err
    assert not mark.exists()
    assert files(workspace) == before


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


def trusted(
    workspace: Path, code: Path, capsys: pytest.CaptureFixture[str], where: str = "processor"
) -> Said:
    """Trust a workspace that names code."""
    write_settings(workspace, NAMING[where].format(code.name))
    said = call(capsys, "trust", workspace)
    assert said.code == 0
    return said


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


# What ends it


def settings_changed(workspace: Path, _mark: Path) -> Path:
    """A comment more in the settings file."""
    with (workspace / "reconciler.toml").open("a", encoding="utf-8") as stream:
        stream.write("# more\n")
    return workspace


def code_changed(workspace: Path, mark: Path) -> Path:
    """Other code under the same name."""
    write_code(workspace / "hooks.py", mark, "other")
    return workspace


def moved(workspace: Path, _mark: Path) -> Path:
    """The same folder under another name."""
    return workspace.rename(workspace.with_name("moved"))


def copied(workspace: Path, _mark: Path) -> Path:
    """A copy."""
    return Path(shutil.copytree(workspace, workspace.with_name("copied")))


def replaced(workspace: Path, mark: Path) -> Path:
    """A link to another file in place of the code."""
    write_code(workspace.parent / "elsewhere.py", mark, "other")
    (workspace / "hooks.py").unlink()
    (workspace / "hooks.py").symlink_to(workspace.parent / "elsewhere.py")
    return workspace


def gone(workspace: Path, _mark: Path) -> Path:
    """No code any more."""
    (workspace / "hooks.py").unlink()
    return workspace


@pytest.mark.parametrize("change", [settings_changed, code_changed, moved, copied, replaced])
def test_any_change_ends_trust(
    change: Callable[[Path, Path], Path],
    workspace: Path,
    code: Path,
    mark: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Another path, another settings file or other code is refused until it is trusted anew."""
    put_all(workspace)
    trusted(workspace, code, capsys)
    workspace = change(workspace, mark)
    before = files(workspace)
    refused(call(capsys, workspace), workspace, before, mark)
    assert call(capsys, "trust", workspace).code == 0
    assert call(capsys, "plan", workspace).code == 0


def test_code_that_is_gone_is_named(
    workspace: Path, code: Path, mark: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """78, and which file is not there; trust is refused for it too."""
    trusted(workspace, code, capsys)
    gone(workspace, mark)
    for words in (("trust", workspace), (workspace,)):
        said = call(capsys, *words)
        assert said.code == 78
        assert f"there is no such file ({code})" in said.err


def test_trust_of_one_workspace_is_none_of_another(
    workspace: Path, code: Path, mark: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Several are remembered side by side, each for itself."""
    trusted(workspace, code, capsys)
    other = copied(workspace, mark)
    assert call(capsys, other).code == 78
    assert call(capsys, "trust", other).code == 0
    assert [call(capsys, each).code for each in (workspace, other)] == [0, 0]


@pytest.mark.parametrize("by_link", ["trust", "run"])
def test_a_linked_path_is_the_same_workspace(
    by_link: str, workspace: Path, code: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Trust holds for the real path, whichever way one came to it."""
    link = workspace.with_name("link")
    link.symlink_to(workspace)
    write_settings(workspace, NAMING["processor"].format(code.name))
    assert call(capsys, "trust", link if by_link == "trust" else workspace).code == 0
    assert call(capsys, link if by_link == "run" else workspace).code == 0


# Code that needs no trust


def user_settings(text: str) -> Path:
    """The person's own settings file."""
    path = Path(os.environ["XDG_CONFIG_HOME"]) / "reconciler" / "config.toml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, "utf-8")
    return path


@pytest.mark.parametrize("level", ["user", "environment", "flag"])
def test_the_persons_own_word_needs_no_trust(  # noqa: PLR0913, PLR0917 - two tables and what they are held against
    level: str,
    workspace: Path,
    tmp_path: Path,
    mark: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Code that the user's file, the environment or a flag names runs as it is."""
    put_settled(workspace)
    path = tmp_path / "own.py"
    write_code(path, mark, "own")
    words: list[str] = []
    if level == "user":
        user_settings(f'[output]\nprocessor = "{path}:handle"\n')
    elif level == "environment":
        monkeypatch.setenv("RECONCILER_OUTPUT_PROCESSOR", f"{path}:handle")
    else:
        words = ["--output-processor", f"{path}:handle"]
    assert call(capsys, workspace, *words).code == 0
    assert results(workspace, "1")[0]["value"] == "own"


def test_a_relative_path_of_a_flag_begins_where_the_person_is(
    workspace: Path,
    tmp_path: Path,
    mark: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """And one of the workspace's own file begins at the workspace."""
    here = tmp_path / "here"
    write_code(here / "hooks.py", mark, "here")
    write_code(workspace / "hooks.py", mark, "workspace")
    monkeypatch.chdir(here)
    put_settled(workspace, "1")
    assert call(capsys, workspace, "--output-processor", "hooks.py:handle").code == 0
    write_settings(workspace, NAMING["processor"].format("hooks.py"))
    assert call(capsys, "trust", workspace).code == 0
    put_settled(workspace, "2")
    assert call(capsys, workspace).code == 0
    assert [results(workspace, name)[0]["value"] for name in ("1", "2")] == ["here", "workspace"]


def test_no_compiled_copy_is_left(workspace: Path, code: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A `.py` file leaves no `__pycache__` beside it, whose content nobody would have looked at."""
    put_settled(workspace)
    trusted(workspace, code, capsys)
    assert spawn(workspace, PYTHONDONTWRITEBYTECODE=None, PYTHONPYCACHEPREFIX=None).code == 0
    assert results(workspace, "1")[0]["value"] == "mine"
    assert list(workspace.rglob("__pycache__")) == []


# Modules and entry points


@pytest.fixture
def library(tmp_path: Path, mark: Path) -> Path:
    """A folder on PYTHONPATH, with a module and a package that registers it."""
    folder = tmp_path / "library"
    write_code(folder / "acme_hooks.py", mark, "acme")
    info = folder / "acme-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: acme\nVersion: 1.0\n", "utf-8")
    (info / "entry_points.txt").write_text(
        "[reconciler.output_processors]\nacme = acme_hooks:handle\n"
        "[reconciler.error_processors]\nacme-judge = acme_hooks:judge\n"
        "[reconciler.workers]\nacme-work = acme_hooks:work\n",
        "utf-8",
    )
    return folder


def spawn_with(library: Path, *words: str | Path) -> Said:
    """Run the command line where *library* is installed."""
    return spawn(*words, PYTHONPATH=f"{ROOT}:{library}")


@pytest.mark.parametrize("name", ["acme_hooks:handle", "acme"])
def test_installed_code_is_found_by_module_and_by_entry_point(
    name: str, workspace: Path, library: Path
) -> None:
    """`module:function` of an installed module, or the name that its package registers."""
    put_settled(workspace)
    said = spawn_with(library, workspace, "--output-processor", name)
    assert (said.code, said.err) == (0, "")
    assert results(workspace, "1")[0]["value"] == "acme"


def test_every_setting_has_its_entry_points(workspace: Path, library: Path) -> None:
    """Workers and error processors register under groups of their own."""
    put_all(workspace)
    flags = ("--error-processor", "acme-judge", "--worker", "acme-work", "--provider", "local")
    said = spawn_with(library, workspace, *flags)
    assert (said.code, said.err) == (0, "")
    assert results(workspace, "2")[0]["text"] == "acme"


def test_entry_points_named_by_a_workspace_need_trust(workspace: Path, library: Path, mark: Path) -> None:
    """A short name is code like any other; a new version of the package ends trust."""
    put_settled(workspace)
    write_settings(workspace, '[output]\nprocessor = "acme"\n')
    assert spawn_with(library, workspace).code == 78
    assert spawn_with(library, "trust", workspace).code == 0
    assert not mark.exists()
    assert spawn_with(library, workspace).code == 0
    write_code(library / "acme_hooks.py", mark, "new")
    assert spawn_with(library, workspace).code == 78


def test_an_entry_point_that_nobody_registers_is_refused(workspace: Path, library: Path) -> None:
    """78, with the names that are registered for that setting and no others."""
    said = spawn_with(library, workspace, "--output-processor", "acmee")
    assert said.code == 78
    assert "neither built in nor an entry point" in said.err
    assert "entry points in reconciler.output_processors: acme\n" in said.err


@pytest.mark.parametrize("how", ["flag", "environment", "trusted-file"])
def test_the_current_folder_is_not_searched_for_modules(
    how: str, workspace: Path, tmp_path: Path, mark: Path
) -> None:
    """`python -m reconciler` in a folder full of modules takes none of them."""
    here = tmp_path / "here"
    write_code(here / "lurking.py", mark)
    for name in ("attrs", "msgspec", "tomllib", "click"):
        write_code(here / f"{name}.py", mark)
    put_settled(workspace)
    words = ["--output-processor", "lurking:handle"] if how == "flag" else []
    told = "lurking:handle" if how == "environment" else None
    verb = "run"
    if how == "trusted-file":
        write_settings(workspace, NAMING["processor"].format("lurking"))
        verb = "trust"
    said = spawn(verb, workspace, *words, cwd=here, RECONCILER_OUTPUT_PROCESSOR=told)
    assert said.code == 78
    assert "names the module 'lurking', which is not installed" in said.err
    assert not mark.exists()


SHOWN: Final = """
import sys
from reconciler.cli.main import main
code = main(sys.argv[1:])
print([each for each in sys.path if each.startswith(sys.argv[1])])
sys.exit(code)
"""


def test_no_workspace_gets_onto_the_search_path(
    workspace: Path, code: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A file of code is loaded by itself: its folder is not searched for further modules."""
    put_settled(workspace)
    trusted(workspace, code, capsys)
    said = python(SHOWN, workspace)
    assert (said.code, said.out.splitlines()[-1]) == (0, "[]")


# Code that cannot be loaded


@pytest.mark.parametrize(
    ("text", "words"),
    [
        pytest.param("raise RuntimeError('broken')", "importing it raised RuntimeError: broken", id="raises"),
        pytest.param("def f(:\n", "importing it raised SyntaxError", id="syntax"),
        pytest.param("raise SystemExit(3)", "importing it raised SystemExit: 3", id="exits"),
        pytest.param("import no_such_module_at_all", "ModuleNotFoundError", id="import"),
        pytest.param("x = 1", "has no function handle", id="no-function"),
        pytest.param("handle = 7", "has no function handle", id="no-callable"),
        pytest.param("def handle(): ...", "must take (result), or (batch, context)", id="no-parameter"),
        pytest.param("def handle(a, b, c): ...", "must take (result), or (batch, context)", id="three"),
        pytest.param("\udcff", "SyntaxError", id="no-utf-8"),
    ],
)
def test_code_that_cannot_be_loaded_is_named(
    text: str, words: str, workspace: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """78 with the reason, before anything is done; no traceback of ours."""
    put_settled(workspace)
    path = tmp_path / "broken.py"
    path.write_bytes(text.encode("utf-8", "surrogateescape"))
    before = files(workspace)
    said = call(capsys, workspace, "--output-processor", f"{path}:handle")
    assert (said.code, said.out, files(workspace)) == (78, "", before)
    assert f"output.processor names {path}:handle" in said.err
    assert words in said.err
    assert "Traceback" not in said.err


@pytest.mark.parametrize(
    ("name", "words"),
    [
        pytest.param("nowhere.py:f", "there is no such file", id="no-file"),
        pytest.param("no_such_module:f", "which is not installed", id="no-module"),
        pytest.param("json.no_such:f", "which is not installed", id="no-submodule"),
        pytest.param("sys:exit", "which is not installed", id="built-in-module"),
        pytest.param(":f", "write module:function", id="no-target"),
        pytest.param("module:", "write module:function", id="no-attribute"),
        pytest.param("a name", "neither built in nor an entry point", id="no-entry-point"),
        pytest.param("/:f", "which is not installed", id="root"),
    ],
)
def test_a_name_that_leads_nowhere_is_refused(
    name: str, words: str, workspace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """78, with what is wrong with it."""
    put_held(workspace)
    said = call(capsys, workspace, "--worker", name)
    assert said.code == 78
    assert words in said.err


def test_a_folder_is_no_code(workspace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Even when it is called like a file of code."""
    (workspace / "folder.py").mkdir()
    said = call(capsys, workspace, "--worker", f"{workspace}/folder.py:f")
    assert (said.code, "there is no such file" in said.err) == (78, True)


# The store


def store() -> Path:
    """Where trust is remembered."""
    return Path(os.environ["XDG_CONFIG_HOME"]) / "reconciler" / "trust.json"


def test_without_a_users_file_there_is_no_trust(
    workspace: Path, code: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """RECONCILER_USER_CONFIG="" means no place to remember anything: trust says so, a pass is refused."""
    write_settings(workspace, NAMING["processor"].format(code.name))
    assert call(capsys, "trust", workspace).code == 0
    monkeypatch.setenv("RECONCILER_USER_CONFIG", "")
    said = call(capsys, "trust", workspace)
    assert said.code == 2
    assert "RECONCILER_USER_CONFIG is empty, so there is nowhere to remember whom you trust" in said.err
    assert call(capsys, workspace).code == 78


def test_trust_lies_beside_the_users_own_file(
    workspace: Path,
    code: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Another user's file is another user's trust."""
    mine = tmp_path / "mine" / "settings.toml"
    mine.parent.mkdir()
    mine.touch()
    write_settings(workspace, NAMING["processor"].format(code.name))
    monkeypatch.setenv("RECONCILER_USER_CONFIG", str(mine))
    assert call(capsys, "trust", workspace).code == 0
    assert call(capsys, workspace).code == 0
    assert (mine.with_name("trust.json").is_file(), store().exists()) == (True, False)
    monkeypatch.delenv("RECONCILER_USER_CONFIG")
    assert call(capsys, workspace).code == 78


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"{", id="torn"),
        pytest.param(b"[]", id="list"),
        pytest.param(b"7", id="number"),
        pytest.param(b"{}", id="no-schema"),
        pytest.param(b'{"schema": 1}', id="no-workspaces"),
        pytest.param(b'{"schema": 1, "workspaces": []}', id="list-of-workspaces"),
        pytest.param(b'{"schema": 1, "workspaces": {"/a": 7}}', id="number-for-a-workspace"),
        pytest.param(b'{"schema": 2, "workspaces": {}}', id="newer"),
        pytest.param(b"\xff\xfe", id="no-utf-8"),
    ],
)
@pytest.mark.parametrize("verb", ["run", "trust"])
def test_a_store_that_cannot_be_read_is_named(  # noqa: PLR0913, PLR0917 - two tables and what they are held against
    verb: str, data: bytes, workspace: Path, code: Path, mark: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """78 and the file; it is never read as "nothing is trusted" and never overwritten."""
    write_settings(workspace, NAMING["processor"].format(code.name))
    store().parent.mkdir(parents=True)
    store().write_bytes(data)
    said = call(capsys, verb, workspace)
    assert said.code == 78
    assert str(store()) in said.err
    assert store().read_bytes() == data
    assert not mark.exists()


def test_the_store_says_what_was_looked_at(
    workspace: Path, code: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Real path of the settings file, its digest, and the digest of each file of code."""
    trusted(workspace, code, capsys)
    document = json.loads(store().read_bytes())
    assert list(document["workspaces"]) == [str((workspace / "reconciler.toml").resolve())]
    (entry,) = document["workspaces"].values()
    assert sorted(entry) == ["code", "settings"]
    assert list(entry["code"]) == ["output.processor = hooks.py:handle"]
