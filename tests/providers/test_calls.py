"""What a reply is taken for, before anybody asks what it says."""

import pytest

from reconciler.errors import TransientError
from reconciler.providers.calls import Reply


@pytest.mark.parametrize(
    "body",
    [b"", b"<html>", b'{"a": ', b'{"a": "\xff"}', b"[" * 100_000, b"[" * 600 + b"1e999"],
    ids=["empty", "page", "cut", "no-text", "deep", "huge-number"],
)
def test_a_reply_that_is_no_json(body: bytes) -> None:
    """It may be whole the next time; what is said of it is short, however deep it is nested."""
    with pytest.raises(TransientError, match="the reply is no JSON") as told:
        Reply(200, {}, body).json()
    assert len(told.value.message) < 300


def test_a_reply_that_is_no_object() -> None:
    """JSON of another kind is told as such."""
    with pytest.raises(TransientError, match="the reply is list, expected an object"):
        Reply(200, {}, b"[1]").object()
    assert Reply(200, {}, b'{"a": 1}').object() == {"a": 1}
