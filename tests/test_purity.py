"""
The pure floors read no clock, ask nobody and print nothing.

Which modules they may import is held by the contracts in pyproject.toml; here is what an import does not
show, because a pure module may well import `datetime` for its types.
"""

import ast
from pathlib import Path
from typing import Final

import pytest

PACKAGE: Final = Path(__file__).parents[1] / "reconciler"
PURE: Final = ("codec", "config", "model", "planner")

CLOCK_METHODS: Final = frozenset({"now", "today", "utcnow"})
IMPURE_BUILTINS: Final = frozenset({"__import__", "breakpoint", "eval", "exec", "input", "open", "print"})


def impurities(source: str) -> list[str]:
    """Each call in *source* that reads a clock, runs code, or reaches a file or a person, as `line: name`."""
    found = []
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Call(func=ast.Name(id=name)) if name in IMPURE_BUILTINS:
                found.append(f"{node.lineno}: {name}")
            case ast.Call(func=ast.Attribute(attr=name)) if name in CLOCK_METHODS:
                found.append(f"{node.lineno}: .{name}")
            case _:
                pass
    return found


def _modules() -> list[Path]:
    inside = [path for floor in PURE for path in (PACKAGE / floor).rglob("*.py")]
    alone = [PACKAGE / f"{floor}.py" for floor in PURE]
    return sorted([*inside, *(path for path in alone if path.is_file())])


@pytest.mark.parametrize("module", _modules(), ids=lambda path: path.relative_to(PACKAGE).as_posix())
def test_pure_floors_are_pure(module: Path) -> None:
    """A module on a pure floor knows only what it is given."""
    assert impurities(module.read_text("utf-8")) == []


@pytest.mark.parametrize("floor", PURE)
def test_every_pure_floor_is_looked_at(floor: str) -> None:
    """Each pure floor has at least one module, so that a rename cannot empty this check."""
    assert any(floor in {module.stem, *module.relative_to(PACKAGE).parts} for module in _modules())


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        pytest.param("import datetime as dt\ndt.datetime.now(dt.UTC)", "2: .now", id="clock"),
        pytest.param("def f(date):\n    return date.today()", "2: .today", id="calendar"),
        pytest.param("print('x')", "1: print", id="print"),
        pytest.param("open('x')", "1: open", id="file"),
        pytest.param("__import__('os')", "1: __import__", id="import-by-the-back-door"),
    ],
)
def test_what_is_impure_is_found(source: str, expected: str) -> None:
    """Each way out of a pure floor is found."""
    assert impurities(source) == [expected]


def test_what_is_pure_is_not_blamed() -> None:
    """A date that is handed in may be compared, shifted and taken apart."""
    assert impurities("def f(seen_at, wait):\n    return (seen_at + wait).timestamp()") == []
