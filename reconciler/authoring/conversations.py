"""Conversations as authors write them: held to being one, files read on the way."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any, Final

from reconciler.authoring.documents import load
from reconciler.errors import UsageError
from reconciler.model.described import Attachment, Message, Part

_ROLES: Final = ("system", "user", "assistant")


def conversation_of(given: Any, system: str) -> tuple[str, tuple[Message, ...]]:
    """
    System prompt and turns of a conversation.

    Raises:
        UsageError: It is none.
    """
    if isinstance(given, str | bytes) or not isinstance(given, Sequence) or not given:
        raise UsageError(
            "messages are a list, and not an empty one", hint="[{'role': 'user', 'content': ...}]"
        )
    said = [system] if system else []
    messages: list[Message] = []
    for at, each in enumerate(given):
        where = f"messages[{at}]"
        if not isinstance(each, Mapping) or each.keys() != {"role", "content"}:
            raise UsageError(f"{where} is not a role and a content")
        if each["role"] not in _ROLES:
            hint = f"known: {', '.join(_ROLES)}"
            raise UsageError(f"{where}: role={each['role']!r:.40}", hint=hint)
        parts = _parts(each["content"], where)
        if each["role"] == "system":
            if messages or not all(isinstance(part, str) for part in parts):
                raise UsageError(f"{where}: a system prompt is text, and comes first")
            said.extend(part for part in parts if isinstance(part, str))
        elif each["role"] == "assistant" and not all(isinstance(part, str) for part in parts):
            raise UsageError(f"{where}: what a model said is text; files go with what the user says")
        else:
            messages.append(Message(each["role"], parts))
    if not messages or messages[-1].role != "user":
        raise UsageError("the last message is not the user's: nothing is asked")
    return "\n\n".join(said), tuple(messages)


def _parts(content: Any, where: str) -> tuple[Part, ...]:
    listed = [content] if isinstance(content, str | Attachment | os.PathLike) else content
    if not isinstance(listed, Sequence) or not listed:
        raise UsageError(f"{where}: content is a text, or a list of texts and paths of files")
    found: list[Part] = []
    for each in listed:
        if isinstance(each, Mapping) and each.keys() == {"type", "text"} and each["type"] == "text":
            found.append(each["text"])
        elif isinstance(each, str | Attachment):
            found.append(each)
        elif isinstance(each, os.PathLike):
            found.append(load(each))
        else:
            hint = "a text, a pathlib.Path of a file, or {'type': 'text', 'text': ...}"
            raise UsageError(f"{where}: {each!r:.60} is no part of a message", hint=hint)
    return tuple(found)
