"""What a foreign server answered, given once more: request for request, under the tokens of today."""

from __future__ import annotations

import json
import re
from collections import defaultdict, deque
from typing import Any, Final

from tests.judging.kept import Kept
from tests.judging.tape import Said

_INTENT: Final = re.compile(rb'filename="batch_input_([0-9a-f]{32})\.jsonl"')
Key = tuple[str, str, str]


class Replay:
    """
    An answer to each request that was kept, in the order of those that are alike.

    Attributes:
        left: How many were not asked for.
    """

    def __init__(self, exchanges: Kept, prefix: str) -> None:
        self._prefix = prefix
        self._answers: dict[Key, deque[dict[str, Any]]] = defaultdict(deque)
        self._intents: list[str] = []
        for each in exchanges:
            asked = each["asked"]
            key = (asked["method"], asked["path"], json.dumps(asked.get("query", {}), sort_keys=True))
            self._answers[key].append(each["answered"])

    @property
    def left(self) -> int:
        """How many were not asked for."""
        return sum(map(len, self._answers.values()))

    def __call__(self, asked: Said) -> Said:
        """The next answer to such a request."""
        self._intents += [found.decode() for found in _INTENT.findall(asked.body[:2000])]
        path = asked.path.removeprefix(self._prefix)
        told = self._answers[asked.method, path, json.dumps(asked.query, sort_keys=True)].popleft()
        if "lines" in told:
            text = "".join(json.dumps(line) + "\n" for line in told["lines"])
            text = text[:-1] if told.get("unended") else text
        else:
            text = json.dumps(told["json"]) if "json" in told else ""
        for number, intent in enumerate(self._intents, start=1):
            text = text.replace(f"<intent {number}>", intent)
        return Said(str(told["status"]), told["headers"], text.encode())
