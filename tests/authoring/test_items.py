"""What an author may put down, what is refused before anything is written, and the ids that come of it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import attrs
import pytest

from reconciler.authoring.items import Wanted, generation_of, item_of, named
from reconciler.authoring.models import provider_of
from reconciler.errors import StaleSnapshot, UsageError
from reconciler.model.described import Api
from tests.authoring.documents import docx, pdf, png, text

HELLO: Final = Wanted("gpt-4o-mini", prompt="Hello")


@attrs.frozen
class City:
    """A form of answers."""

    name: str
    people: int


@pytest.mark.parametrize(
    ("model", "provider"),
    [
        ("gpt-4o-mini", "openai"),
        ("o3-mini", "openai"),
        ("claude-sonnet-4-5", "anthropic"),
        ("gemini-2.5-flash", "gemini"),
        ("mistral-small-latest", "mistral"),
        ("open-mistral-nemo", "mistral"),
    ],
)
def test_a_model_says_whose_it_is(model: str, provider: str) -> None:
    """The usual names need no provider beside them."""
    assert provider_of(model) == provider


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"prompt": None}, "neither a prompt nor messages"),
        ({"prompt": ""}, "neither a prompt nor messages"),
        ({"messages": [{"role": "user", "content": "x"}]}, "messages say everything"),
        ({"prompt": None, "files": ("a.png",)}, "file without a prompt"),
        ({"model": ""}, "no model"),
        ({"model": "llama-9"}, "nobody here knows whose model 'llama-9' is"),
        ({"provider": "opanai"}, "no provider 'opanai'"),
        ({"endpoint": "chats"}, "no endpoint 'chats'"),
        ({"model": "claude-x", "endpoint": "chat"}, "anthropic has one endpoint"),
        ({"model": "gpt-5-mini", "params": {"temperature": 0}}, "reasoning model, and refuses temperature"),
        ({"citations": True}, "citations of what"),
        ({"custom_id": ""}, "is no text"),
        ({"model": "claude-x", "custom_id": "a.b"}, "Anthropic takes 1 to 64"),
        ({"response_model": 7}, "has no JSON Schema"),
        ({"files": ("/nowhere/a.png",)}, "there is no file /nowhere/a.png"),
        ({"prompt": None, "messages": []}, "messages are a list"),
        ({"prompt": None, "messages": "Hello"}, "messages are a list"),
        ({"prompt": None, "messages": [{"role": "user"}]}, r"messages\[0\] is not a role and a content"),
        ({"prompt": None, "messages": [{"role": "bot", "content": "x"}]}, "role='bot'"),
        (
            {"prompt": None, "messages": [{"role": "assistant", "content": "x"}]},
            "last message is not the user's",
        ),
        (
            {"prompt": None, "messages": [{"role": "user", "content": [{"type": "image"}]}]},
            "no part of a message",
        ),
        (
            {
                "prompt": None,
                "messages": [{"role": "user", "content": "x"}, {"role": "system", "content": "y"}],
            },
            "comes first",
        ),
    ],
)
def test_what_cannot_be_asked_is_refused_when_it_is_put_down(change: Mapping[str, Any], told: str) -> None:
    """Each mistake has its own words, and nothing was written when they come."""
    with pytest.raises(UsageError, match=told):
        item_of(attrs.evolve(HELLO, **change))


def test_files_are_held_to_what_their_names_say(tmp_path: Path) -> None:
    """Empty files, unknown kinds and pictures that are none never reach a provider."""
    (tmp_path / "empty.txt").touch()
    (tmp_path / "fake.png").write_bytes(b"<html>")
    (tmp_path / "tool.exe").write_bytes(b"MZ")
    (tmp_path / "folder.pdf").mkdir()
    for name, told in (
        ("empty.txt", "is empty"),
        ("fake.png", "is no PNG, though its name says so"),
        ("tool.exe", "nobody is known to take such files"),
        ("folder.pdf", "is not a file"),
    ):
        with pytest.raises(UsageError, match=told):
            item_of(attrs.evolve(HELLO, files=(tmp_path / name,)))


def test_a_picture_of_text_cannot_be_cited(tmp_path: Path) -> None:
    """A PDF without text is refused where citations are asked for, and taken where they are not."""
    asked = Wanted("claude-x", prompt="What is said?", citations=True)
    assert item_of(attrs.evolve(asked, files=(pdf(tmp_path / "said.pdf", "Hello"),))).api is Api.ANTHROPIC
    blank = attrs.evolve(asked, files=(pdf(tmp_path / "blank.pdf"),))
    with pytest.raises(UsageError, match="cannot be cited"):
        item_of(blank)
    assert item_of(attrs.evolve(blank, citations=False)).provider == "anthropic"
    with pytest.raises(UsageError, match="cannot be cited"):
        item_of(attrs.evolve(asked, files=(png(tmp_path / "a.png"),)))


def test_a_document_goes_where_it_is_taken(tmp_path: Path) -> None:
    """DOCX is refused by the chat API, and taken by the Responses API of the same model."""
    word = attrs.evolve(HELLO, files=(docx(tmp_path / "a.docx"),))
    with pytest.raises(UsageError, match="does not take"):
        item_of(word)
    assert item_of(attrs.evolve(word, endpoint="responses")).api is Api.RESPONSES


@pytest.mark.parametrize(
    "change",
    [
        {"prompt": "Hello!"},
        {"model": "gpt-4o"},
        {"system": "Be short."},
        {"params": {"temperature": 0}},
        {"response_model": City},
        {"endpoint": "responses"},
        {"provider": "azure"},
    ],
)
def test_whatever_changes_an_answer_changes_the_id(change: Mapping[str, Any]) -> None:
    """An id stands for one content; two that differ in anything that counts have two ids."""
    assert item_of(attrs.evolve(HELLO, **change)).custom_id != item_of(HELLO).custom_id


def test_the_same_request_has_the_same_id_in_every_process() -> None:
    """The id is the one that was made when this was written: a later version may not pay again."""
    assert item_of(HELLO).custom_id == "25a72d5e36e8e8541403"


def test_a_files_content_is_part_of_the_id(tmp_path: Path) -> None:
    """Another content under the same name is another request."""
    wanted = attrs.evolve(HELLO, files=(text(tmp_path / "a.txt", "one"),))
    before = item_of(wanted)
    text(tmp_path / "a.txt", "two")
    assert item_of(wanted).custom_id != before.custom_id
    with pytest.raises(StaleSnapshot, match="changed"):
        before.line(before.custom_id)


def test_equal_rows_stay_apart_unless_told_otherwise() -> None:
    """The second of two equal requests gets an id of its own; with dedupe there is one."""
    item = item_of(HELLO)
    assert [name for name, _ in named([item, item], dedupe=False, generation=1)] == [
        item.custom_id,
        f"{item.custom_id}-2",
    ]
    assert [name for name, _ in named([item, item], dedupe=True, generation=1)] == [item.custom_id]


def test_a_given_id_belongs_to_one_request() -> None:
    """Two requests under one id would be answered by one answer."""
    one = item_of(attrs.evolve(HELLO, custom_id="a"))
    other = item_of(attrs.evolve(HELLO, prompt="Bye", custom_id="a"))
    with pytest.raises(UsageError, match="two requests that differ"):
        named([one, other], dedupe=True, generation=1)
    with pytest.raises(UsageError, match="given twice"):
        named([one, one], dedupe=False, generation=1)


@pytest.mark.parametrize(
    ("custom_id", "generation"),
    [("a", 1), ("a_g2", 2), ("a-3_g12", 12), ("a_gx", 1), ("a_g²", 1), ("a_g" + "9" * 5000, 1)],
)
def test_generations_are_read_off_ids(custom_id: str, generation: int) -> None:
    """What `named` writes is what is read."""
    assert generation_of(custom_id) == generation
