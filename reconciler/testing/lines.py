"""The lines of an input file: where they are, what is wrong with them, and what they ask."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random
from typing import Any, Final

import attrs
import msgspec

from reconciler.testing.exchange import Json
from reconciler.testing.fates import LineError
from reconciler.testing.files import Content
from reconciler.testing.world import Batch

BOM: Final = b"\xef\xbb\xbf"
MOST_ERRORS: Final = 100
SEED: Final = 7
"""Shuffled results come in the same wrong order in every run."""


@attrs.frozen
class Rules:
    """
    What the lines of an OpenAI-shaped file have to be.

    Attributes:
        endpoint: What every `url` has to be; empty where lines have none.
        most: How many requests a file may hold.
        one_model: Whether all lines have to name the same model [recall].
        needs_model: Whether each line has to name one.
        bom: What is said of a byte order mark; nothing special when empty.
        needs_id: Whether each line has to have a custom_id.
    """

    endpoint: str
    most: int
    one_model: bool = True
    needs_model: bool = True
    bom: str = ""
    needs_id: bool = True


@attrs.define
class Looked:
    """What validation found: the place of each request, and what is wrong."""

    places: list[tuple[int, int]] = attrs.field(factory=list)
    errors: list[LineError] = attrs.field(factory=list)
    models: set[str] = attrs.field(factory=set)
    _ids: set[str] = attrs.field(factory=set)

    def blame(self, line: int | None, code: str, message: str, param: str | None = None) -> None:
        """Something is wrong."""
        if len(self.errors) < MOST_ERRORS:
            self.errors.append(LineError(code, message, line, param))

    def met(self, custom_id: str) -> bool:
        """Whether this id came before; it has now."""
        if custom_id in self._ids:
            return True
        self._ids.add(custom_id)
        return False


def examine(content: Content, rules: Rules) -> Looked:
    """
    Read an input file as validation does.

    The codes: OpenAI facts, batch object (from Azure's documentation of the same pipeline).
    """
    looked, at = Looked(), 0
    for number, line in content.every_line():
        if number == 1 and rules.bom and line.startswith(BOM):
            looked.blame(None, "invalid_request", rules.bom)
            return looked
        if line.strip():
            looked.places.append((at, len(line)))
            _examine_line(looked, number, line, rules)
        at += len(line)
    if not looked.places:
        looked.blame(None, "empty_file", "The input file is empty.")
    if len(looked.places) > rules.most:
        looked.blame(None, "too_many_tasks", f"The batch has more than {rules.most} requests.")
    if rules.one_model and len(looked.models) > 1:
        looked.blame(None, "model_mismatch", "The requests name more than one model.", "body.model")
    return looked


def _examine_line(looked: Looked, number: int, line: bytes, rules: Rules) -> None:
    try:
        value = msgspec.json.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError):
        looked.blame(number, "invalid_json_line", "This line is not parseable as valid JSON.")
        return
    if not isinstance(value, dict):
        looked.blame(number, "invalid_json_line", "This line is not a JSON object.")
        return
    _examine_id(looked, number, value.get("custom_id"), rules)
    body = value.get("body")
    if not isinstance(body, dict):
        looked.blame(number, "invalid_request", "Missing required parameter: 'body'.", "body")
        return
    if rules.endpoint and value.get("method") != "POST":
        looked.blame(number, "invalid_request", "The method has to be POST.", "method")
    if rules.endpoint and value.get("url") != rules.endpoint:
        looked.blame(number, "url_mismatch", "The URL of the request is not that of the batch.", "url")
    _examine_model(looked, number, body.get("model"), rules)


def _examine_model(looked: Looked, number: int, model: Any, rules: Rules) -> None:
    if isinstance(model, str) and model:
        looked.models.add(model)
    elif rules.needs_model:
        looked.blame(number, "model_not_found", "The request names no model.", "body.model")


def _examine_id(looked: Looked, number: int, custom_id: Any, rules: Rules) -> None:
    if not isinstance(custom_id, str) or not custom_id:
        if rules.needs_id:
            looked.blame(number, "invalid_request", "Missing required parameter: 'custom_id'.", "custom_id")
    elif looked.met(custom_id):
        message = f"The custom_id '{custom_id}' is used twice."
        looked.blame(number, "duplicate_custom_id", message, "custom_id")


def requests_of(batch: Batch) -> Iterator[tuple[int, Json]]:
    """Each request of a batch, with its position in the input, in the order in which it is answered."""
    order = list(range(batch.total))
    if batch.fate.shuffle:
        Random(SEED).shuffle(order)  # noqa: S311 - repeatable, not secret
        if order == list(range(batch.total)):
            order.reverse()
    lines = batch.source.line_at(batch.lines[position] for position in order)
    for position, line in zip(order, lines, strict=True):
        yield position, msgspec.json.decode(line)


def first_bad(content: Content, places: list[tuple[int, int]]) -> LineError | None:
    """The first line that is not a JSON object."""
    for number, line in enumerate(content.line_at(iter(places)), 1):
        try:
            value = msgspec.json.decode(line)
        except (msgspec.DecodeError, UnicodeDecodeError):
            value = None
        if not isinstance(value, dict):
            return LineError("INVALID_ARGUMENT", f"Line {number} is not a JSON object.", number)
    return None


def asked(body: Any) -> str:
    """What a request asks: the text of its last message, or of whatever stands for it."""
    if not isinstance(body, dict):
        return ""
    for name in ("messages", "contents", "input", "prompt"):
        found = body.get(name)
        if isinstance(found, str):
            return found
        if isinstance(found, list) and found:
            return _text(found[-1])
    return ""


def _text(value: Any) -> str:
    """The text in a message, or in a list of its parts."""
    match value:
        case str():
            return value
        case list():
            return "".join(_text(part) for part in value)
        case {"text": str() as text}:
            return text
        case {"content": content}:
            return _text(content)
        case {"parts": parts}:
            return _text(parts)
        case _:
            return ""
