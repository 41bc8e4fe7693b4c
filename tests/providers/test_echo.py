"""The built-in worker `echo`: whatever it is asked, its answer reads as answered, with the last words."""

import asyncio
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.codec.answer import encode_answer
from reconciler.codec.jsonl import Line
from reconciler.codec.result import decode_result
from reconciler.model.exchange import Dialect, Request, Result
from reconciler.model.outcome import Outcome
from reconciler.providers.echo import echo

URLS = ("/v1/chat/completions", "/v1/responses", "/v1/embeddings", "/v1/completions", "/openai/responses")
SHAPES = [(Dialect.OPENAI, url) for url in URLS] + [(each, None) for each in Dialect]

json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(1 << 53), 1 << 53) | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
parts = (
    st.fixed_dictionaries({"text": json_values}) | st.fixed_dictionaries({"type": st.text()}) | json_values
)
messages = st.fixed_dictionaries(
    {}, optional={"content": json_values | st.lists(parts), "parts": st.lists(parts)}
)
bodies = st.fixed_dictionaries(
    {},
    optional={
        key: json_values | st.lists(messages | json_values, max_size=3)
        for key in ("messages", "contents", "input", "prompt")
    },
)


def asked(dialect: Dialect, url: str | None, body: dict[str, Any]) -> Request:
    """A request of some shape."""
    return Request("r-1", dialect, url, body, None)


def echoed(request: Request) -> Result:
    """What is read from the line of its echo."""
    line = encode_answer(request, asyncio.run(echo(request)), 1)
    return decode_result(Line(1, 0, line), "echo")


@given(st.sampled_from(SHAPES), bodies)
def test_any_request_is_answered(shape: tuple[Dialect, str | None], body: dict[str, Any]) -> None:
    """No body makes it raise, and no answer of its own reads as a failure."""
    assert echoed(asked(*shape, body)).outcome is Outcome.ANSWERED


@pytest.mark.parametrize(
    ("dialect", "url", "body", "text"),
    [
        pytest.param(
            Dialect.OPENAI,
            "/v1/chat/completions",
            {"messages": [{"role": "system", "content": "no"}, {"role": "user", "content": "yes"}]},
            "yes",
            id="last-message",
        ),
        pytest.param(
            Dialect.OPENAI,
            "/v1/chat/completions",
            {
                "messages": [
                    {"content": [{"type": "text", "text": "a"}, {"type": "image_url"}, {"text": "b"}]}
                ]
            },
            "ab",
            id="parts",
        ),
        pytest.param(Dialect.OPENAI, "/v1/completions", {"prompt": "p"}, "p", id="prompt"),
        pytest.param(Dialect.OPENAI, "/v1/responses", {"input": "i"}, "i", id="responses-text"),
        pytest.param(
            Dialect.OPENAI,
            "/v1/responses",
            {"input": [{"role": "user", "content": [{"type": "input_text", "text": "i"}]}]},
            "i",
            id="responses-items",
        ),
        pytest.param(Dialect.OPENAI, "/v1/embeddings", {"input": "i"}, None, id="embeddings"),
        pytest.param(Dialect.ANTHROPIC, None, {"messages": [{"content": "a"}]}, "a", id="anthropic"),
        pytest.param(
            Dialect.ANTHROPIC,
            None,
            {"messages": [{"content": [{"type": "text", "text": "a"}]}]},
            "a",
            id="blocks",
        ),
        pytest.param(
            Dialect.GEMINI, None, {"contents": [{"parts": [{"text": "a"}, {"text": "b"}]}]}, "ab", id="gemini"
        ),
        pytest.param(Dialect.MISTRAL, None, {"messages": [{"content": "m"}]}, "m", id="mistral"),
        pytest.param(Dialect.MISTRAL, None, {"messages": []}, "", id="nothing-said"),
        pytest.param(Dialect.MISTRAL, None, {}, "", id="nothing-at-all"),
    ],
)
def test_the_last_words_come_back(dialect: Dialect, url: str | None, body: dict[str, Any], text: str) -> None:
    """Wherever a provider's lines put what the user said last, that is what is answered."""
    assert echoed(asked(dialect, url, body)).text == text
