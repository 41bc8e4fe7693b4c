"""The mutation score: changes are small and made one at a time, and one that no test notices is told."""

import ast
from pathlib import Path
from typing import Final

import pytest

from tests.proof.branches import ROOT
from tests.proof.mutation import Reach, drawn, is_below, rounds, score
from tests.proof.mutation_operators import Change, changes

CHANGED: Final = {
    "a == b": ["(a != b)"],
    "a < 3": ["(a <= 3)", "a < 4"],
    "a is None": ["(a is not None)"],
    "a in b": ["(a not in b)"],
    "a < b < c": [],
    "a and b": ["(a or b)"],
    "not a": ["(a)"],
    "a + b": ["(a - b)"],
    "a | None": [],
    "Words = First | Second": [],
    "WORDS | a": ["(WORDS & a)"],
    "a + 'text'": [],
    "f'{a + b}'": [],
    "True": ["False"],
    "b if a else c": ["b if (not a) else c"],
    "[x for x in a if x.y]": ["[x for x in a if (not x.y)]"],
    "a(b)": ["pass"],
    "if a:\n    raise b": ["if (not a):\n    raise b", "if a:\n    pass"],
    "while a():\n    x = 1": ["while (not a()):\n    x = 1", "while a():\n    x = 2"],
    "if TYPE_CHECKING:\n    import a": [],
    "x: Literal[1] = y": [],
    "@a(1)\ndef f(): return b": [],
    "x: int = field(kw_only=True)": [],
    "_MOST: Final = 64 << 20": [],
    "MOST = -3.0": [],
    "ON: Final = True": ["ON: Final = False"],
    "most = 3": ["most = 4"],
    "MOST = f(3)": ["MOST = f(4)"],
    "assert a == b": [],
    '"""Words."""': [],
    "é = a == b": ["é = (a != b)"],
}


@pytest.mark.parametrize(("source", "expected"), CHANGED.items(), ids=CHANGED)
def test_the_changes_of_a_statement(source: str, expected: list[str]) -> None:
    """Each change replaces one thing; what only readers and type checkers see is left alone."""
    found = [change.applied(source.encode()).decode() for change in changes("a.py", source.encode())]
    assert found == expected


def test_every_change_of_the_project_is_python() -> None:
    """Whatever is drawn, the module still compiles, and is another one."""
    for change in drawn(300, seed=5):
        source = (ROOT / change.file).read_bytes()
        assert ast.dump(ast.parse(change.applied(source))) != ast.dump(ast.parse(source)), change


def test_a_seed_draws_the_same() -> None:
    """One seed is one sample, another one another."""
    assert drawn(20, 1) == drawn(20, 1) != drawn(20, 2)


@pytest.mark.parametrize(("survived", "below"), [(0, False), (30, False), (31, True)])
def test_the_bar_itself_is_enough(survived: int, *, below: bool) -> None:
    """270 of 300 are 90 %."""
    assert is_below(300, survived) is below


MODULE: Final = """\
def least(given):
    if given > 3:
        given = 3
    return given

def half(given):
    return given // 2
"""
TESTS: Final = """\
import pytest
from reconciler.planner.made import half, least

@pytest.mark.parametrize("given", [1, 5, 9])
def test_least(given):
    assert least(given) <= 3

def test_half():
    assert half(8) == 4

def test_broken():
    half(1)
    assert False
"""


def test_what_nobody_notices_survives(tmp_path: Path) -> None:
    """`>` and `>=` are the same to these tests; a test that fails without any change says nothing."""
    for folder in ("reconciler", "reconciler/planner", "reconciler/testing", "tests"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "__init__.py").touch()
    (tmp_path / "reconciler/testing/plugin.py").touch()  # which pytest wants to load
    (tmp_path / "reconciler/planner/made.py").write_text(MODULE)
    (tmp_path / "tests/test_made.py").write_text(TESTS)
    least = [f"tests/test_made.py::test_least[{given}]" for given in (1, 5, 9)]
    half = ["tests/test_made.py::test_broken", "tests/test_made.py::test_half"]
    known = Reach({"reconciler/planner/made.py": {2: least, 3: least[1:], 7: half}}, {})

    tried, survived = score(100, 1, known, tmp_path)

    assert tried == 5
    assert [change.what for change in survived] == ["given > 3 -> (given >= 3)", "3 -> 4"]
    assert (tmp_path / "reconciler/planner/made.py").read_text() == MODULE


@pytest.mark.parametrize("own", ["tests/test_made.py", "tests/test_odd_made.py", "tests/made/test_odd.py"])
def test_a_line_that_thousands_reach_is_tried_by_its_own_tests_soon(own: str) -> None:
    """Tests named like the module come in the second round, however many one function has."""
    wide = [f"tests/test_all.py::test_{n}" for n in range(3000)]
    named = [f"{own}::test_it[{n}]" for n in range(60)]
    lines = {1: named + wide}
    known = Reach({"reconciler/made.py": lines, "other.py": lines}, dict.fromkeys(named + wide, 0.001))
    change = Change("reconciler/made.py", 1, 0, 0, "", "")

    first, second, *_ = rounds(change.file, known.of(change), known)

    assert set(named) <= {*first, *second}


def test_tests_that_reach_little_else_come_soon() -> None:
    """So do those that are about the module alone, whatever they are called."""
    wide = [f"tests/test_all.py::test_{n}" for n in range(3000)]
    narrow = [f"tests/test_odd.py::test_it[{n}]" for n in range(60)]
    known = Reach(
        {"reconciler/made.py": {1: narrow + wide}, "other.py": {1: wide}},
        dict.fromkeys(narrow + wide, 0.001),
    )
    change = Change("reconciler/made.py", 1, 0, 0, "", "")

    first, second, *_ = rounds(change.file, known.of(change), known)

    assert set(narrow) <= {*first, *second}
