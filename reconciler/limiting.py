"""`reconcile limit`: a limit of cost that is kept in a workspace, and holds for every pass."""

from __future__ import annotations

import math

from reconciler.config import Settings
from reconciler.errors import UsageError
from reconciler.pricing.money import floor
from reconciler.session import Options, session
from reconciler.workspace import cost_limit


def checked_limit(cost_usd: float) -> int:
    """
    A limit in dollars as nano-dollars.

    Raises:
        UsageError: It is no amount of money.
    """
    said: object = cost_usd
    if not isinstance(said, int | float) or not 0 <= said < math.inf:
        raise UsageError(f"a limit of {cost_usd!r:.40} dollars", hint="give a number from 0 on, such as 5")
    return floor(float(cost_usd))


def set_limit(path: str, settings: Settings, cost_usd: float | None, options: Options | None = None) -> None:
    """
    Keep a limit of cost in a workspace, or take it away.

    Args:
        path: The workspace.
        settings: Every setting.
        cost_usd: The limit in dollars; None for none.
        options: What a caller adds.

    Raises:
        UsageError: It is no amount of money.
        UserError: There is no workspace, or a pass is at work there.
    """
    nano = None if cost_usd is None else checked_limit(cost_usd)
    with session(path, settings, options or Options()) as held:
        if cost_limit.read(held.ctx.fx).nano != nano or nano is None:
            cost_limit.put(held.ctx.fx, nano)
