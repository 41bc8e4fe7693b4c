"""Answer lines: whose they are, what became of the request, and that both ways of asking agree."""

import contextlib
import decimal
import json
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.codec.jsonl import Line
from reconciler.codec.result import decode_result, decode_verdict
from reconciler.errors import BadLine
from reconciler.model.exchange import Result, Verdict
from reconciler.model.outcome import ErrorClass, Outcome
from tests.codec.failed_samples import FAILED
from tests.codec.samples import ANSWERED, Sample, chat, dump, envelope

PATH = "workdir/batch_output_7.jsonl"


def line(data: bytes) -> Line:
    """Line 3 of a file."""
    return Line(3, 100, data)


def verdict_of(data: bytes) -> Verdict | str:
    """The fast way's verdict, or the reason for which it refuses."""
    try:
        return decode_verdict(line(data), PATH)
    except BadLine as error:
        return error.reason


def result_of(data: bytes) -> Result | str:
    """The full result, or the reason for which there is none."""
    try:
        return decode_result(line(data), PATH)
    except BadLine as error:
        return error.reason


def agreed(data: bytes) -> Result | str:
    """What both ways say of a line: they must give one verdict, or refuse for one reason."""
    verdict, result = verdict_of(data), result_of(data)
    if isinstance(result, str):
        assert verdict == result
    else:
        assert verdict == Verdict(result.custom_id, result.outcome, result.error_class)
    return result


@pytest.mark.parametrize("sample", ANSWERED, ids=lambda sample: sample.name)
def test_answers_of_every_shape(sample: Sample) -> None:
    """Each provider's answer is read into the same fields, and fields that it lacks stay empty."""
    result = decode_result(line(sample.line), PATH)

    assert attrs.evolve(result, body=None) == Result("r-1", Outcome.ANSWERED, **sample.read_as)
    assert result.body


@pytest.mark.parametrize("sample", FAILED, ids=lambda sample: sample.name)
def test_failures_of_every_shape(sample: Sample) -> None:
    """Each provider's failure gives a class, the provider's code and its words, or ours when it has none."""
    result = decode_result(line(sample.line), PATH)

    assert attrs.evolve(result, body=None) == Result("r-1", Outcome.FAILED, **sample.read_as)


@pytest.mark.parametrize("sample", [*ANSWERED, *FAILED], ids=lambda sample: sample.name)
def test_the_fast_way_agrees(sample: Sample) -> None:
    """decode_verdict says what decode_result says, for every shape."""
    assert isinstance(agreed(sample.line), Result)


def test_the_body_is_kept_whole() -> None:
    """A Result carries the decoded body, also when it came as a string, and numbers of any size in it."""
    assert decode_result(line(envelope(chat({"content": "4"}))), PATH).body == chat({"content": "4"})
    assert decode_result(line(envelope(json.dumps({"results": [1]}))), PATH).body == {"results": [1]}

    digits = "7" * 5000
    big = b'{"custom_id":"a","response":{"status_code":200,"body":{"data":[' + digits.encode() + b",1e999]}}}"
    result = agreed(big)
    assert isinstance(result, Result)
    assert result.outcome is Outcome.ANSWERED
    assert result.body == {"data": [decimal.Decimal(digits), decimal.Decimal("1e999")]}


def test_a_huge_number_in_a_member_that_is_not_read_does_no_harm() -> None:
    """Members that say nothing about the answer may hold any number."""
    data = envelope(chat({"content": "4"})).replace(b'"batch_req_1"', b"9" * 5000)

    assert isinstance(agreed(data), Result)
    assert verdict_of(data) == Verdict("r-1", Outcome.ANSWERED, None)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        pytest.param(b'{"response":{},"error":null}', "no id", id="no-id"),
        pytest.param(b'{"metadata":{"k":1},"error":null}', "no id", id="metadata-without-key"),
        pytest.param(b'{"metadata":{"key":5},"error":null}', "metadata.key is not a string: '5'", id="key-5"),
        pytest.param(
            b'{"custom_id":null,"response":null}', "custom_id is not a string: 'null'", id="id-null"
        ),
        pytest.param(
            b'{"custom_id":null,"key":"a","response":null}', "custom_id is not", id="id-null-beside-key"
        ),
        pytest.param(b'{"custom_id":"a"}', "no known shape", id="id-alone"),
        pytest.param(b'{"custom_id":"a","status":"failed"}', "no known shape", id="status-string"),
        pytest.param(b'{"custom_id":"a","response":{}}', "no known shape", id="response-empty"),
        pytest.param(
            b'{"custom_id":"a","response":"ok"}', "response is not an object: '\"ok\"'", id="response-text"
        ),
        pytest.param(b'{"custom_id":"a","result":7}', "result is not an object", id="result-7"),
        pytest.param(
            b'{"custom_id":"a","result":{"type":"new"}}', "result.type is not known: 'new'", id="type-new"
        ),
        pytest.param(b'{"custom_id":"a","result":{}}', "result.type is not known", id="type-missing"),
        pytest.param(
            b'{"custom_id":"a","result":{"type":"expired"},"response":{}}', "mixes the shapes", id="both"
        ),
        pytest.param(
            b'{"custom_id":"a","result":{"type":"succeeded","message":{}},"response":{}}',
            "mixes the shapes",
            id="both-with-a-message",
        ),
        pytest.param(envelope({}, "20x"), "response.status_code is no HTTP status: '20x'", id="status-word"),
        pytest.param(envelope({}, [200]), "response.status_code is no HTTP status", id="status-array"),
        pytest.param(envelope({}, status=True), "response.status_code is no HTTP status", id="status-true"),
        pytest.param(envelope({}, 200.5), "response.status_code is no HTTP status", id="status-fraction"),
        pytest.param(envelope({}, 10**400), "response.status_code is no HTTP status", id="status-huge"),
        pytest.param(
            b'{"custom_id":"a","response":null,"response":null}', "response is given twice", id="twice"
        ),
        pytest.param(
            b'{"custom_id":"a","error":1,"response":null,"error":null}', "error is given twice", id="error"
        ),
        pytest.param(
            b'{"custom_id":"a","result":1,"custom_id":"b"}', "custom_id is given twice", id="id-twice"
        ),
        pytest.param(
            b'{"custom_id":"a","x":"\xff","response":null}', "not UTF-8: byte 0xff at byte 22", id="bytes"
        ),
    ],
)
def test_what_is_no_answer_is_refused(data: bytes, reason: str) -> None:
    """Both ways refuse a line of no known shape for the same reason: nothing is guessed."""
    assert reason in str(agreed(data))


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(
            envelope({"choices": [], "output": [{}], "status": "completed"}), id="no-choices-but-output"
        ),
        pytest.param(envelope({"object": "response", "data": [{}]}), id="response-with-data"),
        pytest.param(envelope({"object": "error", "data": [{}]}), id="error-with-data"),
        pytest.param(
            envelope({"object": "response", "status": "failed", "output": [{}]}), id="failed-with-output"
        ),
        pytest.param(
            dump({"key": "a", "response": {"status_code": 200, "candidates": [{}]}}), id="status-no-body"
        ),
        pytest.param(
            dump({"key": "a", "response": {"candidates": [{}]}, "error": "no"}), id="candidates-and-error"
        ),
        pytest.param(
            dump({"custom_id": "a", "result": {"type": "errored", "message": {}}}), id="errored-message"
        ),
        pytest.param(
            dump({"custom_id": "a", "result": {"type": "succeeded", "message": {}}, "error": "no"}),
            id="succeeded-and-error",
        ),
    ],
)
def test_what_only_looks_like_an_answer_has_failed(data: bytes) -> None:
    """A member of an answer does not outweigh what speaks against it, whichever way is asked."""
    result = agreed(data)

    assert isinstance(result, Result)
    assert result.outcome is Outcome.FAILED


_JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
_OBJECTS = st.lists(st.just({}) | st.just({"type": "message"}) | _JSON, max_size=2)
_ERRORS = st.none() | _JSON | st.fixed_dictionaries({"code": _JSON, "message": _JSON})
_BODY = st.fixed_dictionaries(
    {},
    optional={
        "choices": _OBJECTS | _JSON,
        "output": _OBJECTS | _JSON,
        "data": _OBJECTS | _JSON,
        "status": st.sampled_from(["completed", "incomplete", "failed"]) | _JSON,
        "object": st.sampled_from(["list", "response", "error", "chat.completion"]) | _JSON,
        "error": _ERRORS,
    },
)
_RESPONSE = st.fixed_dictionaries(
    {},
    optional={
        "status_code": st.sampled_from([200, 299, 300, 0, 429, "200", 200.0]) | _JSON,
        "body": _BODY | _BODY.map(json.dumps) | _JSON,
        "candidates": _OBJECTS | _JSON,
        "promptFeedback": _JSON,
        "error": _ERRORS,
    },
)
_RESULT = st.fixed_dictionaries(
    {"type": st.sampled_from(["succeeded", "errored", "expired", "new"])},
    optional={"message": st.just({}) | _JSON, "error": _ERRORS},
)
_ANSWER = st.fixed_dictionaries(
    {"custom_id": st.just("a")},
    optional={"response": _RESPONSE | _JSON, "result": _RESULT | _JSON, "error": _ERRORS, "status": _JSON},
)


@given(_ANSWER, st.sampled_from(["custom_id", "key"]))
def test_both_ways_agree_on_any_mixture_of_members(answer: dict[str, Any], name: str) -> None:
    """Whatever members meet on a line, both ways give one verdict; every failure has a class and words."""
    answer[name] = answer.pop("custom_id")
    result = agreed(dump(answer))
    if isinstance(result, Result):
        failed = result.outcome is Outcome.FAILED
        assert failed == isinstance(result.error_class, ErrorClass) == bool(result.error_message)


@given(
    st.sampled_from([*ANSWERED, *FAILED]),
    st.lists(
        st.tuples(st.integers(0, 400), st.integers(0, 3), st.binary(max_size=4)), min_size=1, max_size=3
    ),
)
def test_a_damaged_line_is_read_or_refused(sample: Sample, cuts: list[tuple[int, int, bytes]]) -> None:
    """Bytes taken out and put in anywhere lead to a reading on which both ways agree, or to BadLine."""
    data = sample.line
    for at, gone, new in cuts:
        data = data[:at] + new + data[at + gone :]

    agreed(data)


@given(st.binary(max_size=200))
def test_no_bytes_raise_anything_but_bad_line(data: bytes) -> None:
    """Any bytes at all give a verdict or BadLine."""
    with contextlib.suppress(BadLine):
        decode_verdict(line(data), PATH)
