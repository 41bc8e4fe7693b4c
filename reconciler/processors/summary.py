"""The built-in error processor `summary`: counts by class, with the first examples of each."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from reconciler.model.exchange import Result
from reconciler.model.outcome import Outcome

NAME: Final = "summary"
EXAMPLES: Final = 3


def summarise(results: Iterable[tuple[str, Result | None, bool]]) -> dict[str, Any]:
    """
    Count the failures among *results* (id, result, and whether it is asked again).

    Returns:
        For each error class: `count`, `retried` (how many of them are asked again), and `examples` with
        id, code and message of the first few.
    """
    found: dict[str, Any] = {}
    for custom_id, result, retried in results:
        if result is None or result.outcome is not Outcome.FAILED:
            continue
        word = "unknown" if result.error_class is None else result.error_class.value
        group = found.setdefault(word, {"count": 0, "retried": 0, "examples": []})
        group["count"] += 1
        group["retried"] += retried
        if len(group["examples"]) < EXAMPLES:
            message = None if result.error_message is None else result.error_message[:200]
            group["examples"].append({"custom_id": custom_id, "code": result.error_code, "message": message})
    return found
