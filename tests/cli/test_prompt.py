"""`reconcile prompt`: prompts in, answers out in every format; mistakes told with file and line; resumed."""

from __future__ import annotations

import asyncio
import csv
import io
import json
import os
import signal
import subprocess
from pathlib import Path
from queue import Queue
from typing import Any

import attrs
import pytest

from reconciler.testing import FakeProvider
from reconciler.testing.exchange import Exchange
from reconciler.testing.faults import Refuse
from reconciler.testing.world import World
from tests.cli.calling import COMMAND, WAIT, Said, call, controls, environment, on_terminal, spawn


@attrs.frozen
class Signalled:
    """
    A live request is answered, and whoever asked gets a signal just before.

    Attributes:
        born: Where the process is told.
        signal: Which signal.
    """

    born: Queue[int]
    signal: int

    async def play(self, exchange: Exchange, world: World) -> None:  # noqa: ARG002 - the protocol's
        """Signal, then answer."""
        os.kill(await asyncio.to_thread(self.born.get), self.signal)
        await exchange.deliver(await exchange.answer())


@pytest.fixture
def lines(tmp_path: Path) -> Path:
    """A file with one prompt a line, and a blank one."""
    path = tmp_path / "prompts.txt"
    path.write_text("first\n\nsecond\nfirst\n", "utf-8")
    return path


def echoed(capsys: pytest.CaptureFixture[str], *words: str | Path) -> Said:
    """`reconcile prompt` that asks nobody."""
    return call(capsys, "prompt", *words, "--worker", "echo")


def piped(stdin: str, *words: str | Path, **changes: str | None) -> Said:
    """The command in a process of its own, with something on stdin."""
    done = subprocess.run(
        [*COMMAND, "prompt", *map(str, words)],
        env=environment(**changes),
        input=stdin.encode(errors="surrogateescape"),
        capture_output=True,
        timeout=WAIT,
        check=False,
    )
    return Said(done.returncode, done.stdout.decode(), done.stderr.decode())


def test_text_is_one_answer_a_line(capsys: pytest.CaptureFixture[str], lines: Path) -> None:
    """Without a format, answers stand on stdout in the order of the prompts; blank lines are no prompts."""
    said = echoed(capsys, lines)
    assert (said.code, said.out) == (0, "first\nsecond\nfirst\n")


def test_json_lines(capsys: pytest.CaptureFixture[str], lines: Path) -> None:
    """One object a prompt, and nothing else on stdout."""
    said = echoed(capsys, lines, "--format", "jsonl")
    found = [json.loads(line) for line in said.out.splitlines()]
    assert [(each["prompt"], each["outcome"], each["text"]) for each in found] == [
        (word, "answered", word) for word in ("first", "second", "first")
    ]


def test_csv_that_a_spreadsheet_does_not_run(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """A header and one row a prompt; quotes survive, and what looks like a formula is made none."""
    path = tmp_path / "p.txt"
    path.write_text('say "a, b"\n=1+1\n', "utf-8")
    rows = list(csv.DictReader(io.StringIO(echoed(capsys, path, "--format", "csv").out)))
    assert rows[0]["text"] == 'say "a, b"'
    assert rows[1]["text"] == "'=1+1"


@pytest.mark.parametrize(
    ("name", "first"),
    [
        ("out.csv", "prompt,"),
        ("out.jsonl", '{"prompt":'),
        ("out.NDJSON", '{"prompt":'),
        ("out.text", "first\n"),
        ("out.txt", "first\n"),
    ],
)
def test_a_file_by_its_name(
    capsys: pytest.CaptureFixture[str], lines: Path, tmp_path: Path, name: str, first: str
) -> None:
    """`-o` writes the file whole in the format of its name, over an older one, and nothing on stdout."""
    where = tmp_path / name
    where.write_text("older\n" * 99, "utf-8")
    said = echoed(capsys, lines, "-o", where)
    assert (said.code, said.out) == (0, "")
    assert str(where) in said.err
    assert first in where.read_text("utf-8").partition("\n")[0] + "\n"
    assert "older" not in where.read_text("utf-8")
    assert sorted(each.name for each in tmp_path.iterdir()) == sorted((name, "prompts.txt"))


@pytest.mark.parametrize("name", ["out.xlsx", "out.parquet", "out", "out.csv.gz", ".csv"])
def test_a_file_whose_name_says_no_format(
    capsys: pytest.CaptureFixture[str], lines: Path, tmp_path: Path, name: str
) -> None:
    """It is refused before anything is asked, with the formats that there are; `--format` decides."""
    where = tmp_path / name
    said = echoed(capsys, lines, "-o", where)
    assert (said.code, said.out, where.exists()) == (2, "", False)
    assert "--format jsonl or csv or text" in said.err
    assert echoed(capsys, lines, "-o", where, "--format", "text").code == 0
    assert where.read_text("utf-8") == "first\nsecond\nfirst\n"


def test_a_file_that_cannot_be_written(
    capsys: pytest.CaptureFixture[str],
    lines: Path,
    tmp_path: Path,
    fake_provider: FakeProvider,
    monkeypatch: Any,
) -> None:
    """A folder that is not there is told before anything is paid for."""
    monkeypatch.setenv("OPENAI_API_KEY", fake_provider.key)
    monkeypatch.setenv("OPENAI_BASE_URL", fake_provider.url("openai"))
    said = call(capsys, "prompt", lines, "--model", "m", "-o", tmp_path / "no" / "out.csv")
    assert (said.code, len(fake_provider.calls.of("live"))) == (2, 0)
    assert "there is no folder" in said.err


def test_a_dash_is_stdout(capsys: pytest.CaptureFixture[str], lines: Path, monkeypatch: Any) -> None:
    """`-o -`, as other tools have it."""
    monkeypatch.chdir(lines.parent)
    assert echoed(capsys, lines, "-o", "-").out == "first\nsecond\nfirst\n"
    assert [each.name for each in lines.parent.iterdir()] == ["prompts.txt"]


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("rows.csv", 'word,n\n"a, b",1\nc,2\n', ["a, b is 1", "c is 2"]),
        ("rows.jsonl", '{"word": "x", "n": 1}\n\n{"word": "y", "n": [2]}\n', ["x is 1", "y is [2]"]),
    ],
)
def test_rows_and_a_template(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, name: str, text: str, expected: list[str]
) -> None:
    """Each row of a table becomes a prompt."""
    path = tmp_path / name
    path.write_text(text, "utf-8")
    assert echoed(capsys, path, "--template", "{word} is {n}").out.splitlines() == expected


@pytest.mark.parametrize(
    ("name", "text", "template", "told"),
    [
        ("rows.csv", "word,n\na,1\n", "{wrod}", "rows.csv:2: no column wrod"),
        ("rows.csv", "word,n\na,1\nb\n", "{n}", "rows.csv:3: no column n"),
        ("rows.csv", 'word\n"a\n', "{word}", "rows.csv:"),
        ("rows.jsonl", '{"word": "a"}\n{"word": \n', "{word}", "rows.jsonl:2: no JSON"),
        ("rows.jsonl", '{"word": "a"}\n[1]\n', "{word}", "rows.jsonl:2: not an object"),
        ("rows.jsonl", '{"word": null}\n', "{word}", "rows.jsonl:1: no column word"),
        ("rows.csv", "word\na\n", "{word", "--template cannot be read"),
        ("rows.csv", "word\na\n", "{}", "rows.csv:2: no column {}"),
        ("rows.csv", "word\na\n", None, "holds rows, and no --template"),
    ],
)
def test_mistakes_in_rows(  # noqa: PLR0913, PLR0917 - a table of five
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    name: str,
    text: str,
    template: str | None,
    told: str,
) -> None:
    """What cannot become a prompt is told with file and line; 2, and nobody was asked anything."""
    path = tmp_path / name
    path.write_text(text, "utf-8")
    said = echoed(capsys, path, *(() if template is None else ("--template", template)))
    assert (said.code, said.out) == (2, "")
    assert told in said.err


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("missing.txt",), "there is no file missing.txt"),
        ((".",), "is not a file"),
        (("prompts.txt", "--concurrency", "0"), "--concurrency"),
        (("prompts.txt", "--rpm", "-1"), "--rpm"),
        (("prompts.txt", "--format", "xml"), "--format"),
        (("prompts.txt", "--service", "olama"), "olama"),
        (("prompts.txt", "--service", "anthropic"), "anthropic takes no prompts"),
        (("prompts.txt", "--service", "gemini"), "gemini takes no prompts"),
    ],
)
def test_mistakes_in_words(
    capsys: pytest.CaptureFixture[str],
    lines: Path,
    monkeypatch: pytest.MonkeyPatch,
    words: tuple[str, ...],
    told: str,
) -> None:
    """A wrong word ends with 2 or 78, and a message that names it."""
    monkeypatch.chdir(lines.parent)
    said = call(capsys, "prompt", *words)
    assert said.code in (2, 78)
    assert said.out == ""
    assert told in said.err


def test_a_file_that_is_no_text(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """Bytes that are no UTF-8 are refused, with the place."""
    path = tmp_path / "latin"
    path.write_bytes(b"caf\xe9\n")
    said = echoed(capsys, path)
    assert said.code == 2
    assert "no text in UTF-8" in said.err


def test_without_a_key(capsys: pytest.CaptureFixture[str], lines: Path, monkeypatch: Any) -> None:
    """77, and which variable is looked for."""
    for name in ("OPENAI_API_KEY", "OPENROUTER_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    said = call(capsys, "prompt", lines, "--model", "m")
    assert (said.code, said.out) == (77, "")
    assert "OPENAI_API_KEY" in said.err


def test_a_key_that_is_refused(
    capsys: pytest.CaptureFixture[str], lines: Path, fake_provider: FakeProvider, monkeypatch: Any
) -> None:
    """77, and the key is not repeated."""
    monkeypatch.setenv("OPENAI_API_KEY", "wrong-key-1")
    monkeypatch.setenv("OPENAI_BASE_URL", fake_provider.url("openai"))
    said = call(capsys, "prompt", lines, "--model", "m", "--service", "openai")
    assert said.code == 77
    assert "wrong-key-1" not in said.out + said.err


def test_a_prompt_that_fails(
    capsys: pytest.CaptureFixture[str], lines: Path, fake_provider: FakeProvider, monkeypatch: Any
) -> None:
    """3: what has an answer is printed, what has none is told in its place, and the end says how many."""
    monkeypatch.setenv("OPENAI_API_KEY", fake_provider.key)
    monkeypatch.setenv("OPENAI_BASE_URL", fake_provider.url("openai"))
    fake_provider.fault("live", Refuse(400, "not so"))
    said = call(capsys, "prompt", lines, "--model", "m", "--concurrency", "1")
    assert said.code == 3
    first, second, third = said.out.splitlines()
    assert first.startswith("(failed: ")
    assert (second, third) == ("second", first)
    assert "2 of 3 prompts failed" in said.err


def test_a_run_that_is_put_off(
    capsys: pytest.CaptureFixture[str], lines: Path, fake_provider: FakeProvider, monkeypatch: Any
) -> None:
    """75: who is asked to come back in hours has not asked everything, and says so; later all is answered."""
    monkeypatch.setenv("OPENAI_API_KEY", fake_provider.key)
    monkeypatch.setenv("OPENAI_BASE_URL", fake_provider.url("openai"))
    fake_provider.fault("live", Refuse(429, "come back later", headers={"retry-after": "7200"}), nth=2)
    command = ("prompt", lines, "--model", "m", "--concurrency", "1")
    said = call(capsys, *command)
    assert said.code == 75
    assert "3 of 3 prompts have no answer yet" in said.err
    said = call(capsys, *command)
    assert (said.code, said.out) == (0, "first\nsecond\nfirst\n")
    assert fake_provider.calls.count("live") == 3


def test_prompts_on_stdin() -> None:
    """Without a file, or with -, stdin is read."""
    assert piped("a\nb\n", "--worker", "echo").out == "a\nb\n"
    assert piped("a\nb\n", "-", "--worker", "echo").out == "a\nb\n"


def test_rows_on_stdin() -> None:
    """What has no name is JSON where it begins with a brace, and CSV elsewhere; errors say `stdin`."""
    template = ("--worker", "echo", "--template", "{word} is {n}")
    assert piped('word,n\n"a, b",1\n', *template).out == "a, b is 1\n"
    assert piped('\n {"word": "x", "n": 2}\n', "-", *template).out == "x is 2\n"
    said = piped("word\na\n", *template)
    assert (said.code, "stdin:2: no column n" in said.err) == (2, True)


def test_stdin_that_is_no_text() -> None:
    """Bytes that are no UTF-8 are refused with the place, whatever the locale; a BOM is no part of it."""
    said = piped("caf\udce9\n", "--worker", "echo", LC_ALL="C")
    assert (said.code, said.out) == (2, "")
    assert "stdin is no text in UTF-8" in said.err
    assert piped("\ufeffa\n", "--worker", "echo").out == "a\n"


def test_no_prompt_at_all(tmp_path: Path) -> None:
    """Nothing in, nothing out: that is no error, and it is said; a file that was named is there, empty."""
    said = piped("\n \n", "--worker", "echo", "-o", tmp_path / "out.csv")
    assert (said.code, said.out) == (0, "")
    assert "there is no prompt on stdin: nothing was asked" in said.err
    assert (tmp_path / "out.csv").read_text("utf-8").startswith("prompt,")


def test_a_closed_pipe(lines: Path) -> None:
    """A reader that goes away ends it quietly; what was asked is kept."""
    with subprocess.Popen(
        [*COMMAND, "prompt", str(lines), "--worker", "echo"],
        env=environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        told = process.stderr.read().decode()
        assert process.wait(WAIT) in (0, 141)
    assert "Traceback" not in told


def test_hostile_text_on_a_terminal(tmp_path: Path) -> None:
    """Escape sequences in an answer are shown, not obeyed."""
    path = tmp_path / "p.txt"
    path.write_text("\x1b[2Jgone \u202eright\n", "utf-8")
    code, seen = on_terminal([*COMMAND, "prompt", path, "--worker", "echo"], NO_COLOR="1")
    assert code == 0
    assert "\\x1b[2Jgone" in seen
    assert "\u202e" not in controls(seen, "\r\n\x1b")


def test_progress_on_a_terminal(tmp_path: Path, fake_provider: FakeProvider) -> None:
    """One line that is written over says how far it is and why it waits; what follows stands on its own."""
    prompts = tmp_path / "p.txt"
    prompts.write_text("one\ntwo\n", "utf-8")
    fake_provider.fault("live", Refuse(503, "nobody is at home"), nth=1)
    fake_provider.fault("live", Refuse(400, "not so"), nth=2)
    changes = {"OPENAI_API_KEY": fake_provider.key, "OPENAI_BASE_URL": fake_provider.url("openai")}
    words = [*COMMAND, "prompt", str(prompts), "--model", "m", "--concurrency", "1"]
    code, seen = on_terminal(words, COLUMNS="200", NO_COLOR="1", **changes)
    assert code == 3
    drawn, _, after = seen.rpartition("\r\x1b[K")
    assert "prompts: 0 of 2 done, 1 under way (1 to be asked again: " in drawn or "1 failed" in drawn
    assert after.splitlines()[0].startswith("(failed: ")
    assert "1 of 2 prompts failed" in after


@pytest.mark.parametrize(("sent", "code"), [(signal.SIGKILL, -9), (signal.SIGINT, 130)])
def test_resumed(tmp_path: Path, fake_provider: FakeProvider, sent: int, code: int) -> None:
    """Killed or interrupted, the same command asks only what has no answer, and prints all of it."""
    born: Queue[int] = Queue()
    prompts, words = tmp_path / "p.txt", [f"p{n}" for n in range(12)]
    prompts.write_text("\n".join(words), "utf-8")
    fake_provider.fault("live", Signalled(born, sent), nth=5)
    command: tuple[str, ...] = ("prompt", str(prompts), "--model", "m", "--concurrency", "1")
    changes = {"OPENAI_API_KEY": fake_provider.key, "OPENAI_BASE_URL": fake_provider.url("openai")}
    with subprocess.Popen(
        [*COMMAND, *command],
        env=environment(**changes),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        born.put(process.pid)
        out, told = process.communicate(timeout=WAIT)
        assert (process.returncode, out, b"Traceback" in told) == (code, b"", False)
    before = len(fake_provider.calls.of("live"))
    said = spawn(
        *command, OPENAI_API_KEY=changes["OPENAI_API_KEY"], OPENAI_BASE_URL=changes["OPENAI_BASE_URL"]
    )
    assert (said.code, said.out.splitlines()) == (0, words)
    assert before < len(words)
    # The one that was under way at a kill may be asked again.
    assert len(fake_provider.calls.of("live")) - len(words) in ((0, 1) if sent == signal.SIGKILL else (0,))
