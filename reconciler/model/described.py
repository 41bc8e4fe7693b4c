"""
A request as its author describes it, before it takes the shape of any provider.

Pure values. `codec/bodies/` makes request lines of them, one module a shape.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from typing import Any, Final, TypeAlias

import attrs

PDF: Final = "application/pdf"
DOCX: Final = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"


class Api(enum.StrEnum):
    """The shapes of request lines that can be made, by the API that takes them."""

    CHAT = "chat"
    RESPONSES = "responses"
    ANTHROPIC = "anthropic"
    GEMINI = "gemini"
    MISTRAL = "mistral"


@attrs.frozen
class Attachment:
    """
    A file that goes with a request.

    Attributes:
        name: What it is called, without folders.
        media_type: Such as `image/png`.
        data: Its bytes.
    """

    name: str
    media_type: str
    data: bytes = attrs.field(repr=False)

    @property
    def is_image(self) -> bool:
        """Whether it is a picture."""
        return self.media_type.startswith("image/")

    @property
    def is_text(self) -> bool:
        """Whether it is read as text."""
        return self.media_type.startswith("text/") or self.media_type == "application/json"


Part: TypeAlias = str | Attachment


@attrs.frozen
class Message:
    """
    One turn of a conversation.

    Attributes:
        role: `user` or `assistant`.
        parts: Texts and files, in order; of an assistant texts alone.
    """

    role: str
    parts: tuple[Part, ...]


@attrs.frozen
class Schema:
    """
    The form that an answer is asked in.

    Attributes:
        name: What it is called; letters, digits, `_` and `-`.
        schema: A JSON Schema.
    """

    name: str
    schema: Mapping[str, Any]


@attrs.frozen
class Described:
    """
    One request.

    Attributes:
        model: The model.
        messages: The conversation, without the system prompt.
        system: The system prompt; empty for none.
        schema: The form of the answer; None for text.
        citations: Whether the answer shall say where in the files it found what it says.
        params: Everything else, such as `temperature`, by the names of `docs/authoring.md`.
    """

    model: str
    messages: tuple[Message, ...]
    system: str = ""
    schema: Schema | None = None
    citations: bool = False
    params: Mapping[str, Any] = attrs.field(factory=dict)
