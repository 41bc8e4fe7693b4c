"""
What the providers' own packages say about one exchange: their types, taken strictly.

A request is held against the type of the official client's arguments, an answer against the type that it
would give to its user. A member that the type does not know is a finding, and so is a value of another type.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, NotRequired, Required, get_origin

import attrs
from mistralai.client.types.basemodel import UnrecognizedStr
from pydantic import BaseModel, TypeAdapter, ValidationError
from typing_extensions import get_type_hints

from tests.judging.kept import form_of
from tests.judging.tape import Said, Spoken

Parse = Callable[[Any], Any]


def typed(kind: Any) -> Parse:
    """Parse as *kind*, strictly, as JSON is."""
    adapter = TypeAdapter(kind)
    return lambda value: adapter.validate_json(json.dumps(value), strict=True)


def lax(kind: Any) -> Parse:
    """Parse as *kind* texts that stand for numbers, as in a query or a form."""
    return TypeAdapter(kind).validate_python


def page_of(kind: Any, *names: str) -> Parse:
    """A list of *kind* below `data`, with no other members than *names*."""
    one = typed(kind)

    def parse(value: Any) -> Any:
        assert set(value) <= {"data", *names}, set(value)
        return {**value, "data": [one(each) for each in value["data"]]}

    return parse


def form(kind: Any) -> Parse:
    """The fields of a form as *kind*; its `file` is bytes here."""
    fields = {name: lax(hint) for name, hint in get_type_hints(kind).items() if name != "file"}
    marks: dict[str, Any] = {
        name: get_origin(hint) for name, hint in get_type_hints(kind, include_extras=True).items()
    }
    needed = {
        name
        for name, mark in marks.items()
        if mark == Required or (kind.__total__ and mark != NotRequired)  # the type's own set forgets strings
    }

    def parse(value: Any) -> Any:
        assert needed <= set(value), set(value)
        return {
            name: fields[name](each) if name in fields else each
            for name, each in value.items()
            if name in {*fields, "file"}
        }

    return parse


def nothing(value: Any) -> Any:
    """No members at all."""
    assert value == {}, value
    return value


@attrs.frozen
class Rule:
    """
    What is said at one endpoint.

    Attributes:
        method: GET, POST, DELETE.
        path: An expression for the path, below the base URL.
        answer: The answer's type; for lines, that of each.
        query: The query's type.
        body: The type of a JSON body, or of a form's fields.
    """

    method: str
    path: str
    answer: Parse
    query: Parse = nothing
    body: Parse = nothing


def strays(raw: Any, parsed: Any, at: str = "") -> Iterator[str]:
    """Members of *raw* of which nothing came into *parsed*, and words that its lists of words do not have."""
    if isinstance(raw, dict):
        names = {}
        if isinstance(parsed, BaseModel):
            names = {field.alias or name: name for name, field in type(parsed).model_fields.items()}
        elif isinstance(parsed, Mapping):
            names = {name: name for name in parsed}
        for key, value in raw.items():
            if key not in names:
                yield f"{at}.{key}"
                continue
            inner = getattr(parsed, names[key]) if isinstance(parsed, BaseModel) else parsed[names[key]]
            yield from strays(value, inner, f"{at}.{key}")
    elif isinstance(parsed, UnrecognizedStr):
        yield f"{at} = {raw!r}"
    elif isinstance(raw, list) and isinstance(parsed, Iterable):
        for number, (each, one) in enumerate(zip(raw, parsed, strict=True)):
            yield from strays(each, one, f"{at}[{number}]")


def findings(rules: Sequence[Rule], spoken: Spoken, prefix: str) -> Iterator[str]:
    """What is wrong with an exchange; its endpoint has to be one of the *rules*."""
    asked, answered = spoken.asked, spoken.answered
    path = asked.path.removeprefix(prefix)
    for rule in rules:
        if rule.method == asked.method and re.fullmatch(rule.path, path):
            break
    else:
        yield f"{asked.method} {path} is no endpoint"
        return
    yield from _held(rule.query, asked.query, f"{asked.line}: query")
    yield from _held(rule.body, _body(asked), f"{asked.line}: body")
    if answered.line != "200":
        yield f"{asked.line}: answered {answered.line}"
    elif path.endswith(("/content", "/results", ":download")):
        for line in answered.body.splitlines():
            yield from _held(rule.answer, json.loads(line), f"{asked.line}: line")
    else:
        yield from _held(rule.answer, answered.json() if answered.body else {}, f"{asked.line}: answer")


def _held(parse: Parse, raw: Any, where: str) -> Iterator[str]:
    try:
        parsed = parse(raw)
        yield from (f"{where}: nobody knows {stray}" for stray in strays(raw, parsed))
    except (ValidationError, AssertionError, KeyError, Warning) as error:
        yield f"{where}: {error}"


def _body(asked: Said) -> Any:
    """What a request carries: JSON, or the fields of a form, `a[b]` and `a.b` as members of `a`."""
    if not asked.body:
        return {}
    kind = asked.headers.get("content-type", "")
    if kind == "application/json":
        return asked.json()
    if not kind.startswith("multipart/"):
        return {}  # the bytes of a file
    fields: dict[str, Any] = {}
    for part in form_of(asked):
        outer, *inner = re.split(r"[.\[]", part["name"].removesuffix("]"))
        if inner:
            fields.setdefault(outer, {})[inner[0]] = (
                int(part["value"]) if part["value"].isdigit() else part["value"]
            )
        else:
            fields[outer] = part.get("value", b"")
    return fields
