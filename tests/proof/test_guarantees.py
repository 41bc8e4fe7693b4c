"""The page of guarantees speaks of tests that exist, of every promise and of every threat."""

import re
from pathlib import Path

from tests.proof.__main__ import BEGIN, END, PAGE, PROOFS

ROOT = Path(__file__).resolve().parents[2]


def test_what_it_names_exists() -> None:
    """Each test file or folder that it names is there."""
    named = re.findall(r"`(tests/[a-z_/*.]+)`", PAGE.read_text("utf-8"))
    assert len(named) > 30
    assert [each for each in named if not [*ROOT.glob(each.rstrip("/"))]] == []


def test_nothing_is_passed_over() -> None:
    """Eighteen promises and twenty threats have a row each, and only proofs that exist have figures."""
    text = PAGE.read_text("utf-8")
    promises = text.partition("## Promises")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| ([0-9]+) \| [a-z]", promises, re.MULTILINE)
    assert rows[:18] == [str(number) for number in range(1, 19)]
    assert re.findall(r"^\| (T[0-9]+) \|", text, re.MULTILINE) == [f"T{number}" for number in range(1, 21)]
    figures = text.partition(BEGIN)[2].partition(END)[0]
    assert set(re.findall(r"^\| `([a-z]+)` \|", figures, re.MULTILINE)) <= PROOFS.keys()
