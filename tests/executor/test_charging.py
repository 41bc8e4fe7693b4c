"""What an attempt is called in history, and that what has been settled there is not settled again."""

from collections.abc import Callable
from pathlib import Path

import pytest

from reconciler.executor import charging
from reconciler.executor.context import Context
from reconciler.model.identity import BatchName
from reconciler.model.policy import LOCAL
from reconciler.model.record import InputFact
from reconciler.workspace import ledger as history
from reconciler.workspace.spending import RESERVED, SETTLED
from tests.executor.test_context import context
from tests.planner.builders import digest, record
from tests.workspaces import ledger

NAME = BatchName("1")


def test_a_live_run_is_called_by_batch_and_input() -> None:
    """Another input under the same name is another attempt; the beginning of its digest tells."""
    asked = [record(provider=LOCAL, input=InputFact(digest(fill=each), 1)) for each in ("a", "b")]
    keys = [charging.key_of(each) for each in asked]
    assert keys == [f"live:7:{each.input.digest.sha256[:16]}" for each in asked if each.input]
    assert len({*keys, charging.key_of(record(provider=LOCAL))}) == 3


@pytest.mark.parametrize("give_up", [charging.release, charging.forgotten])
@pytest.mark.parametrize(
    ("told", "written"),
    [([], 0), ([RESERVED], 1), ([RESERVED, SETTLED], 0)],
    ids=["never", "open", "settled"],
)
def test_an_attempt_is_settled_once(
    tmp_path: Path,
    give_up: Callable[[Context, BatchName, str], None],
    told: list[str],
    written: int,
) -> None:
    """One that was never reserved, or has been settled, is left as it is: its cost stays what it was."""
    ctx = context(tmp_path)
    for event in told:
        history.append(ctx.fx, event, NAME, key="k", nano_usd=5, models={}, provider="openai")
    give_up(ctx, NAME, "k")
    assert len(ledger(tmp_path)) == len(told) + written
