"""
What Anthropic's model makes of documents that may be cited: it reads them, and quotes what it says.

Source: Anthropic's guides on citations and on PDF: an answer comes in blocks of text, and those that rest on
a document bear citations; pages count from 1, characters and blocks from 0, and ends are not included; a
schema together with citations is refused. The model here is a plain one. Asked for JSON by a schema in the
prompt or in the request, it fills each member from a line `Name: value` of a document; asked for anything
else, it says again what the documents begin with. Of a PDF it reads the text, if pypdf is installed, and of a
picture what stands in its `tEXt` chunks (PNG specification): that is all the eyes it has.
"""

from __future__ import annotations

import base64
import io
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

import attrs
import msgspec

from reconciler.testing.exchange import Json

_LINE: Final = re.compile(r"^[ \t]*([\w ]{1,60}?)[ \t]*:[ \t]*(\S.*?)[ \t]*$", re.MULTILINE)
_FIRST: Final = re.compile(r"\S[^\n.]*\.?")
_SCHEMA: Final = re.compile(r"JSON Schema[^{]*(\{.*\})", re.DOTALL)
_AMOUNT: Final = re.compile(r"-?\d[\d,]*(?:\.\d+)?")


@attrs.frozen
class Place:
    """
    A part of a document that can be cited.

    Attributes:
        text: What it says.
        where: What a citation says of its place, but for the characters of a text.
        kind: The type of such a citation; empty where it may be read and not cited.
    """

    text: str
    where: Json
    kind: str = ""

    def citation(self, start: int, end: int) -> Json | None:
        """A citation of some of its characters; pages and blocks are cited by number."""
        if not self.kind:
            return None
        place = {"type": self.kind, "cited_text": self.text[start:end], **self.where}
        if self.kind == "char_location":
            place |= {"start_char_index": start, "end_char_index": end}
        return place


def problem_of(params: Json) -> str:
    """What is wrong with documents and forms that a request puts together."""
    form = params.get("output_config")
    schema = form.get("format") if isinstance(form, dict) else None
    cited = any(_is_cited(block) for block in _documents(params))
    if schema and cited:
        return "output_config.format: structured output cannot be used together with citations"
    if isinstance(schema, dict) and isinstance(schema.get("schema"), dict):
        return _problem_of_schema(schema["schema"])
    return ""


def _problem_of_schema(schema: Json) -> str:
    """What Anthropic's guide on structured output refuses: open objects, and bounds on values."""
    ahead: list[Any] = [schema]
    while ahead:
        each = ahead.pop()
        if isinstance(each, dict):
            if each.get("type") == "object" and each.get("additionalProperties") is not False:
                return "output_config.format.schema: For 'object' type, 'additionalProperties' must be false"
            names = each.get("properties") if isinstance(each.get("properties"), dict) else {}
            refused = {"minimum", "maximum", "minLength", "maxLength", "multipleOf", "oneOf"} & each.keys()
            if refused and not refused <= set(names or ()):
                return f"output_config.format.schema: {min(refused)} is not supported"
            ahead += [inner for key, inner in each.items() if key != "properties"] + list(
                (names or {}).values()
            )
        elif isinstance(each, list):
            ahead += each
    return ""


def blocks_of(params: Json, said: str | None) -> list[Json] | None:
    """
    The blocks of an answer that rests on documents; None where it is said in one piece, and rests on none.

    Args:
        params: The request.
        said: What the answer says, where a test has put down that; what the documents say stands in it.
    """
    places = [each for at, block in enumerate(_documents(params)) for each in _places(at, block)]
    citable = [each for each in places if each.kind]
    if said is not None:
        return _cut(said, citable) if citable else None
    schema = _schema(params)
    readable = [*places, *(Place(text, {}) for text in _pictures(params))]
    if schema is not None and readable:
        return _filled(schema, readable)
    return _quoted(citable) if citable else None


def _schema(params: Json) -> Any:
    """The form that is asked for, in the request or in its prompt."""
    form = params.get("output_config")
    named = form.get("format") if isinstance(form, dict) else None
    if isinstance(named, dict):
        return named.get("schema")
    found = _SCHEMA.search(_prompt(params))
    try:
        return None if found is None else msgspec.json.decode(found[1])
    except msgspec.DecodeError:
        return None


def _pictures(params: Json) -> Iterator[str]:
    """What is written in the pictures of the last message."""
    content = params["messages"][-1].get("content") if params.get("messages") else None
    for each in content if isinstance(content, list) else ():
        source = each.get("source") if isinstance(each, dict) and each.get("type") == "image" else None
        if isinstance(source, dict) and source.get("media_type") == "image/png":
            data = base64.b64decode(str(source.get("data", "")))
            at = 8
            while at + 8 <= len(data):
                size = int.from_bytes(data[at : at + 4])
                if data[at + 4 : at + 8] == b"tEXt":
                    yield data[at + 8 : at + 8 + size].partition(b"\0")[2].decode("latin-1")
                at += size + 12


def _documents(params: Json) -> list[Json]:
    """Every document of a request, in order: citations count them so."""
    found: list[Json] = []
    messages = params.get("messages")
    for message in messages if isinstance(messages, list) else ():
        content = message.get("content") if isinstance(message, dict) else None
        if isinstance(content, list):
            found += [each for each in content if isinstance(each, dict) and each.get("type") == "document"]
    return found


def _is_cited(block: Json) -> bool:
    cited = block.get("citations")
    return isinstance(cited, dict) and cited.get("enabled") is True


def _prompt(params: Json) -> str:
    """The texts of the last message."""
    content = params["messages"][-1].get("content") if params.get("messages") else None
    if isinstance(content, str):
        return content
    parts = content if isinstance(content, list) else []
    return "\n".join(str(each.get("text", "")) for each in parts if isinstance(each, dict))


def _places(index: int, block: Json) -> Iterator[Place]:
    """What a document holds: a text in one piece, a PDF by page, blocks by number."""
    source = block.get("source") or {}
    about = {"document_index": index, "document_title": block.get("title"), "file_id": None}
    cited = _is_cited(block)
    match source.get("type"):
        case "text":
            yield Place(str(source.get("data", "")), about, "char_location" if cited else "")
        case "content":
            for number, each in enumerate(source.get("content") or ()):
                where = {"start_block_index": number, "end_block_index": number + 1}
                yield Place(
                    str(each.get("text", "")), about | where, "content_block_location" if cited else ""
                )
        case "base64" if source.get("media_type") == "application/pdf":
            for number, text in enumerate(_pages(str(source.get("data", ""))), 1):
                where = {"start_page_number": number, "end_page_number": number + 1}
                yield Place(text, about | where, "page_location" if cited else "")


def _pages(data: str) -> list[str]:
    """The text of each page; nothing where there is nothing that could read it."""
    try:
        import pypdf  # noqa: PLC0415 - an extra
    except ImportError:
        return []
    try:
        reader = pypdf.PdfReader(io.BytesIO(base64.b64decode(data)))
        return [page.extract_text() for page in reader.pages]
    except (pypdf.errors.PyPdfError, ValueError, KeyError, TypeError):
        return []


def _text(text: str, citation: Json | None = None) -> Json:
    return {"type": "text", "text": text, "citations": None if citation is None else [citation]}


def _quoted(places: list[Place]) -> list[Json]:
    """The first sentence of everything, a block each."""
    found: list[Json] = []
    for place in places:
        first = _FIRST.search(place.text)
        if first is not None:
            found += [_text(" ")] if found else []
            found.append(_text(first[0], place.citation(first.start(), first.end())))
    return found or [_text("The documents say nothing.")]


def _cut(said: str, places: list[Place]) -> list[Json]:
    """A given answer, cut where it says what a line of a document says."""
    values: dict[str, Json | None] = {}
    for place in places:
        for line in _LINE.finditer(place.text):
            values.setdefault(line[2], place.citation(line.start(), line.end()))
    if not values:
        return [_text(said)]
    longest_first = sorted(map(re.escape, values), key=len, reverse=True)
    found, at = [], 0
    for each in re.finditer(rf"(?<!\w)(?:{'|'.join(longest_first)})(?!\w)", said):
        if each.start() > at:
            found.append(_text(said[at : each.start()]))
        found.append(_text(each[0], values[each[0]]))
        at = each.end()
    return [*found, _text(said[at:])] if at < len(said) else found


def _filled(schema: Any, places: list[Place]) -> list[Json]:
    """JSON by a schema, each value in a block of its own with the line that says it."""
    found: list[Json] = []
    loose: list[str] = []

    def put(text: str, citation: Json | None = None) -> None:
        if citation is None:
            loose.append(text)
            return
        if loose:
            found.append(_text("".join(loose)))
            loose.clear()
        found.append(_text(text, citation))

    _fill(schema, schema, "", places, put)
    if loose:
        found.append(_text("".join(loose)))
    return found


def _fill(schema: Any, root: Any, name: str, places: list[Place], put: Any) -> None:
    schema = _meant(schema, root)
    kind = schema.get("type")
    if kind == "object":
        put("{")
        for number, (key, inner) in enumerate((schema.get("properties") or {}).items()):
            put(f"{', ' if number else ''}{msgspec.json.encode(key).decode()}: ")
            _fill(inner, root, key, places, put)
        put("}")
        return
    lines = list(_lines(name, places))
    if kind == "array":
        put("[")
        for number, (value, citation) in enumerate(lines):
            put(", " if number else "")
            put(_written(value, _meant(schema.get("items") or {}, root)), citation)
        put("]")
    elif lines:
        put(_written(lines[0][0], schema), lines[0][1])
    else:
        put("null" if kind is None or schema.get("nullable") else _NOTHING.get(kind, "null"))


_NOTHING: Final = {"string": '""', "integer": "0", "number": "0", "boolean": "false", "null": "null"}


def _meant(schema: Any, root: Any) -> Mapping[str, Any]:
    """A schema without references, and of a choice the first that is not null."""
    for _ in range(20):
        if not isinstance(schema, dict):
            return {}
        if "$ref" in schema:
            schema = (root.get("$defs") or {}).get(str(schema["$ref"]).rpartition("/")[2])
            continue
        choice = schema.get("anyOf") or schema.get("oneOf")
        if not choice:
            return schema
        first: dict[str, Any] = next((each for each in choice if each.get("type") != "null"), {})
        optional = any(each.get("type") == "null" for each in choice)
        schema = {**first, "nullable": True} if optional and "$ref" not in first else first
    return {}


def _lines(name: str, places: list[Place]) -> Iterator[tuple[str, Json | None]]:
    """What the lines say that are named so."""
    wanted = name.replace("_", " ").casefold()
    for place in places:
        for line in _LINE.finditer(place.text):
            if line[1].casefold() == wanted:
                yield line[2], place.citation(line.start(), line.end())


def _written(value: str, schema: Mapping[str, Any]) -> str:
    """A value as JSON, of the type that is asked for."""
    match schema.get("type"):
        case "integer" | "number":
            amount = _AMOUNT.search(value)
            number = amount[0].replace(",", "") if amount else "0"
            return number.partition(".")[0] if schema["type"] == "integer" else number
        case "boolean":
            return "true" if value.casefold() in {"true", "yes"} else "false"
        case _:
            return msgspec.json.encode(value).decode()
