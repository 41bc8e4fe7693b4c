"""A pass by the Python API under built-in settings, and a batch that it settles."""

from pathlib import Path
from typing import Any

import reconciler
from reconciler import reconcile
from tests.workspaces import answered, put, request


def go(root: Path, **choices: Any) -> reconciler.Report:
    """One pass under built-in settings and these choices."""
    return reconcile(root, **{"environment": False, **choices})


def put_settled(root: Path, name: str = "1", count: int = 2) -> None:
    """A batch that a pass settles."""
    put(root, name, input=[request(n) for n in range(count)], output=[answered(n) for n in range(count)])
