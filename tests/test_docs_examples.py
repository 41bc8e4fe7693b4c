"""The examples of docs/library.md print what it says, and the first ones of docs/processors.md work."""

import re
import shutil
from pathlib import Path
from typing import Final

from tests.cli.calling import ROOT, python, spawn
from tests.workspaces import jsonl, request

DOCS: Final = ROOT / "docs"
CODE: Final = re.compile(r"```python\n(.*?)```\n((?:\n+(?:    [^\n]*\n)+)?)", re.DOTALL)
OVER: Final = "-- the next example --"


def _examples(page: str) -> list[tuple[str, list[str]]]:
    """Each example of a page, and the lines that stand below it as what it prints."""
    found = CODE.findall((DOCS / page).read_text("utf-8"))
    return [(code, [line[4:] for line in told.strip("\n").split("\n") if line]) for code, told in found]


def test_the_python_api_as_its_page_shows_it(tmp_path: Path) -> None:
    """One after the other, in an empty folder."""
    examples = _examples("library.md")
    assert len(examples) == 5
    between = f"\nprint({OVER!r})\n"
    code = f"import os, sys\nos.chdir(sys.argv[1])\n{between.join(code for code, _ in examples)}"
    said = python(code, tmp_path)
    assert (said.code, said.err) == (0, "")
    assert [each.strip("\n").split("\n") for each in said.out.split(OVER)] == [told for _, told in examples]


def test_the_first_processors_as_their_page_shows_them(tmp_path: Path) -> None:
    """The second one gets the answers that the first one has settled, by the command that the page gives."""
    shout, table = (code for code, _ in _examples("processors.md")[:2])
    (tmp_path / "shout.py").write_text(shout, "utf-8")
    (tmp_path / "report.py").write_text(table, "utf-8")
    (tmp_path / "requests.jsonl").write_bytes(jsonl([request(n) for n in range(2)]))
    page = (DOCS / "processors.md").read_text("utf-8")
    again = "reconcile replay ./work 1 --output-processor report.py:table"
    assert again in page

    assert spawn("init", "./work", cwd=tmp_path).code == 0
    shutil.copy(tmp_path / "requests.jsonl", tmp_path / "work/workdir/batch_input_1.jsonl")
    assert spawn("./work", "--output-processor", "shout.py:shout", cwd=tmp_path).code == 0
    done = spawn(*again.split()[1:], cwd=tmp_path)
    assert (done.code, done.err) == (0, "")
    assert (tmp_path / "work/target/1.files/table.csv").read_text("utf-8").startswith("id,outcome,text\nq-0,")
