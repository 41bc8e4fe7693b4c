"""
The page for those who come from another tool: every block runs, and the tables say what the blocks run.

The provider is the fake, found by the variables that any client reads; what a block waits for is a second.
"""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
from pathlib import Path
from typing import Any, Final

import pytest

from reconciler import Workspace
from reconciler.testing import FakeProvider
from reconciler.testing.fates import Fate, Outcome
from tests.authoring.documents import pdf
from tests.cli.calling import ROOT, call

PAGE: Final = (ROOT / "docs" / "coming-from.md").read_text("utf-8")
SECTIONS: Final = {part.partition("\n")[0]: part for part in PAGE.split("\n## ")[1:]}
PYTHON: Final = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
SHELL: Final = re.compile(r"^    (\S.*)$", re.MULTILINE)
ROW: Final = re.compile(r"^\| (.*?) \| (.*) \|$", re.MULTILINE)
CODE: Final = re.compile(r"(?<!`)`([^`]+)`")
OFFLINE: Final = {
    "RECONCILER_PROVIDER_POLL_SECONDS": "1",
    "RECONCILER_PROVIDER_PER_BATCH_DELAY": "0",
    "RECONCILER_POLICY_SETTLE_SECONDS": "0",
}
POEM: Final = '{"title": "Rain", "poem": "It rains."}'


@pytest.fixture
def here(fake_provider: FakeProvider, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with what the page speaks of, and a provider that answers at once."""
    for name in ("openai", "anthropic"):
        monkeypatch.setenv(f"{name.upper()}_API_KEY", fake_provider.key)
        monkeypatch.setenv(f"{name.upper()}_BASE_URL", fake_provider.url(name))
    for name, value in OFFLINE.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path)
    fake_provider.default(Fate(polls=0))
    (tmp_path / "invoices").mkdir()
    for n in (1, 2):
        said = f"Invoice number: {n}\nTotal amount: {n}50.25\nVendor: Firm {n}"
        pdf(tmp_path / "invoices" / f"{n}.pdf", "A cover.", said)
    lines = "".join(json.dumps(_line(n)) + "\n" for n in range(10))
    for name in ("pairs.jsonl", "requests.jsonl", "batch_workspace/workdir/batch_input_1.jsonl"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(lines)
    return tmp_path


def _line(n: int) -> dict[str, Any]:
    body = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": f'{{"n": {n}}}'}]}
    return {"custom_id": f"r-{n}", "method": "POST", "url": "/v1/chat/completions", "body": body}


def _shell(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Every command of a part of the page, each of which has to end well."""
    for line in SHELL.findall(re.sub(PYTHON, "", text)):
        words = shlex.split(line)
        if words[0] == "reconcile":
            said = call(capsys, *words[1:])
            assert said.code == 0, (line, said)
        else:
            subprocess.run(words, check=True, timeout=10)


def _python(section: str) -> dict[str, Any]:
    """Every Python block of a section, one after the other."""
    space: dict[str, Any] = {"__name__": section}
    for block in PYTHON.findall(SECTIONS[section]):
        exec(compile(block, f"docs/coming-from.md: {section}", "exec"), space)  # noqa: S102 - our own page
    return space


def test_batchata(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Typed invoices, each vendor with its page, and a conversation; another process sees the same."""
    space = _python("batchata")
    told = capsys.readouterr().out.splitlines()
    assert told[0] == "3 new requests"
    assert [line.split(" ")[:5] for line in told[1:3]] == [
        ["Firm", f"{n}", "on", "page", "2"] for n in (1, 2)
    ]
    assert told[-2:] == ["3 of 3", "True 3"]
    assert len(list((here / "work" / "target" / "answers").glob("*.json"))) == 3
    assert space["run"].results()[0].value.total_amount == 150.25


def test_pairwisellm(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Eight batches become one table and a registry; what that names is taken over, and settles unpaid."""
    section = SECTIONS["pairwiseLLM"]
    first, second = section.split("Batches that it has sent already")
    _shell(first, capsys)
    (here / "multi_batch_run").mkdir()
    shutil.copy(here / "pairs" / "target" / "jobs_registry.csv", here / "multi_batch_run")
    assert len((here / "pairs.csv").read_text().splitlines()) == 11
    _shell(second, capsys)
    taken = list(Workspace.open("./taken").results())
    assert sorted(row.text or "" for row in taken) == sorted(f'{{"n": {n}}}' for n in range(10))


def test_the_rust_crates(here: Path, fake_provider: FakeProvider, capsys: pytest.CaptureFixture[str]) -> None:
    """A workspace of theirs settles where it stands, with JSON for values."""
    _shell(SECTIONS["The Rust batch-mode crates"], capsys)
    assert len(fake_provider.calls.of("create")) == 1
    rows = list(Workspace.open(here / "batch_workspace").results())
    assert [row.value for row in rows] == [{"n": n} for n in range(10)]


def test_curator(here: Path, fake_provider: FakeProvider) -> None:
    """Typed poems, and a table of them."""
    fake_provider.default(Fate(polls=0, default=Outcome(text=POEM)))
    space = _python("curator")
    assert space["poems"] == [json.loads(POEM)] * 2
    assert len((here / "poems.csv").read_text().splitlines()) == 3


def test_a_script(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """From a file of requests to a table, in one command each."""
    _shell(SECTIONS["A script of your own"], capsys)
    assert len((here / "answers.csv").read_text().splitlines()) == 11


@pytest.mark.parametrize("section", list(SECTIONS))
def test_the_right_side_of_a_table_is_what_runs(section: str) -> None:
    """
    Code of a row stands in a block of its section, or is documented on another page.

    A row without code says in words that there is nothing to do.
    """
    blocks = "\n".join([*PYTHON.findall(SECTIONS[section]), *SHELL.findall(SECTIONS[section])])
    blocks = re.sub(r"\s+", " ", blocks)
    rows = [row for row in ROW.findall(SECTIONS[section]) if "---" not in row[0] and row[1] != "here"]
    assert len(rows) > 5
    for _, ours in rows:
        first, *_ = CODE.findall(ours) or [""]
        ran = re.sub(r"\s+", " ", first).split("...")[0].rstrip("(, ")
        assert not first or ran in blocks or _is_known(first), ours


def _is_known(code: str) -> bool:
    """Whether a setting, an option or a name is documented on another page, or is a variable."""
    if re.fullmatch(r"[A-Z_]+", code):
        return code in (ROOT / "README.md").read_text("utf-8")
    word = code.partition("(")[0].split(" = ")[0].strip("[]`").replace("] ", ".").split(".")[-1]
    pages = "".join(
        path.read_text("utf-8")
        for path in sorted((ROOT / "docs").glob("*.md"))
        if path.name != "coming-from.md"
    )
    return bool(word) and word in pages


def test_the_page_leads_somewhere() -> None:
    """Every page and heading that it links is there."""
    for target in re.findall(r"\]\(([^)]+)\)", PAGE):
        path, _, heading = target.partition("#")
        text = (ROOT / "docs" / path).read_text("utf-8") if path else PAGE
        names = [
            re.sub(r"[^a-z0-9 -]", "", each.lower()).replace(" ", "-")
            for each in re.findall(r"^#+ (.*)$", text, re.MULTILINE)
        ]
        assert not heading or heading in names, target
