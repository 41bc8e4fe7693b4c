"""What user code returns becomes plain JSON, or is refused in words."""

import dataclasses
import datetime as dt
import enum
import json
from typing import Any

import attrs
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.executor.values import NoJson, as_json, is_plain


@dataclasses.dataclass
class Data:
    """A dataclass."""

    a: int = 1


@attrs.frozen
class Class:
    """An attrs class."""

    a: int = 1


class Struct(msgspec.Struct):
    """A msgspec struct."""

    a: int = 1


class Model:
    """Dumps itself as Pydantic models do."""

    def model_dump(self, *, mode: str) -> dict[str, Any]:
        """Say what is in it."""
        return {"a": 1, "mode": mode}


class Word(enum.StrEnum):
    """A word."""

    YES = "yes"


@pytest.mark.parametrize(
    ("value", "plain"),
    [
        pytest.param(None, None, id="none"),
        pytest.param({"a": [1, 2.5, "x", None, True]}, {"a": [1, 2.5, "x", None, True]}, id="json"),
        pytest.param((1, 2), [1, 2], id="tuple"),
        pytest.param({3, 1, 2}, [1, 2, 3], id="set-in-one-order"),
        pytest.param(Data(), {"a": 1}, id="dataclass"),
        pytest.param(Class(), {"a": 1}, id="attrs"),
        pytest.param(Struct(), {"a": 1}, id="struct"),
        pytest.param(Model(), {"a": 1, "mode": "json"}, id="pydantic"),
        pytest.param([Model()], [{"a": 1, "mode": "json"}], id="pydantic-inside"),
        pytest.param(Word.YES, "yes", id="enum"),
        pytest.param(dt.date(2026, 1, 2), "2026-01-02", id="date"),
        pytest.param(10**30, 10**30, id="long-number"),
    ],
)
def test_what_is_json(value: Any, plain: Any) -> None:
    """Plain values stay, and what can be taken apart is."""
    assert json.loads(json.dumps(as_json(value))) == plain


def endless() -> list[Any]:
    """A list that holds itself."""
    found: list[Any] = []
    found.append(found)
    return found


def deep(levels: int) -> list[Any]:
    """A list in a list in a list."""
    found: list[Any] = []
    for _ in range(levels):
        found = [found]
    return found


@pytest.mark.parametrize(
    "value",
    [
        pytest.param({1: "x"}, id="number-as-key"),
        pytest.param({1: "a", "1": "b"}, id="two-keys-as-one"),
        pytest.param({object()}, id="set-of-objects"),
        pytest.param(object(), id="object"),
        pytest.param(len, id="function"),
        pytest.param(int, id="class"),
        pytest.param(iter(()), id="iterator"),
        pytest.param(float("nan"), id="nan"),
        pytest.param({"a": [float("inf")]}, id="infinity-inside"),
        pytest.param("\ud800", id="half-a-surrogate"),
        pytest.param({"\ud800": 1}, id="half-a-surrogate-as-key"),
        pytest.param({(1, 2): 3}, id="tuple-as-key"),
        pytest.param({None: 1}, id="none-as-key"),
        pytest.param(endless(), id="endless"),
        pytest.param(deep(100_000), id="deep"),
    ],
)
def test_what_is_none(value: Any) -> None:
    """Anything else is refused, in words that any file takes."""
    with pytest.raises(NoJson, match=r"returned .*, which is no JSON") as caught:
        as_json(value)
    assert str(caught.value).encode()


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters()),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(st.text(st.characters(), max_size=3), inner, max_size=3)
            | st.frozensets(st.integers() | st.text(), max_size=3)
        ),
        max_leaves=8,
    )
)
def test_what_comes_out_is_strict_json(value: Any) -> None:
    """Whatever goes in, what comes out survives a strict reader and our own writer."""
    try:
        plain = as_json(value)
    except NoJson:
        return
    assert msgspec.json.decode(json.dumps(plain, allow_nan=False, ensure_ascii=False).encode()) == plain
    assert msgspec.json.encode(plain)


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.sampled_from([Word.YES, b"x", 1 << 53, -(1 << 53), 1e300, "\ud800"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text() | st.integers(), inner, max_size=3)
        | st.tuples(inner)
    ),
    max_leaves=12,
)


@given(VALUES)
def test_what_is_plain_is_json_as_it_is(value: Any) -> None:
    """Written down and read back it is the same, types included, and the long way finds no fault with it."""
    if is_plain(value):
        assert repr(json.loads(msgspec.json.encode(value))) == repr(value)
        assert as_json(value, sort=False) == value


def test_what_a_decoder_gives_in_ascii_is_plain() -> None:
    """So an answer is looked at once."""
    assert is_plain({"a": [1, -2.5, "x", None, True, {"b": {}}], "c": {"d": [[]]}})


@pytest.mark.parametrize(
    "wrap", [lambda inner: {"a": inner}, lambda inner: [inner]], ids=["objects", "arrays"]
)
def test_deep_values_are_not_plain(wrap: Any) -> None:
    """However deep: they take the long way, which knows what every reader takes."""
    for depth in (66, 5000):
        value: Any = None
        for _ in range(depth):
            value = wrap(value)
        assert not is_plain(value)
