"""Input lines: whose they are, which shape they have, and which are refused."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.codec.jsonl import Line
from reconciler.codec.request import decode_request, request_id
from reconciler.errors import BadLine
from tests.codec.samples import REQUESTS, Sample

PATH = "workdir/batch_input_7.jsonl"


def line(data: bytes) -> Line:
    """Line 3 of a file."""
    return Line(3, 100, data)


@pytest.mark.parametrize("sample", REQUESTS, ids=lambda sample: sample.name)
def test_each_dialect_is_told_by_its_keys(sample: Sample) -> None:
    """Every provider's own line gives its dialect, id, endpoint and model."""
    found = decode_request(line(sample.line), PATH)

    assert (found.dialect, found.custom_id, found.url, found.model) == sample.read_as


@pytest.mark.parametrize("sample", REQUESTS, ids=lambda sample: sample.name)
def test_the_fast_way_takes_the_same_id(sample: Sample) -> None:
    """request_id gives what decode_request gives."""
    assert request_id(line(sample.line), PATH) == decode_request(line(sample.line), PATH).custom_id


def test_the_payload_is_decoded_whole() -> None:
    """The body of a Request holds what the line holds, an integer of any size included."""
    digits = "1" * 5000
    found = decode_request(
        line(b'{"custom_id":"a","body":{"n":' + digits.encode() + b',"s":"\xe2\x80\xa8"}}'), PATH
    )

    assert f"{found.body['n']}" == digits
    assert found.body["s"] == "\u2028"


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        pytest.param(b'{"custom_id":"a"}', "none of body, params and request", id="no-payload"),
        pytest.param(b"{}", "none of body, params and request", id="empty-object"),
        pytest.param(b"[]", "not a JSON object: '[]'", id="array"),
        pytest.param(b'"a"', "not a JSON object", id="string"),
        pytest.param(
            b'{"custom_id":"a","method":"POST","url":"/v1/x"}', "body is missing", id="openai-no-body"
        ),
        pytest.param(b'{"custom_id":"a","method":"POST","body":{}}', "url is missing", id="openai-no-url"),
        pytest.param(
            b'{"custom_id":"a","url":"/v1/x","body":{}}', "method is missing", id="openai-no-method"
        ),
        pytest.param(
            b'{"custom_id":"a","method":"GET","url":"/v1/x","body":{}}', "not POST: '\"GET\"'", id="get"
        ),
        pytest.param(
            b'{"custom_id":"a","method":"POST","url":7,"body":{}}', "url is not a path: '7'", id="url-7"
        ),
        pytest.param(
            b'{"custom_id":"a","method":"POST","url":"","body":{}}', "url is not a path", id="url-empty"
        ),
        pytest.param(b'{"custom_id":"a","body":[]}', "body is not an object: '[]'", id="body-array"),
        pytest.param(b'{"custom_id":"a","body":null}', "body is not an object: 'null'", id="body-null"),
        pytest.param(b'{"custom_id":"a","params":"x"}', "params is not an object", id="params-string"),
        pytest.param(b'{"key":"a","request":1}', "request is not an object", id="request-number"),
        pytest.param(b'{"custom_id":"a","params":{},"body":{}}', "mixes the shapes", id="two-payloads"),
        pytest.param(b'{"custom_id":"a","url":"/v1/x","params":{}}', "mixes the shapes", id="url-and-params"),
        pytest.param(b'{"custom_id":"a","request":{}}', "key is missing", id="gemini-with-custom-id"),
        pytest.param(b'{"key":"a","params":{}}', "custom_id is missing", id="anthropic-with-key"),
        pytest.param(b'{"custom_id":"","body":{}}', "custom_id is empty", id="id-empty"),
        pytest.param(b'{"custom_id":null,"body":{}}', "custom_id is not a string: 'null'", id="id-null"),
        pytest.param(b'{"custom_id":12,"body":{}}', "custom_id is not a string: '12'", id="id-number"),
        pytest.param(
            b'{"custom_id":{"a":1},"body":{}}', "custom_id is not a string: '{\"a\":1}'", id="id-object"
        ),
        pytest.param(
            b'{"custom_id":' + b"1" * 5000 + b',"body":{}}', "custom_id is not a string", id="id-huge"
        ),
        pytest.param(b'{"custom_id":"a\\u0000b","body":{}}', "custom_id holds a NUL: 'a\\x00b'", id="id-nul"),
        pytest.param(
            b'{"custom_id":"\\ud800","body":{}}', "half a surrogate pair, '\\\\ud800'", id="id-half-pair"
        ),
    ],
)
def test_what_is_no_request_is_refused(data: bytes, reason: str) -> None:
    """Both ways refuse a line that no provider would take, name the place and quote what they found."""
    for decode in (request_id, decode_request):
        with pytest.raises(BadLine) as caught:
            decode(line(data), PATH)

        assert reason in caught.value.reason
        assert (caught.value.path, caught.value.line) == (PATH, 3)


@pytest.mark.parametrize("name", ["custom_id", "method", "url", "body"])
def test_an_identifying_member_given_twice_is_refused(name: str) -> None:
    """The same member twice would mean two things, so it is refused even with equal values."""
    members = {"custom_id": b'"a"', "method": b'"POST"', "url": b'"/v1/x"', "body": b"{}"}
    pairs = [b'"%b":%b' % (key.encode(), value) for key, value in members.items()]
    again = b'"%b":%b' % (name.encode(), members[name])

    assert request_id(line(b"{" + b",".join(pairs) + b"}"), PATH) == "a"
    with pytest.raises(BadLine, match=f"{name} is given twice"):
        request_id(line(b"{" + b",".join([*pairs, again]) + b"}"), PATH)


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(
            b'{"custom_id":"a","body":{"custom_id":1,"x":{"custom_id":2,"body":3}}}', id="inside-the-payload"
        ),
        pytest.param(b'{"custom_id":"custom_id","tag":"body","body":{"t":"\\"custom_id\\""}}', id="as-text"),
        pytest.param(
            b'{"x":{"custom_id":1},"x":2,"custom_id":"custom_id","body":{}}', id="in-another-repeat"
        ),
        pytest.param(b'{ "custom_id" : "a" ,  "body" : { } ,  "note" : "far from compact"  }', id="spaced"),
    ],
)
def test_a_member_named_alike_elsewhere_is_no_repeat(data: bytes) -> None:
    """Only the line's own members count, not those inside of them."""
    assert request_id(line(data), PATH) in ("a", "custom_id")


@given(st.text(min_size=1).filter(lambda text: "\0" not in text and text.isprintable()))
def test_any_printable_id_comes_back_as_it_is(custom_id: str) -> None:
    """Ids are compared as exact code points: nothing is folded, stripped or normalised."""
    data = b'{"custom_id":"' + custom_id.replace("\\", "\\\\").replace('"', '\\"').encode() + b'","body":{}}'

    assert request_id(line(data), PATH) == custom_id
