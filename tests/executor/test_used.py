"""What answers say that they have used, in every shape of a line, and what is no answer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from reconciler.executor.context import viewing
from reconciler.executor.used import used_by
from reconciler.model.identity import Role
from reconciler.pricing.book import LISTED
from tests.workspaces import answered, live, put, request, settings

USAGE = {"prompt_tokens": 3, "completion_tokens": 5, "total_tokens": 8}
NOTHING = {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}


def with_usage(usage: Any) -> dict[str, Any]:
    """An answer that says so."""
    line = answered(0)
    line["response"]["body"]["usage"] = usage
    return line


def refused(response: Any) -> dict[str, Any]:
    """A line whose response is that."""
    return {"id": "r-0", "custom_id": "q-0", "response": response, "error": None}


@pytest.mark.parametrize(
    ("line", "tokens", "silent"),
    [
        pytest.param(with_usage(USAGE), {"openai/m": [3, 5, 0, 0, 0]}, 0, id="told"),
        pytest.param(answered(0), {}, 1, id="untold"),
        pytest.param(with_usage(NOTHING), {}, 1, id="told-as-nothing"),
        pytest.param(with_usage({"prompt_tokens": None}), {}, 1, id="told-as-null"),
        pytest.param(with_usage([1, 2]), {}, 1, id="told-in-no-shape"),
        pytest.param(refused({"status_code": 500, "body": {"error": {}}}), {}, 0, id="refused"),
        pytest.param(refused({"status_code": 500}), {}, 0, id="refused-without-a-word"),
        pytest.param(refused({"status_code": 500, "body": "no"}), {}, 0, id="refused-in-no-shape"),
        pytest.param(b"{", {}, 1, id="cut-off"),
        pytest.param(b'{"custom_id":"q-0","response":7}', {}, 1, id="no-answer-of-anybody"),
    ],
)
def test_what_a_line_has_used(tmp_path: Path, line: Any, tokens: dict[str, list[int]], silent: int) -> None:
    """An answer without usage is counted as silent, as what cannot be read is; a failure costs nothing."""
    root = tmp_path / "w"
    put(root, "1", input=[request(0)], output=[line])
    with viewing(str(root), settings()) as view:
        fact = view.look.fact(f"{live(root).name}/batch_output_1.jsonl")
        assert fact is not None
        used = used_by(view, LISTED, "openai", (), {Role.OUTPUT: fact}, live=False)
    assert (used.tokens, used.silent) == (tokens, silent)
