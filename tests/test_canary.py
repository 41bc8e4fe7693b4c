"""
A key that can be told from all others is nowhere but in the headers of calls to its own provider.

Not in the workspace, not in a log, a report, a traceback or the arguments of a process, whatever a server
says or repeats; and no other address sees a call at all.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import attrs
import pytest

from reconciler import engine
from reconciler.cli import render
from reconciler.model.report import Report
from reconciler.session import Workers
from reconciler.testing import FakeProvider, Fate
from reconciler.testing.fates import LineError, refused
from reconciler.testing.faults import Cut, Fault, Reply, ReplyDropped, Reset
from tests.cli.calling import call, spawn
from tests.five import SIX, client_of, lines_of, online, quick
from tests.online import Online, put_input
from tests.providers.calling import serving
from tests.providers.loopback import reply
from tests.workspaces import answered, live, put, request

CANARY: Final = "sk-canary-6f1de2a9c0b84753"
PIECE: Final = CANARY[3:19]
"""A part of it gives it away, too."""

VARIABLES: Final = {
    "openai": ("OPENAI_API_KEY", "OPENAI_BASE_URL"),
    "azure": ("AZURE_OPENAI_API_KEY", "AZURE_OPENAI_ENDPOINT"),
    "anthropic": ("ANTHROPIC_API_KEY", "ANTHROPIC_BASE_URL"),
    "gemini": ("GEMINI_API_KEY", "GEMINI_BASE_URL"),
    "mistral": ("MISTRAL_API_KEY", "MISTRAL_BASE_URL"),
    "openrouter": ("OPENROUTER_API_KEY", "OPENROUTER_BASE_URL"),
}
ECHO: Final = (
    f'{{"error": {{"message": "bad key {CANARY}", "code": "{CANARY}", "type": "{CANARY}"}}}}'.encode()
)
PAGE: Final = f"<html><title>{CANARY}</title>{CANARY}</html>".encode()
FAULTS: Final[dict[str, Fault | None]] = {
    "none": None,
    "400-that-repeats-it": Reply(400, ECHO),
    "401-that-repeats-it": Reply(401, ECHO),
    "403-that-repeats-it": Reply(403, ECHO),
    "404-that-repeats-it": Reply(404, ECHO),
    "429-that-repeats-it": Reply(429, ECHO),
    "500-that-repeats-it": Reply(500, ECHO),
    "page-that-repeats-it": Reply(200, PAGE, "text/html"),
    "redirect-that-repeats-it": Reply(302, headers={"location": f"https://{CANARY}.example/{CANARY}?key={CANARY}"}),
    "reset": Reset(),
    "reply-lost": ReplyDropped(),
    "cut": Cut(30, "length"),
}  # fmt: skip
KINDS: Final = ("upload", "create", "get", "list", "download")


@pytest.fixture
def fake(fake_provider: FakeProvider) -> FakeProvider:
    """A fake provider that takes the canary."""
    fake_provider.clock.advance(60)
    fake_provider.world.accounts[CANARY] = "one"
    return fake_provider


def everything_in(root: Path) -> Iterator[tuple[str, bytes]]:
    """Every name and every byte of a folder."""
    for path in sorted(root.rglob("*")):
        yield str(path), path.read_bytes() if path.is_file() else b""


def nowhere_in(root: Path, *said: object) -> bool:
    """Whether the key is neither in a folder nor in what was said."""
    files = all(PIECE not in name and PIECE.encode() not in data for name, data in everything_in(root))
    return files and all(PIECE not in (each if isinstance(each, str) else repr(each)) for each in said)


def only_here(fake: FakeProvider, name: str) -> bool:
    """Whether the key came with calls to its own provider, in a header, and to nobody else."""
    saw = fake.calls.saw(CANARY)
    return bool(saw) and all(
        call.dialect == name and not any(where.startswith("?") for where in call.keys) for call in saw
    )


def told(report: Report) -> str:
    """All that a report says, for machines."""
    return repr(render.report_fields(report)) + repr(report)


@pytest.mark.parametrize("name", SIX)
@pytest.mark.parametrize("fault", FAULTS)
def test_no_pass_writes_or_tells_it(tmp_path: Path, fake: FakeProvider, name: str, fault: str) -> None:
    """Whatever goes wrong, and whatever a server repeats: not in a file, a report, an exchange or a repr."""
    asked = online(tmp_path / "ws", fake, name)
    asked.client = client_of(name, fake, CANARY)
    reports, happening = [], FAULTS[fault]
    with quick(fake, max_retries=1) as http:
        heard: list[object] = []
        http.heard = heard.append
        asked.wire = lambda: http
        for kind in KINDS:
            if happening is not None:
                fake.fault(kind, happening, times=2)
            for _ in range(3):
                reports.append(told(asked.run()))
                fake.clock.advance(60)
            fake.faults.clear()

    assert only_here(fake, name)
    assert nowhere_in(tmp_path, *reports, heard, asked.client, http)


@pytest.mark.parametrize("name", [each for each in SIX if each != "anthropic"])
def test_no_finding_of_a_provider_tells_it(tmp_path: Path, fake: FakeProvider, name: str) -> None:
    """A provider that puts the key into its findings is shown without it."""
    fake.script(refused(LineError(CANARY, f"the key {CANARY} may not", 2)))
    asked = online(tmp_path / "ws", fake, name)
    asked.client = client_of(name, fake, CANARY)
    report = asked.wait()

    assert nowhere_in(tmp_path, told(report))


@pytest.mark.parametrize("name", SIX)
def test_the_command_line_never_shows_it(
    tmp_path: Path,
    fake: FakeProvider,
    name: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Not with `-v`, not with `--debug`, not as JSON, not in `logs/`, not by any verb."""
    root = tmp_path / "ws"
    put_input(root, lines_of(name))
    key, base = VARIABLES[name]
    for variable, value in environment_of(fake, name, key, base).items():
        monkeypatch.setenv(variable, value)
    words = ("--provider", name, "--debug", "--per-batch-delay", "0.001", "--max-retries", "0")
    fake.default(Fate(polls=0))
    said = []
    for kind, fault in (("create", Reply(400, ECHO)), ("get", Reply(401, ECHO)), ("download", Reset())):
        fake.fault(kind, fault, times=1)  # type: ignore[arg-type]
        said += [call(capsys, root, *words, "-v"), call(capsys, "status", root, "--json")]
        said += [call(capsys, root, *words, "--json"), call(capsys, "plan", root, "--provider", name)]
        fake.faults.clear()
    said.append(call(capsys, "check", root))

    assert nowhere_in(tmp_path, *[each.out + each.err for each in said])
    assert only_here(fake, name)


def environment_of(fake: FakeProvider, name: str, key: str, base: str) -> dict[str, str]:
    """The environment of a command."""
    variables = {
        key: CANARY,
        base: fake.url(name),
        "RECONCILER_POLICY_SETTLE_SECONDS": "0",
        "RECONCILER_USER_CONFIG": "",
    }
    if name in ("gemini", "mistral"):
        variables["RECONCILER_PROVIDER_MODEL"] = "gemini-flash"
    return variables


def test_a_process_of_its_own_never_shows_it(tmp_path: Path, fake: FakeProvider) -> None:
    """From the environment to the header: streams, logs and files of a whole run are without it."""
    root = tmp_path / "ws"
    put_input(root, lines_of("openai"))
    fake.default(Fate(polls=0))
    variables = environment_of(fake, "openai", *VARIABLES["openai"])
    words = (
        root,
        "--provider",
        "openai",
        "--debug",
        "-v",
        "--per-batch-delay",
        "0.001",
        "--max-retries",
        "0",
    )
    fake.fault("get", Reply(200, PAGE, "text/html"), times=1)
    said = [spawn(*words, cwd=None, **variables) for _ in range(3)]

    assert said[-1].code == 0
    assert nowhere_in(tmp_path, *[each.out + each.err for each in said])
    assert only_here(fake, "openai")


def test_no_worker_process_is_given_it(tmp_path: Path, fake: FakeProvider) -> None:
    """Workers that settle batches beside those at a provider do not have it in their arguments."""
    root, log = tmp_path / "ws", tmp_path / "arguments"
    put_input(root, lines_of("openai"), "online")
    for number in range(60):
        put(root, f"here{number}", input=[request(number)], output=[answered(number)])
    asked = Online(root, fake, client_of("openai", fake, CANARY))
    noting = f"open({str(log)!r}, 'ab').write(open('/proc/self/cmdline', 'rb').read()); "
    boot = noting + Workers().boot
    options = attrs.evolve(asked.options, workers=Workers(worth=0, boot=f"import sys; {boot}"))
    engine.reconcile(str(root), asked.settings(jobs=2), options)

    assert b"reconciler.hand" in log.read_bytes()
    assert only_here(fake, "openai")
    assert nowhere_in(tmp_path)


@pytest.mark.parametrize("name", SIX)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_no_redirect_is_followed(
    tmp_path: Path, fake: FakeProvider, name: str, kind: str, status: int
) -> None:
    """Neither to another address nor to another path of the same one: nobody there sees a call."""
    asked = online(tmp_path / "ws", fake, name)
    asked.client = client_of(name, fake, CANARY)
    with serving(reply()) as trap, quick(fake, max_retries=0) as http:
        asked.wire = lambda: http
        if kind == "list":
            fake.fault("create", ReplyDropped(), times=1)
        for where in (f"{trap.url}/take", f"{fake.url()}/elsewhere", f"//127.0.0.1:{trap.port}/take"):
            fake.fault(kind, Reply(status, headers={"location": where}), times=1)  # type: ignore[arg-type]
            asked.run()
            fake.clock.advance(60)

        assert trap.seen == []
    assert fake.calls.of("other") == ()
    assert nowhere_in(tmp_path)


def test_results_elsewhere_are_not_fetched(tmp_path: Path, fake: FakeProvider) -> None:
    """A results URL of another origin is a person's matter: its host is told, and sees nothing."""
    asked = online(tmp_path / "ws", fake, "anthropic")
    asked.client = client_of("anthropic", fake, CANARY)
    with serving(reply()) as trap:
        fake.script(Fate(results_origin=trap.url))
        report = asked.wait(timeout=86_400)

        assert trap.seen == []
    assert report.exit_code == 3
    assert asked.creates() == 1
    assert nowhere_in(tmp_path, told(report))


def test_an_upload_elsewhere_is_not_sent(tmp_path: Path, fake: FakeProvider) -> None:
    """An upload URL of another origin gets neither the key nor a byte of the input."""
    asked = online(tmp_path / "ws", fake, "gemini")
    asked.client = client_of("gemini", fake, CANARY)
    with serving(reply()) as trap:
        away = Reply(
            200, b"{}", headers={"x-goog-upload-url": f"{trap.url}/upload", "x-goog-upload-status": "active"}
        )
        fake.fault("upload_start", away, times=1)
        report = asked.run()

        assert trap.seen == []
    assert report.exit_code != 0
    assert asked.wait().exit_code == 0
    assert asked.creates() == 1
    assert nowhere_in(tmp_path, told(report))


def test_the_canary_would_be_found(tmp_path: Path, fake: FakeProvider) -> None:
    """The search finds the key where it is."""
    online(tmp_path / "ws", fake, "openai")
    assert nowhere_in(tmp_path, "nothing")
    assert not nowhere_in(tmp_path, f"Bearer {CANARY}")
    (live(tmp_path / "ws") / "notes.txt").write_text(CANARY)
    assert not nowhere_in(tmp_path)
