"""
Schemas in the words that each provider takes.

Whatever a provider does not take is left out or said in other words, so that answers may be held to less on
their way, and never to more: each is held to the author's own schema when it is here. What cannot be said so
is None. Sources: OpenAI's guide on structured output and its Python client (`lib/_pydantic.py`), Anthropic's
(`lib/_parse/_transform.py`) and its guide, and Google's reference of `responseJsonSchema`.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import attrs
import msgspec

_BOTH: Final = frozenset(
    "type properties required additionalProperties items anyOf enum title description".split()
)
_REFERRED: Final = frozenset(("$ref", "$defs", "definitions"))
_BOUNDS: Final = frozenset("minItems maxItems minimum maximum".split())
_MOMENTS: Final = frozenset(("date-time", "date", "time"))
_FORMATS: Final = _MOMENTS | {"duration", "email", "hostname", "ipv4", "ipv6", "uuid"}
_DEFINITIONS: Final = ("$defs", "definitions")
_ABOUT: Final = frozenset(("title", "description", "default", "examples", "deprecated"))
_TYPES: Final = {str: "string", bool: "boolean", int: "integer", float: "number", type(None): "null"}
_MOST: Final = 10_000
"""Schemas within a schema: references that are written out may double and double again."""


@attrs.frozen
class Takes:
    """
    What a provider takes of JSON Schema.

    Attributes:
        keys: Keywords.
        formats: Values of `format`.
        closed: Every object has to name all of its members, and each of them is always given.
        typed: What may be anything is refused.
        recursive: A schema may hold itself.
        unions: Choices among schemas, at the most; None for any number.
        items: Values of `minItems`; None for any.
        patterns: Regular expressions without what looks around.
    """

    keys: frozenset[str]
    formats: frozenset[str]
    closed: bool = True
    typed: bool = True
    recursive: bool = True
    unions: int | None = None
    items: tuple[int, ...] | None = None
    patterns: bool = False


OPENAI: Final = Takes(
    _BOTH
    | _REFERRED
    | _BOUNDS
    | {"const", "format", "pattern", "multipleOf", "exclusiveMinimum", "exclusiveMaximum"},
    _FORMATS,
    patterns=True,
)
ANTHROPIC: Final = Takes(
    _BOTH | _REFERRED | {"const", "format", "minItems"},
    _FORMATS | {"uri"},
    recursive=False,
    unions=16,
    items=(0, 1),
)
GEMINI: Final = Takes(
    _BOTH | _REFERRED | _BOUNDS | {"format", "prefixItems", "propertyOrdering", "$id", "$anchor"},
    _MOMENTS,
    closed=False,
    typed=False,
)


def closed(schema: Mapping[str, Any], takes: Takes = OPENAI) -> Mapping[str, Any] | None:
    """
    A schema as a provider takes it; None where it cannot be said so.

    An optional member becomes one that is always given, as its type allows, where objects have to be closed.
    """
    try:
        text = msgspec.json.encode(schema)
    except (TypeError, ValueError, RecursionError):
        return None
    return _said(text, takes)


def is_object(schema: Mapping[str, Any]) -> bool:
    """Whether all values of a schema are objects, as its root says, or what that refers to."""
    try:
        root = _Saying(schema, GEMINI).root()
    except _UnsayableError:
        return False
    return root.get("type") == "object"


@functools.lru_cache(maxsize=64)
def _said(text: bytes, takes: Takes) -> Mapping[str, Any] | None:
    schema = msgspec.json.decode(text)
    saying = _Saying(schema, takes)
    try:
        root = saying.root()
        found = saying.said(root, "#")
    except (_UnsayableError, RecursionError):
        return None
    unions = sum(1 for each in _within(found) if "anyOf" in each or isinstance(each.get("type"), list))
    return None if takes.unions is not None and unions > takes.unions else found


class _UnsayableError(Exception):
    """There are no words for it."""


class _Saying:
    """A schema on its way into a provider's words."""

    def __init__(self, schema: Mapping[str, Any], takes: Takes) -> None:
        self._schema = schema
        self._takes = takes
        self._seen = 0

    def root(self) -> Mapping[str, Any]:
        """The schema with what it refers to in its place: a root has to say by itself what it is."""
        found = self._schema
        for _ in range(_MOST):
            if "$ref" not in found:
                return found
            kept = {key: found[key] for key in _DEFINITIONS if key in found}
            found = {**self._target(found["$ref"]), **kept}
        raise _UnsayableError

    def said(self, schema: Any, within: str) -> dict[str, Any]:
        """
        One schema.

        Args:
            schema: It.
            within: The reference to the definition that it is a part of.
        """
        self._seen += 1
        if self._seen > _MOST or not isinstance(schema, Mapping):
            raise _UnsayableError
        schema = self._plain(schema)
        found = {key: value for key, value in schema.items() if key in self._takes.keys}
        self._narrow(found)
        self._inside(found, within)
        if "$ref" in found and not self._takes.recursive and self._comes_back(found["$ref"]):
            raise _UnsayableError
        if schema.get("type") == "object" or "properties" in schema:
            self._object(schema, found, within)
        if self._takes.typed:
            listless = found.get("type") == "array" and "items" not in found
            if listless or "prefixItems" in schema or found.keys().isdisjoint(("type", "anyOf", "$ref")):
                raise _UnsayableError
        return found

    def _inside(self, found: dict[str, Any], within: str) -> None:
        """Say the schemas that one holds, but for members of objects."""
        for key in _DEFINITIONS:
            if isinstance(found.get(key), Mapping):
                found[key] = {name: self.said(each, f"#/{key}/{name}") for name, each in found[key].items()}
        for key in ("anyOf", "prefixItems"):
            if isinstance(found.get(key), list):
                found[key] = [self.said(each, within) for each in found[key]]
        if isinstance(found.get("items"), Mapping):
            found["items"] = self.said(found["items"], within)
        else:
            found.pop("items", None)

    def _plain(self, schema: Mapping[str, Any]) -> Mapping[str, Any]:
        """The same in fewer words: no `allOf`, no `oneOf`, no reference beside other words."""
        found = dict(schema)
        if "allOf" in found:
            parts = found.pop("allOf")
            if not isinstance(parts, list) or len(parts) != 1 or not isinstance(parts[0], Mapping):
                raise _UnsayableError
            found = {**parts[0], **found}
        if "oneOf" in found and "anyOf" not in found:
            found["anyOf"] = found.pop("oneOf")
        if "$ref" in found and found.keys() - {"$ref", *_DEFINITIONS}:
            reference = found.pop("$ref")
            if self._comes_back(reference) or found.keys() - _ABOUT:
                return {"$ref": reference}
            found = {**self._plain(self._target(reference)), **found}
        if "const" in found and "const" not in self._takes.keys:
            found["enum"] = [found.pop("const")]
        values = found.get("enum", [found["const"]] if "const" in found else None)
        if isinstance(values, list) and "type" not in found:
            kinds = list(dict.fromkeys(_TYPES.get(type(each), "object") for each in values))
            found["type"] = kinds[0] if len(kinds) == 1 else kinds
        return found

    def _narrow(self, found: dict[str, Any]) -> None:
        """Leave out values of keywords that are not taken."""
        if str(found.get("format")) not in self._takes.formats:
            found.pop("format", None)
        if not isinstance(found.get("enum", []), list) or not isinstance(found.get("required", []), list):
            raise _UnsayableError
        if not self._takes.patterns or "(?" in str(found.get("pattern", "")):
            found.pop("pattern", None)
        if self._takes.items is not None and found.get("minItems") not in self._takes.items:
            found.pop("minItems", None)
        if not self._takes.typed and not all(
            isinstance(each, str | int | float) for each in found.get("enum", ())
        ):
            found.pop("enum")

    def _object(self, schema: Mapping[str, Any], found: dict[str, Any], within: str) -> None:
        members = schema.get("properties")
        more = schema.get("additionalProperties", False)
        if self._takes.closed:
            if more is not False or "patternProperties" in schema or not isinstance(members, Mapping):
                raise _UnsayableError
            found["additionalProperties"] = False
            found["required"] = list(members)
        elif isinstance(more, Mapping):
            found["additionalProperties"] = self.said(more, within)
        if isinstance(members, Mapping):
            found["properties"] = {name: self.said(each, within) for name, each in members.items()}
            if not self._takes.closed and isinstance(schema.get("required"), list):
                # A member that leads back to its own object may be left out, or there would be no end to it.
                found["required"] = [
                    name
                    for name in schema["required"]
                    if isinstance(name, str) and within not in self._reached(members.get(name))
                ]

    def _target(self, reference: Any) -> Mapping[str, Any]:
        """What a reference leads to."""
        if not isinstance(reference, str) or not reference.startswith("#"):
            raise _UnsayableError
        found: Any = self._schema
        for step in reference.split("/")[1:]:
            found = (
                found.get(step.replace("~1", "/").replace("~0", "~")) if isinstance(found, Mapping) else None
            )
        if not isinstance(found, Mapping):
            raise _UnsayableError
        return found

    def _comes_back(self, reference: Any) -> bool:
        """Whether what a reference leads to leads to itself."""
        return reference in self._reached(self._target(reference))

    def _reached(self, schema: Any) -> set[str]:
        """Every reference that is met on the way from a schema."""
        found: set[str] = set()
        ahead = [schema]
        while ahead:
            for each in _within(ahead.pop(), definitions=False):
                reference = each.get("$ref")
                if isinstance(reference, str) and reference not in found:
                    found.add(reference)
                    ahead.append(self._target(reference))
        return found


def _within(value: Any, *, definitions: bool = True) -> Iterator[Mapping[str, Any]]:
    """Every object in a schema, itself first."""
    ahead: list[Any] = [value]
    while ahead:
        each = ahead.pop()
        if isinstance(each, Mapping):
            yield each
            ahead += [inner for key, inner in each.items() if definitions or key not in _DEFINITIONS]
        elif isinstance(each, Sequence) and not isinstance(each, str):
            ahead += each
