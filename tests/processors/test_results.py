"""One line a request, with every key on every line."""

import json
from typing import Any, Final

import pytest

from reconciler.model.exchange import Result
from reconciler.model.identity import BatchName
from reconciler.model.outcome import ErrorClass, Outcome
from reconciler.processors.results import Origin, line_of, published_as, record_of

ORIGIN: Final = Origin(BatchName("7"), "openai", 2)
CHILD: Final = BatchName("7.r1")
ANSWER: Final = Result("q", Outcome.ANSWERED, text="yes")
FAILURE: Final = Result("q", Outcome.FAILED, error_class=ErrorClass.RATE_LIMIT, error_code="429")


@pytest.mark.parametrize(
    ("result", "child", "given_up", "outcome"),
    [
        pytest.param(ANSWER, None, False, "answered", id="answered"),
        pytest.param(ANSWER, None, True, "answered", id="answered-where-failures-were-given-up"),
        pytest.param(FAILURE, None, False, "failed", id="failed"),
        pytest.param(FAILURE, None, True, "dismissed", id="given-up"),
        pytest.param(FAILURE, CHILD, False, "retried", id="retried"),
        pytest.param(FAILURE, CHILD, True, "retried", id="retried-before-the-rest-was-given-up"),
        pytest.param(None, CHILD, False, "retried", id="missing-and-retried"),
        pytest.param(None, None, False, "dismissed", id="missing-and-given-up"),
    ],
)
def test_the_outcome(result: Result | None, child: BatchName | None, given_up: bool, outcome: str) -> None:  # noqa: FBT001 - a row
    """The outcome says what has become of the request by now."""
    origin = Origin(BatchName("7"), "openai", 2, given_up)
    line = record_of("q", result, origin, child)
    assert line["outcome"] == outcome
    assert line.get("child") == child


def test_the_keys() -> None:
    """Every line has the same keys, but for the child that asks again and the body of what has no text."""
    usual = list(record_of("q", ANSWER, ORIGIN, None))
    assert list(record_of("q", FAILURE, ORIGIN, None)) == usual
    assert list(record_of("q", None, ORIGIN, None)) == usual
    assert list(record_of("q", FAILURE, ORIGIN, CHILD)) == [*usual, "child"]
    assert list(record_of("q", Result("q", Outcome.ANSWERED, body={}), ORIGIN, None)) == [*usual, "body"]


def test_a_value_and_more() -> None:
    """The value of a processor stands in `value`, and further members at the end of the line."""
    line = line_of("q", ANSWER, ORIGIN, None, value={"a": [1]}, extra={"value_from": "whole"})
    found: dict[str, Any] = json.loads(line)
    assert (found["value"], list(found)[-1], line[-1:]) == ({"a": [1]}, "value_from", b"\n")
    assert json.loads(line_of("q", ANSWER, ORIGIN, None))["value"] is None


def test_where_they_appear() -> None:
    """The results of a batch are one file in `target/`."""
    assert published_as("7") == "target/7.results.jsonl"
