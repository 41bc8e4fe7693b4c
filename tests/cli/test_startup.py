"""What a command does not need is not loaded. Seen in `sys.modules` of a new process; time is never asked."""

from pathlib import Path
from typing import Final

import pytest

from tests.cli.calling import put_held, put_settled, python

LOAD: Final = """
import sys
from reconciler.cli.main import main
code = main(sys.argv[1:])
sys.stdout.write("\\nloaded: " + " ".join(sorted(sys.modules)))
sys.exit(code)
"""
HEAVY: Final = frozenset(
    {
        "asyncio",
        "httpx",
        "multiprocessing",
        "rich",
        "sqlite3",
        "starlette",
        "structlog",
        "uvicorn",
        "watchdog",
    }
)
READING: Final = frozenset({"attrs", "msgspec", "platformdirs", "tomllib"})
OF_A_BATCH: Final = frozenset(
    {
        "reconciler.batches",
        "reconciler.codec.result",
        "reconciler.executor.executor",
        "reconciler.model.operation",
        "reconciler.model.record",
        "reconciler.planner",
        "reconciler.pricing.estimate",
        "reconciler.workspace.metadata",
    }
)


def loaded(*words: str | Path) -> set[str]:
    """The modules that a command has loaded."""
    said = python(LOAD, *words)
    assert "loaded: " in said.out, said.err
    return set(said.out.rpartition("loaded: ")[2].split())


@pytest.mark.parametrize(
    "words", [("--version",), ("-V",), ("--help",), ("-h",), (), ("plan", "--help")], ids=" ".join
)
def test_help_loads_nothing_but_the_parser(words: tuple[str, ...]) -> None:
    """Version and help need neither a library for files nor one for screens: click alone."""
    assert loaded(*words) & (HEAVY | READING) == set()


@pytest.mark.parametrize("verb", [(), ("plan",), ("check",)], ids=" ".join)
def test_nothing_to_do_loads_neither_logs_nor_screens(verb: tuple[str, ...], workspace: Path) -> None:
    """Over an empty workspace neither structlog nor rich is loaded, nor anything of a network."""
    assert loaded(*verb, workspace) & HEAVY == set()


def test_a_pass_over_nothing_loads_nothing_of_a_batch(workspace: Path) -> None:
    """Neither a plan's operations nor what carries them out, reads answers or prices requests is loaded."""
    assert loaded(workspace) & OF_A_BATCH == set()


def test_a_held_batch_loads_no_log(workspace: Path) -> None:
    """A pass that does nothing writes no log and loads none."""
    put_held(workspace)

    assert loaded(workspace) & HEAVY == set()


def test_a_pass_that_logs_nothing_loads_no_log(workspace: Path) -> None:
    """With `--log-level error` a pass that goes well needs no structlog."""
    put_settled(workspace)

    assert loaded(workspace, "--log-level", "error") & HEAVY == set()


def test_what_is_needed_is_loaded(workspace: Path) -> None:
    """The look into the process sees what is there: a pass that logs loads structlog."""
    put_settled(workspace)

    assert {"attrs", "click", "msgspec", "structlog"} | OF_A_BATCH <= loaded(workspace)


def test_a_wrong_word_loads_nothing(tmp_path: Path) -> None:
    """A typing mistake is told at once."""
    assert loaded("plan", tmp_path, "--nosuch") & (HEAVY | READING) == set()
