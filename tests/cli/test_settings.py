"""Settings from end to end: user file, workspace file, environment and flag, each over the one before."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

from tests.cli.calling import COMMAND, WAIT, Said, call, environment, named, put_held, put_settled
from tests.workspace.faults import UNREADABLE, needs_unreadable
from tests.workspaces import failed, files, put, request

LAYERS: Final = ("user", "file", "environment", "flag")
PROVIDERS: Final = {"user": "openai", "file": "anthropic", "environment": "gemini", "flag": "mistral"}
"""Each level names a provider of its own; the report of a held batch says which one was obeyed."""


def user_file() -> Path:
    """The settings file of the person."""
    path = Path(os.environ["XDG_CONFIG_HOME"]) / "reconciler" / "config.toml"
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


def provider(name: str) -> str:
    """A settings file that names a provider."""
    return f'[provider]\nname = "{name}"\n'


def refusal(workspace: Path, text: str | bytes, capsys: pytest.CaptureFixture[str]) -> Said:
    """What a pass says of a workspace file; it has to end with 78 and touch nothing."""
    put_settled(workspace)
    data = text if isinstance(text, bytes) else text.encode()
    (workspace / "reconciler.toml").write_bytes(data)
    before = files(workspace)
    said = call(capsys, workspace)
    assert (said.code, said.out, files(workspace)) == (78, "", before)
    return said


@pytest.mark.parametrize("lower", range(len(LAYERS)))
@pytest.mark.parametrize("upper", range(len(LAYERS)))
def test_the_higher_level_wins(
    lower: int,
    upper: int,
    workspace: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Of two levels that name a provider, the higher one is obeyed; each works alone too."""
    put_held(workspace)
    given = {LAYERS[lower], LAYERS[upper]}
    if "user" in given:
        user_file().write_text(provider(PROVIDERS["user"]), "utf-8")
    if "file" in given:
        (workspace / "reconciler.toml").write_text(provider(PROVIDERS["file"]), "utf-8")
    if "environment" in given:
        monkeypatch.setenv("RECONCILER_PROVIDER_NAME", PROVIDERS["environment"])
    words = ["--provider", PROVIDERS["flag"]] if "flag" in given else []
    expected = PROVIDERS[LAYERS[max(lower, upper)]]

    for verb in ([], ["plan"]):
        rows = call(capsys, *verb, workspace, *words, "--json").document["batches"]
        assert expected in named(rows, "1")["because"]


def test_without_any_level_nothing_is_sent(workspace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The built-in provider is none."""
    put_held(workspace)

    assert "no provider is configured" in call(capsys, workspace).out


def test_the_user_file_is_found_for_status_and_check(
    workspace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Every verb reads the same settings: a bad user file stops each of them, and is named."""
    user_file().write_text("[nope]\n", "utf-8")
    for words in ([workspace], ["plan", workspace], ["status", workspace], ["check", workspace]):
        said = call(capsys, *words)
        assert said.code == 78
        assert f"{user_file()}: unknown section [nope]" in said.err


@pytest.mark.parametrize("leaf", ["mine.toml", "folder/mine.toml", "no-ending"])
def test_the_environment_names_the_user_file(
    leaf: str,
    workspace: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """RECONCILER_USER_CONFIG takes the place of the usual file; the workspace's own still wins."""
    put_held(workspace)
    user_file().write_text("[nope]\n", "utf-8")
    path = tmp_path / "home" / leaf
    path.parent.mkdir(parents=True)
    path.write_text(provider("gemini"), "utf-8")
    monkeypatch.chdir(tmp_path / "home")
    for named_file in (str(path), leaf, f"./{leaf}"):
        monkeypatch.setenv("RECONCILER_USER_CONFIG", named_file)
        assert "gemini" in call(capsys, workspace).out

    (workspace / "reconciler.toml").write_text(provider("mistral"), "utf-8")
    assert "mistral" in call(capsys, workspace).out


def test_an_empty_name_is_no_user_file(
    workspace: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """With RECONCILER_USER_CONFIG empty no user file is read, however bad the usual one is."""
    put_held(workspace)
    user_file().write_text("[nope]\n", "utf-8")
    assert call(capsys, workspace).code == 78

    monkeypatch.setenv("RECONCILER_USER_CONFIG", "")
    said = call(capsys, workspace)
    assert (said.code, "no provider is configured" in said.out) == (3, True)


def test_a_bad_user_file_is_named_as_it_was_given(
    workspace: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A slip in the file of RECONCILER_USER_CONFIG ends every verb with 78 and names that file."""
    (tmp_path / "mine.toml").write_text("[nope]\n", "utf-8")
    monkeypatch.setenv("RECONCILER_USER_CONFIG", str(tmp_path / "mine.toml"))
    for words in ([workspace], ["plan", workspace], ["status", workspace], ["check", workspace]):
        said = call(capsys, *words)
        assert (said.code, f"{tmp_path}/mine.toml: unknown section [nope]" in said.err) == (78, True)


@pytest.mark.parametrize("place", ["{here}/gone.toml", "/{leaf}", "{here}"])
def test_a_user_file_that_is_not_there_is_no_silent_nothing(
    place: str,
    workspace: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """RECONCILER_USER_CONFIG must name a file: 78 and the path, for every verb; one elsewhere is not read."""
    leaf = f"{tmp_path.name}-not-in-the-root.toml"
    (tmp_path / leaf).write_text("[nope]\n", "utf-8")
    monkeypatch.chdir(tmp_path)
    path = place.format(here=tmp_path, leaf=leaf)
    monkeypatch.setenv("RECONCILER_USER_CONFIG", path)
    for words in ([workspace], ["plan", workspace], ["status", workspace], ["check", workspace]):
        said = call(capsys, *words)
        assert said.code == 78
        assert f"error: RECONCILER_USER_CONFIG names {path}, and no file is there\n" in said.err


def test_a_setting_changes_what_is_done(workspace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`failed = "attention"` in the workspace file holds a batch back that would have settled."""
    put(workspace, "1", input=[request(0)], error=[failed(0)])
    (workspace / "reconciler.toml").write_text('[policy]\nfailed = "attention"\n', "utf-8")
    assert call(capsys, workspace).code == 3

    (workspace / "reconciler.toml").unlink()
    assert call(capsys, workspace).code == 0


def test_numbers_come_from_the_environment(
    workspace: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A line longer than RECONCILER_LIMITS_LINE_BYTES is refused; a word instead of a number ends with 78."""
    put(workspace, "1", input=[{**request(0), "pad": "x" * 2000}], output=[b"{}"])
    monkeypatch.setenv("RECONCILER_LIMITS_LINE_BYTES", "1024")
    said = call(capsys, workspace)
    assert (said.code, "batch_input_1.jsonl:1" in said.out) == (3, True)

    monkeypatch.setenv("RECONCILER_LIMITS_LINE_BYTES", "many")
    said = call(capsys, workspace)
    assert (said.code, "RECONCILER_LIMITS_LINE_BYTES" in said.err) == (78, True)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        pytest.param("[policy]\nmax_attemts = 3", "did you mean policy.max_attempts?", id="key"),
        pytest.param("[polcy]\nx = 1", "did you mean policy?", id="section"),
        pytest.param('[provider]\nname = "opnai"', "openai", id="choice"),
        pytest.param("[policy]\nmax_attempts = 0", "at least 1", id="too-small"),
        pytest.param('[policy]\nmax_attempts = "3"', "a whole number", id="string-for-number"),
        pytest.param("[policy]\nmax_attempts = true", "a whole number", id="true-for-number"),
        pytest.param("[policy]\nsettle_seconds = nan", "settle_seconds is nan", id="nan"),
        pytest.param("[policy]\nsettle_seconds = inf", "settle_seconds is inf", id="inf"),
        pytest.param("[policy\n", "line 1", id="syntax"),
        pytest.param('name = "none"', "outside a section", id="outside"),
    ],
)
def test_a_slip_is_named_with_what_was_meant(
    text: str, told: str, workspace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Unknown keys, wrong kinds and bad syntax end with 78, name the file, and help."""
    said = refusal(workspace, text, capsys)

    assert "reconciler.toml" in said.err
    assert told in said.err


@pytest.mark.parametrize(
    "setting",
    [
        '[output]\nprocessor = "evil:run"',
        '[output]\nprocessor = "./evil.py:run"',
        '[output]\nprocessor = "evil"',
        '[output]\nerror_processor = "evil:run"',
        '[output]\ncontent = "evil:run"',
        '[provider]\nname = "evil"',
        '[provider]\nname = "evil:Provider"',
        '[provider]\nbase_url = "http://localhost:1/"',
        '[local]\nworker = "evil:run"',
        '[hooks]\ncommand = "touch evil"',
        '[log]\nlevel = "evil:run"',
    ],
)
def test_code_in_a_workspace_file_is_refused_and_never_run(
    setting: str, workspace: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whatever names code, a command or a URL ends with 78; a module lying in wait is not imported."""
    (workspace / "evil.py").write_text("from pathlib import Path\nPath('ran').touch()\n", "utf-8")
    monkeypatch.chdir(workspace)
    monkeypatch.syspath_prepend(str(workspace))
    refusal(workspace, setting, capsys)

    assert "evil" not in sys.modules
    assert not (workspace / "ran").exists()


@pytest.mark.parametrize(
    "command",
    [
        pytest.param([str(Path(sys.executable).with_name("reconcile"))], id="reconcile"),
        pytest.param(list(COMMAND), id="python-m"),
    ],
)
def test_a_module_in_the_workspace_is_never_imported(command: list[str], workspace: Path) -> None:
    """Files called like modules that a pass needs stay data, even in the current folder."""
    for name in ("structlog", "msgspec", "platformdirs"):
        (workspace / f"{name}.py").write_text("raise SystemExit(99)\n", "utf-8")
    put_settled(workspace)
    done = subprocess.run(
        [*command, "."], cwd=workspace, env=environment(), capture_output=True, timeout=WAIT, check=False
    )

    assert done.returncode == 0


@pytest.mark.parametrize("place", ["user", "file"])
@pytest.mark.parametrize("kind", ["link", "dangling-link", "fifo", "folder", "not-utf-8"])
def test_a_settings_file_that_is_none_is_refused(
    kind: str, place: str, workspace: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A link, a FIFO, a folder and bytes that are no text end with 78 at once, naming the file."""
    path = user_file() if place == "user" else workspace / "reconciler.toml"
    (tmp_path / "elsewhere.toml").write_text(provider("openai"), "utf-8")
    match kind:
        case "link":
            path.symlink_to(tmp_path / "elsewhere.toml")
        case "dangling-link":
            path.symlink_to(tmp_path / "nowhere.toml")
        case "fifo":
            os.mkfifo(path)
        case "folder":
            path.mkdir()
        case _:
            path.write_bytes(b"\xff\xfe[\x00")
    said = call(capsys, workspace)

    assert (said.code, said.out, str(path) in said.err) == (78, "", True)


def test_a_byte_order_mark_is_no_mistake(workspace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """An editor that writes a BOM does not make a settings file invalid."""
    put_held(workspace)
    (workspace / "reconciler.toml").write_bytes(b"\xef\xbb\xbf" + provider("openai").encode())

    assert "openai" in call(capsys, workspace).out


@needs_unreadable
def test_settings_that_cannot_be_read(
    workspace: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """They are never passed over as if there were none: 78 and why, whatever stands there, for every verb."""
    put_held(workspace)
    own = workspace / "reconciler.toml"
    (workspace / "elsewhere.toml").write_text(provider("mistral"), "utf-8")
    own.symlink_to("elsewhere.toml")
    for words in ([workspace], ["plan", workspace], ["status", workspace], ["check", workspace]):
        said = call(capsys, *words)
        assert (said.code, f"error: {own} cannot be read: " in said.err) == (78, True), said.err

    own.unlink()
    monkeypatch.setenv("RECONCILER_USER_CONFIG", str(UNREADABLE))
    for words in ([workspace], ["plan", workspace], ["status", workspace], ["check", workspace]):
        said = call(capsys, *words)
        assert (said.code, "mem cannot be read: Input/output error" in said.err) == (78, True), said.err
