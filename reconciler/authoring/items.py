"""
One request of an author: held to what can be sent, turned into its line, and given its id.

The id is made of everything that changes the answer, files included, so the same script gives the same ids.
Files are read when a request is added and again when its line is written; nothing of them is kept between.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Mapping, Sequence
from typing import Any, Final, TypeAlias

import attrs
import msgspec

from reconciler.authoring.conversations import conversation_of
from reconciler.authoring.documents import load, refuse_unreadable
from reconciler.authoring.models import api_of, provider_of, refuse_params
from reconciler.codec.bodies import line_of
from reconciler.codec.bodies.words import in_words
from reconciler.errors import StaleSnapshot, UsageError
from reconciler.model.described import Api, Attachment, Described, Message, Schema
from reconciler.prompting import schema_of

PathLike: TypeAlias = "str | os.PathLike[str]"

_DIGITS: Final = 20
_LONGEST: Final = 64
_GENERATION: Final = re.compile(r"_g([1-9][0-9]{0,8})\Z")
_PLAIN: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")


@attrs.frozen
class Wanted:
    """
    A request as its author put it.

    Attributes:
        model: The model.
        provider: Whom to ask; empty for the model's own provider.
        endpoint: `chat` or `responses`; empty for `chat`.
        prompt: A text; None where there are messages.
        messages: A conversation; None where there is a prompt.
        files: Files that go with the prompt.
        system: A system prompt.
        response_model: The form of the answer: a Pydantic model, an attrs class, a dataclass, a TypedDict
            or a JSON Schema; None for text.
        citations: Whether the answer shall say where it found what it says.
        custom_id: The id; None for one made of the content.
        params: Everything else.
    """

    model: str
    provider: str = ""
    endpoint: str = ""
    prompt: str | None = None
    messages: Sequence[Mapping[str, Any]] | None = None
    files: tuple[PathLike, ...] = ()
    system: str = ""
    response_model: Any = None
    citations: bool = False
    custom_id: str | None = None
    params: Mapping[str, Any] = attrs.field(factory=dict)


@attrs.frozen
class Item:
    """
    A request that can be sent.

    Attributes:
        wanted: What its author put down.
        provider: Whom it is for.
        api: Its shape.
        content: The digest of everything that changes the answer.
        size: Bytes of its line, but for the id.
        custom_id: Its id before occurrences and generations are counted.
        schema: The JSON Schema that its answer is held to, as text; empty for none.
        in_words: Whether the prompt asks for that form, as the request cannot name it.
    """

    wanted: Wanted
    provider: str
    api: Api
    content: str
    size: int
    custom_id: str
    schema: str = ""
    in_words: bool = False

    @property
    def model(self) -> str:
        """The model."""
        return self.wanted.model

    def line(self, custom_id: str) -> bytes:
        """
        The request line.

        Raises:
            StaleSnapshot: A file of it has changed since it was added.
        """
        described = _described(self.wanted)
        if _digest(described, self.provider, self.api) != self.content:
            raise StaleSnapshot("a file has changed since its request was added; run the script again")
        return line_of(described, self.api, custom_id)


def item_of(wanted: Wanted) -> Item:
    """
    Hold a request to what can be sent.

    Raises:
        UsageError: It says too much or too little, or its provider would refuse it.
    """
    _refuse_mixed(wanted)
    provider = provider_of(wanted.model, wanted.provider)
    if not wanted.model and provider != "local":
        raise UsageError("no model", hint="name one: model='gpt-4o-mini', or --model gpt-4o-mini")
    api = api_of(provider, wanted.endpoint)
    refuse_params(wanted.model, provider, wanted.params)
    described = _described(wanted)
    line = line_of(described, api, "")
    content = _digest(described, provider, api)
    custom_id = content[:_DIGITS] if wanted.custom_id is None else _held(wanted.custom_id, provider)
    return Item(
        wanted, provider, api, content, len(line), custom_id, _compiled(described), in_words(described, api)
    )


def _compiled(described: Described) -> str:
    """
    The schema as text, held to being one.

    Raises:
        UsageError: It is none.
    """
    if described.schema is None:
        return ""
    from reconciler.processors.extraction import BadSchema, compile_schema, refuse_wordless  # noqa: PLC0415 - loads a library

    try:
        refuse_wordless(described.schema.schema)
        # Who has the schema alone shall know what it is called.
        return compile_schema({"title": described.schema.name, **described.schema.schema})
    except BadSchema as error:
        raise UsageError(f"response_model is no JSON Schema: {error}") from error


def _refuse_mixed(wanted: Wanted) -> None:
    if wanted.messages is not None and (wanted.prompt is not None or wanted.files):
        told = "messages say everything; a prompt or a file beside them has no place"
        raise UsageError(told, hint="put the text into messages, or give prompt= and file= alone")
    if wanted.files and wanted.prompt is None:
        raise UsageError("a file without a prompt: what is asked of it?", hint="prompt='Summarise this.'")
    if wanted.prompt is not None and not isinstance(wanted.prompt, str):
        raise UsageError(f"{wanted.prompt!r:.60} is no prompt", hint="a prompt is a text")
    for file in wanted.files:
        if not isinstance(file, str | os.PathLike):
            raise UsageError(f"{file!r:.60} is no path of a file", hint="file='report.pdf'")
    if wanted.messages is None and not wanted.prompt:
        raise UsageError("neither a prompt nor messages", hint="add(prompt='...') or add(messages=[...])")
    if wanted.citations and not wanted.files and wanted.messages is None:
        raise UsageError("citations of what? there is no file", hint="file='report.pdf', or --file-column")


def _described(wanted: Wanted) -> Described:
    """The request with its files read."""
    schema = None
    if wanted.response_model is not None:
        schema = Schema(_schema_name(wanted.response_model), schema_of(wanted.response_model))
    if wanted.messages is None:
        files = tuple(load(path) for path in wanted.files)
        if wanted.citations:
            for file in files:
                refuse_unreadable(file)
        asked = Message("user", (*files, wanted.prompt or ""))
        return Described(wanted.model, (asked,), wanted.system, schema, wanted.citations, wanted.params)
    system, messages = conversation_of(wanted.messages, wanted.system)
    if wanted.citations:
        sent = [part for message in messages for part in message.parts if isinstance(part, Attachment)]
        if not sent:
            raise UsageError(
                "citations of what? there is no file", hint="content=[Path('report.pdf'), '...']"
            )
        for file in sent:
            refuse_unreadable(file)
    return Described(wanted.model, messages, system, schema, wanted.citations, wanted.params)


def _schema_name(model: Any) -> str:
    name = model.get("title") if isinstance(model, Mapping) else getattr(model, "__name__", None)
    kept = re.sub(r"[^A-Za-z0-9_-]", "_", str(name or ""))[:_LONGEST]
    return kept or "answer"


def _held(custom_id: object, provider: str) -> str:
    """
    Hold a given id to being one.

    Raises:
        UsageError: It is none, or its provider takes none like it.
    """
    if not isinstance(custom_id, str) or not custom_id:
        raise UsageError(f"custom_id={custom_id!r:.60} is no text")
    if provider == "anthropic" and _PLAIN.fullmatch(custom_id) is None:
        told = f"custom_id={custom_id!r:.80}: Anthropic takes 1 to 64 letters, digits, _ and -"
        raise UsageError(told)
    return custom_id


def _digest(described: Described, provider: str, api: Api) -> str:
    """
    What changes the answer, as 32 hexadecimal digits.

    Made of the description and not of the line: a line that says the same in other words, as a later
    version may write it, is the same request.
    """
    turns = [
        [message.role, [part if isinstance(part, str) else _file(part) for part in message.parts]]
        for message in described.messages
    ]
    schema = None if described.schema is None else [described.schema.name, described.schema.schema]
    said = [
        provider,
        api,
        described.model,
        described.system,
        turns,
        schema,
        described.citations,
        described.params,
    ]
    return hashlib.blake2b(msgspec.json.encode(said, order="sorted"), digest_size=16).hexdigest()


def _file(file: Attachment) -> list[str]:
    return [file.name, file.media_type, hashlib.sha256(file.data).hexdigest()]


def named(items: Sequence[Item], *, dedupe: bool, generation: int) -> list[tuple[str, Item]]:
    """
    The items with their final ids, in order.

    Args:
        items: What was added.
        dedupe: Ask equal requests once; otherwise the n-th of several has `-n` behind its id.
        generation: Which time all of them are asked, from 1; from the second on `_g<n>` follows.

    Raises:
        UsageError: One id was given to two requests that differ.
    """
    seen: dict[str, tuple[int, str]] = {}
    found: list[tuple[str, Item]] = []
    for item in items:
        times, content = seen.get(item.custom_id, (0, item.content))
        if content != item.content:
            raise UsageError(
                f"custom_id={item.custom_id!r:.80} was given to two requests that differ",
                hint="give each an id of its own, or none",
            )
        if times and (dedupe or item.wanted.custom_id is not None):
            if not dedupe:
                told = f"custom_id={item.custom_id!r:.80} was given twice"
                raise UsageError(told, hint="dedupe=True asks equal requests once")
            continue
        seen[item.custom_id] = (times + 1, content)
        occurrence = f"-{times + 1}" if times else ""
        later = f"_g{generation}" if generation > 1 else ""
        found.append((f"{item.custom_id}{occurrence}{later}", item))
    return found


def generation_of(custom_id: str) -> int:
    """Which generation an id belongs to, from 1."""
    found = _GENERATION.search(custom_id)
    return 1 if found is None else int(found[1])
