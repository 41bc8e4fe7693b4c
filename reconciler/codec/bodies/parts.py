"""What bodies of several shapes have in common: files as base64, texts of files, members by other names."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from reconciler.codec.bodies.strict import closed
from reconciler.errors import UsageError
from reconciler.model.described import DOCX, Attachment, Described, Part, Schema


def encoded(file: Attachment) -> str:
    """The bytes of a file in base64."""
    return base64.b64encode(file.data).decode()


def data_url(file: Attachment) -> str:
    """The same as a URL."""
    return f"data:{file.media_type};base64,{encoded(file)}"


def text_in(file: Attachment) -> str:
    """
    What a file of text says.

    Raises:
        UsageError: It is no UTF-8.
    """
    try:
        return file.data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        told = f"{file.name} is no text in UTF-8: {error.reason} at byte {error.start}"
        raise UsageError(told, hint="save it as UTF-8") from error


def as_text(file: Attachment) -> str:
    """A file of text as a part of a prompt, for APIs that have no place for such files."""
    return f"{file.name}:\n\n{text_in(file)}"


def refuse(file: Attachment, api: str, taken: str) -> UsageError:
    """The error for a file that an API does not take."""
    hint = f"it takes {taken}"
    if file.media_type == DOCX:
        hint += "; OpenAI's Responses API takes .docx (endpoint='responses'), or save it as PDF"
    return UsageError(f"{api} does not take {file.name} ({file.media_type})", hint=hint)


def renamed(params: Mapping[str, Any], names: Mapping[str, str | None], api: str) -> dict[str, Any]:
    """
    The parameters by the names of an API.

    Args:
        params: As their author wrote them.
        names: What an API calls a parameter; None where it has no such thing. Others keep their names.
        api: For errors.

    Raises:
        UsageError: The API has no such parameter.
    """
    found: dict[str, Any] = {}
    for key, value in params.items():
        name = names.get(key, key)
        if name is None:
            raise UsageError(f"{api} has no {key}", hint=f"leave {key} out, or choose another model")
        found[name] = value
    return found


def listed(value: Any) -> Any:
    """One text as a list of texts; everything else as it is."""
    return [value] if isinstance(value, str) else value


def content_of(
    parts: Sequence[Part], part_of: Callable[[Part], dict[str, Any]]
) -> str | list[dict[str, Any]]:
    """Text alone as text, everything else as a list of parts."""
    alone = parts[0] if len(parts) == 1 else None
    return alone if isinstance(alone, str) else [part_of(each) for each in parts]


def chat_of(
    described: Described, api: str, names: Mapping[str, str | None], part_of: Callable[[Part], dict[str, Any]]
) -> dict[str, Any]:
    """
    A body in the form of chat completions, which more than one provider takes.

    Args:
        described: The request.
        api: For errors.
        names: What the API calls a parameter, as for `renamed`.
        part_of: A part of a message as the API wants it.

    Raises:
        UsageError: It holds what this API does not take.
    """
    messages: list[dict[str, Any]] = []
    if described.system:
        messages.append({"role": "system", "content": described.system})
    turns = ((each.role, content_of(each.parts, part_of)) for each in described.messages)
    messages += ({"role": role, "content": content} for role, content in turns)
    found: dict[str, Any] = {"model": described.model, "messages": messages}
    if described.schema is not None:
        found["response_format"] = {"type": "json_schema", "json_schema": form_of(described.schema)}
    return {**renamed(described.params, names, api), **found}


def form_of(schema: Schema) -> dict[str, Any]:
    """A schema as OpenAI and those who copy it want it: held to strictly where that can be."""
    strict = closed(schema.schema)
    if strict is None:
        return {"name": schema.name, "schema": schema.schema}
    return {"name": schema.name, "schema": strict, "strict": True}
