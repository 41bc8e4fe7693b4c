"""What history has reserved under a limit of cost, and how a limit is set."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from reconciler.check import check
from reconciler.model.report import Report
from reconciler.workspace import cost_limit
from reconciler.workspace.effects import Effects
from tests.workspaces import ledger, settings

DOLLAR: Final = 10**9


def states(report: Report) -> dict[str, str]:
    """Where each batch stands."""
    return {each.name: each.state.value for each in report.batches}


def sound(root: Path) -> None:
    """No promise is broken."""
    assert check(str(root), settings()).findings == []


def reserved(root: Path) -> list[dict[str, Any]]:
    """The reservations in history."""
    return [each for each in ledger(root) if each["event"] == "spend.reserved"]


def limit(root: Path, nano: int | None) -> None:
    """Set the limit that is kept in the workspace."""
    fx = Effects(str(root))
    cost_limit.put(fx, nano)
    fx.close()
