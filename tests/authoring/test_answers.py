"""Answers as values: lossless dictionaries, groups, and the order in which they are read."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import attrs
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.authoring.answers import Answer, Answers, answer_of
from reconciler.authoring.reading import _in_order
from reconciler.model.citation import Citation, Vouched
from reconciler.model.coverage import digest_id
from reconciler.model.identity import BatchName
from reconciler.model.rows import ResultRow, Standing
from reconciler.pricing.book import price_of

TEXT: Final = st.text(st.characters(codec="utf-8"), max_size=8)
NUMBERS: Final = st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False)
JSON: Final = st.recursive(
    st.none() | st.booleans() | NUMBERS | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=6,
)
OBJECTS: Final = st.dictionaries(TEXT, JSON, max_size=3)
CITED: Final = st.builds(Citation, text=TEXT, at=st.integers(0, 99), cited_text=TEXT, title=st.none() | TEXT)
VOUCHED: Final = st.builds(Vouched, confidence=st.floats(0, 1), citation=CITED)
ROWS: Final = st.builds(
    ResultRow,
    custom_id=TEXT,
    outcome=st.sampled_from(Standing),
    text=st.none() | TEXT,
    value=JSON,
    finish_reason=st.none() | TEXT,
    refusal=st.none() | TEXT,
    tool_calls=st.none() | st.lists(JSON, max_size=2).map(tuple),
    usage=st.none() | OBJECTS,
    model=st.none() | TEXT,
    provider=st.none() | TEXT,
    batch=TEXT,
    attempt=st.integers(1, 9),
    error_class=st.none() | st.sampled_from(["cancelled", "rate-limit"]),
    error_code=st.none() | TEXT,
    error_message=st.none() | TEXT,
    child=st.none() | st.just(BatchName("1.r1")),
    lineage=TEXT,
    body=JSON,
    citations=st.none() | st.lists(CITED, min_size=1, max_size=2).map(tuple),
    citation_mappings=st.none() | st.dictionaries(TEXT, st.lists(VOUCHED, max_size=2).map(tuple), min_size=1),
)
ANSWERS: Final = st.builds(
    Answer,
    custom_id=TEXT,
    outcome=TEXT,
    value=JSON,
    text=st.none() | TEXT,
    error=st.none() | TEXT,
    row=st.none() | ROWS,
    batch_id=st.none() | TEXT,
    cost_usd=st.none() | st.floats(0, 10),
)


@attrs.frozen
class City:
    """A form of answers."""

    name: str
    people: int


@given(ANSWERS | ROWS.map(lambda row: answer_of(row.custom_id, row)))
def test_a_dictionary_loses_nothing(answer: Answer) -> None:
    """`from_dict` undoes `to_dict`, through a JSON file as well."""
    found = answer.to_dict()

    assert Answer.from_dict(found) == answer
    assert Answer.from_dict(msgspec.json.decode(msgspec.json.encode(found))) == answer
    assert Answer.from_dict(found).to_dict() == found


@given(TEXT, st.integers(0, 2**53))
def test_a_typed_value_comes_back_as_its_type(name: str, people: int) -> None:
    """With the form at hand; without it the value is what JSON has."""
    text = msgspec.json.encode({"name": name, "people": people}).decode()
    row = ResultRow("a", Standing.ANSWERED, text=text, batch="1", lineage="1")
    answer = answer_of("a", row, City)

    assert answer.value == City(name, people)
    assert Answer.from_dict(answer.to_dict(), City) == answer
    assert Answer.from_dict(answer.to_dict()).value == {"name": name, "people": people}


@pytest.mark.parametrize(
    "found", [{}, {"custom_id": "a"}, {**answer_of("a", None).to_dict(), "row": {"attempt": "x"}}]
)
def test_what_is_no_answer_is_refused(found: dict[str, Any]) -> None:
    """With a reason; nothing is guessed."""
    with pytest.raises(ValueError, match=r"no answer as to_dict|attempt"):
        Answer.from_dict(found)


@pytest.mark.parametrize(
    ("usage", "expected"),
    [
        (None, None),
        ({"prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 7}, 7),
        ({"input_tokens": 3, "output_tokens": 4}, 7),
        ({"input_tokens": 3, "output_tokens": 4, "cache_read_input_tokens": 10}, 17),
        ({"promptTokenCount": 3, "candidatesTokenCount": 4, "thoughtsTokenCount": 2}, 9),
        ({"pages": 2}, None),
    ],
)
def test_tokens_are_counted_in_every_providers_words(usage: Any, expected: int | None) -> None:
    """OpenAI and Mistral, Anthropic with its cache, Gemini; what is not said is not made up."""
    assert answer_of("a", ResultRow("a", Standing.ANSWERED, usage=usage)).total_tokens == expected


def test_an_answer_tells_its_cost_where_its_price_is_known() -> None:
    """At the price of a batch; a model that the kept list does not know has none."""
    usage = {"prompt_tokens": 1_000_000, "completion_tokens": 1_000_000, "total_tokens": 2_000_000}
    row = ResultRow("a", Standing.ANSWERED, usage=usage, provider="openai", model="gpt-4o-mini-2024-07-18")

    price = price_of("openai", "gpt-4o-mini")

    assert price is not None
    expected = float((price.rates.input + price.rates.output) * price.batch)
    assert answer_of("a", row).cost_usd == pytest.approx(expected)
    assert answer_of("a", attrs.evolve(row, model="m")).cost_usd is None
    assert answer_of("a", attrs.evolve(row, provider="local")).cost_usd is None


def _row(custom_id: str, at: int, outcome: Standing) -> ResultRow:
    return ResultRow(custom_id, outcome, text=str(at))


ARRANGED: Final = st.lists(
    st.tuples(st.sampled_from("abcdefgh"), st.sampled_from([Standing.ANSWERED, Standing.FAILED])), max_size=14
)


@given(ARRANGED, st.lists(st.sampled_from("abcdefgh"), unique=True))
def test_rows_come_in_the_order_of_the_ids_wherever_they_stand(
    arranged: list[tuple[str, Standing]], ids: list[str]
) -> None:
    """The first answer under an id, else the last word on it; None where nothing is known."""
    rows = [_row(name, at, outcome) for at, (name, outcome) in enumerate(arranged)]
    names = [row.custom_id for row in rows]
    twice = {digest_id(each.encode()) for each in names if names.count(each) > 1}
    best: dict[str, ResultRow] = {}
    for row in rows:
        if row.custom_id not in best or not best[row.custom_id].answered:
            best[row.custom_id] = row

    assert list(_in_order(rows, ids, twice)) == [(each, best.get(each)) for each in ids]


def test_a_long_run_is_streamed() -> None:
    """What has had its turn is let go before the next is read, in every group; nothing is read ahead."""
    read = 0

    def rows() -> Iterator[ResultRow]:
        nonlocal read
        for at in range(1000):
            read += 1
            yield _row(str(at), at, Standing.FAILED if at % 3 else Standing.ANSWERED)

    for at, (custom_id, _) in enumerate(_in_order(rows(), [str(at) for at in range(1000)], frozenset())):
        assert (custom_id, read) == (str(at), at + 1)


def test_every_answer_is_in_one_group() -> None:
    """Whatever its outcome; an answer that is not what was asked for has failed."""
    answers = [answer_of(each, ResultRow(each, each, text="no city")) for each in Standing]
    answers += [
        answer_of("none", None),
        answer_of("odd", ResultRow("odd", Standing.ANSWERED, text="x"), City),
    ]
    answers.append(answer_of("stopped", ResultRow("stopped", Standing.FAILED, error_class="cancelled")))
    found = Answers(lambda: answers)

    groups = (found.completed, found.failed, found.cancelled, found.pending)
    assert [sorted(each.custom_id for each in group) for group in groups] == [
        ["answered"],
        ["dismissed", "failed", "missing", "odd", "quarantined"],
        ["stopped"],
        ["in-flight", "none", "pending", "retried"],
    ]
    assert len(found) == sum(map(len, groups))
