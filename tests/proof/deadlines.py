"""
What the time limits of a simulated world are held to: at every moment, and at rest.

A limit ends what has no answer when it is over, exactly once: nothing of it is sent later, by itself or by a
clock that goes back, and nothing that somebody has answered is given up for it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any, Final

from tests.proof.fortunes import SENDS
from tests.proof.users import Users, ids_in
from tests.proof.world import World
from tests.workspaces import ledger

OVER: Final = "time-limit"
Row = dict[str, Any]


def hold_deadlines(world: World, rows: Sequence[Row]) -> None:
    """
    Hold the world to its deadlines.

    Args:
        world: The world.
        rows: What is published.

    Raises:
        AssertionError: Something was sent or ended at the wrong time.
    """
    users, sends = world.users, world.fortunes.sends()
    for each in ledger(world.root):
        until = _until(users, str(each["batch"]))
        if until is None:
            continue
        if each["event"] == "batch.creating":
            assert each["at"] < until, f"sent after its deadline of {until}: {each}"
        if each["event"] in ("batch.cancelled", "batch.ended-here"):
            assert each["why"] == OVER, each
            # History knows times to the millisecond.
            assert each["at"] >= round(until, 3), f"ended before its deadline of {until}: {each}"
    for row in rows:
        key = row["custom_id"]
        name = key.partition("-")[0]
        if _class(row) != OVER or name in users.copies or name in users.loose:
            continue
        assert users.latest >= users.until.get(name, float("inf")), f"ended before its deadline: {row}"
        before = world.over.setdefault(key, sends[key])
        assert sends[key] == before, f"{key} was sent again after its time was over"


def judge_limited(world: World, key: str, row: Row, answered: set[str]) -> None:
    """
    Hold a request with a deadline, which has an end, to one of those that it may have.

    Raises:
        AssertionError: It has another.
    """
    why, wish, sends = _class(row), world.fortunes.wishes.get(key, "ok"), world.fortunes.sends()[key]
    delayed = key in world.fortunes.delayed()
    assert (row["outcome"] == "answered") == (key in answered), f"an answer of {key} was lost: {row}"
    assert why is None or why == OVER or wish != "ok" or delayed, f"{key} has another end: {row}"
    assert why is not None or wish in ("ok", "busy"), f"{key} ({wish}) was answered: {row}"
    assert delayed or sends <= SENDS[wish], f"{key} ({wish}) was sent {sends} times"


def judge_once(world: World, rows: Sequence[Row]) -> None:
    """
    Hold each request with a deadline to one end.

    Raises:
        AssertionError: It has two.
    """
    ends = Counter(row["custom_id"] for row in rows if row["outcome"] != "retried")
    for name in world.users.until.keys() - world.users.copies:
        twice = [key for key in ids_in(world.users.inputs[name]) if ends[key] > 1]
        assert twice == [], f"more than one end: {twice}"


def _until(users: Users, batch: str) -> float | None:
    """The deadline of a batch or of the one that it retries, None where a user has taken it away."""
    name = batch.partition(".")[0]
    return None if name in users.loose else users.until.get(name)


def _class(row: Row) -> str | None:
    """The class of a failure."""
    error = row.get("error") or {}
    found: str | None = error.get("class")
    return found
