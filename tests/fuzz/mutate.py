"""
Damage to documents: by their grammar, token by token, and byte by byte.

A document is taken for a row of tokens (texts, numbers, words, brackets, the rest), which is right for JSON,
TOML and CSV alike and needs no parser, so that what is damaged already can be damaged again.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from random import Random
from typing import Final

_TOKEN: Final = re.compile(
    rb'"(?:[^"\\\n]|\\.)*"|-?[0-9][0-9.eE+-]*|[A-Za-z_][A-Za-z0-9_-]*|[{}\[\],:=\n]|[ \t]+|.', re.DOTALL
)
_MEMBER: Final = re.compile(
    rb'"(?:[^"\\\n]|\\.)*"\s*:\s*(?:"(?:[^"\\\n]|\\.)*"|[0-9.eE+-]+|[a-z]+|\{[^{}]*\}|\[[^\[\]]*\])'
)
LARGEST: Final = 1 << 17

VALUES: Final = (
    *(b"null", b"true", b"false", b"0", b"-0", b"1", b"-1", b"1.0", b"0.5", b"1e3", b"1e999", b"-1e-999"),
    *(b"9007199254740993", b"18446744073709551616", b"1" * 30, b"1" * 400, b"7" * 5000, b"0x" + b"f" * 5000),
    *(b"NaN", b"inf", b"-inf", b"01", b"1.", b"[]", b"{}", b"[{}]", b"[[]]", b"[null]", b'{"error":{}}'),
    *(b'""', b'" "', b'"\\u0000"', b'"\\ud800"', b'"\\ud83d\\ude00"', b'"\xe2\x80\xa8"', b'"\xc2\x85"'),
    *(b'"\xff"', b'"\xed\xa0\x80"', b'"../../x"', b'"/etc/x"', b'"7.r1"', b'"1"', b'"200"', b'"\\\\"'),
    *(b'"2026-11-21T00:00:00Z"', b'"9999-12-31T23:59:59+23:59"', b'"0001-01-01"', b'"nan"', b'"1e400"'),
    *(b'"\x1b]0;x\x07"', b'"a\\nb"', b'"\\r"', b"200", b"429", b"500", b"1979-05-27T07:32:00Z", b"07:32:00"),
    *(b'"error"', b'"expired"', b'"cancelled"', b'"completed"', b'"failed"', b'"none"', b'"unknown"'),
)
KEYS: Final = (
    *(b'"custom_id"', b'"key"', b'"metadata"', b'"body"', b'"params"', b'"request"', b'"method"', b'"url"'),
    *(b'"response"', b'"result"', b'"error"', b'"status"', b'"status_code"', b'"choices"', b'"output"'),
    *(b'"candidates"', b'"message"', b'"content"', b'"type"', b'"id"', b'"data"', b'"has_more"', b'"name"'),
    *(b'"schema"', b'"batch_id"', b'"coverage"', b'"extra"', b'"results"', b'"next_cursor"', b'"job"'),
    *(b'"usage"', b'"text"', b'"detail"', b'"details"', b'"crc"', b'"classes"', b'"roles"', b'"children"'),
    *(b'"custom_\\u0069d"', b'"err\\u006fr"', b'"sch\\u0065ma"'),
)
PIECES: Final = (
    *(
        b"\xef\xbb\xbf",
        b"\r\n",
        b"\n",
        b"\n\n",
        b"\r",
        b"\x00",
        b"\x1e",
        b" ",
        b",",
        b":",
        b'"',
        b"\\",
        b"\\u",
    ),
    *(
        b"{",
        b"}",
        b"[",
        b"]",
        b"\xe2\x80\xa8",
        b"\xc2\x85",
        b"\xff",
        b"=",
        b".",
        b"#",
        b"'",
        b";",
        b"[[",
        b"]]",
    ),
    *(b"<html>", b"<title>", b"data:", b'"""', b"'''", b",NA", b"TRUE"),
)
DEPTHS: Final = (2, 30, 200, 480, 900, 950, 960, 970, 980, 985, 990, 995, 1000, 1500, 5000, 40_000)
TIMES: Final = (2, 3, 10, 100, 3000)


def mutated(data: bytes, chance: Random, others: Sequence[bytes], most: int = LARGEST) -> bytes:
    """
    *data* with a few damages.

    Args:
        data: A document.
        chance: What is done where.
        others: Documents of which parts may be put in.
        most: Bytes that may come of it.
    """
    for _ in range(chance.choice((1, 1, 1, 2, 2, 3, 5))):
        data = chance.choices(_WAYS, _WEIGHTS)[0](data, chance, others)[:most]
    return data


def _tokens(data: bytes) -> list[bytes]:
    return [found[0] for found in _TOKEN.finditer(data)]


def _pick(chance: Random, tokens: list[bytes], like: Callable[[bytes], bool]) -> int | None:
    """Where a token stands that is *like* something."""
    for _ in range(12):
        at = chance.randrange(len(tokens))
        if like(tokens[at]):
            return at
    return None


def _is_value(token: bytes) -> bool:
    return token[:1] in b'"-0123456789' or token.isalnum()


def _put(data: bytes, chance: Random, new: Callable[[bytes], bytes]) -> bytes:
    """One value of a document replaced."""
    tokens = _tokens(data)
    at = _pick(chance, tokens, _is_value) if tokens else None
    if at is None:
        return data
    tokens[at] = new(tokens[at])
    return b"".join(tokens)


def _value(data: bytes, chance: Random, _others: Sequence[bytes]) -> bytes:
    return _put(data, chance, lambda _old: chance.choice(VALUES))


def _key(data: bytes, chance: Random, _others: Sequence[bytes]) -> bytes:
    return _put(data, chance, lambda _old: chance.choice(KEYS))


def _bare(data: bytes, chance: Random, _others: Sequence[bytes]) -> bytes:
    """Quotes off or on: TOML's keys, and a number as a text."""
    return _put(data, chance, lambda old: old.strip(b'"') if old.startswith(b'"') else b'"%b"' % old)


def _deep(data: bytes, chance: Random, _others: Sequence[bytes]) -> bytes:
    """A value nested, as lists, as objects, or as a dotted key; now and then nothing closes it."""
    depth = chance.choice(DEPTHS) + chance.randrange(8)
    opened, closed = chance.choice(((b"[", b"]"), (b'{"a":', b"}"), (b'{"message":[', b"]}"), (b"a.", b"")))
    shut = closed * depth if chance.random() < 0.9 else b""
    return _put(data, chance, lambda old: opened * depth + old + shut)


def _repeat(data: bytes, chance: Random, _others: Sequence[bytes]) -> bytes:
    """A part of a document, many times."""
    tokens = _tokens(data)
    if not tokens:
        return data
    at = chance.randrange(len(tokens))
    end = at + chance.choice((1, 2, 3, 8))
    times = min(chance.choice(TIMES), LARGEST // max(sum(map(len, tokens[at:end])), 1))
    return b"".join([*tokens[:at], *(tokens[at:end] * times), *tokens[end:]])


def _drop(data: bytes, chance: Random, _others: Sequence[bytes]) -> bytes:
    tokens = _tokens(data)
    if not tokens:
        return data
    at = chance.randrange(len(tokens))
    return b"".join([*tokens[:at], *tokens[at + chance.choice((1, 1, 2, 4, 16)) :]])


def _swap(data: bytes, chance: Random, _others: Sequence[bytes]) -> bytes:
    tokens = _tokens(data)
    if len(tokens) < 2:
        return data
    one, other = chance.randrange(len(tokens)), chance.randrange(len(tokens))
    tokens[one], tokens[other] = tokens[other], tokens[one]
    return b"".join(tokens)


def _member(data: bytes, chance: Random, others: Sequence[bytes]) -> bytes:
    """A member of this or another document, put before one of this; so members are given twice."""
    source = chance.choice(others) if others and chance.random() < 0.5 else data
    found = [each[0] for each in _MEMBER.finditer(source)]
    places = [each.start() for each in _MEMBER.finditer(data)]
    if not found or not places:
        return data
    at = chance.choice(places)
    return data[:at] + chance.choice(found) + b"," + data[at:]


def _lines(data: bytes, chance: Random, others: Sequence[bytes]) -> bytes:
    """Lines swapped, doubled, lost, or taken from another document."""
    lines = data.split(b"\n")
    at = chance.randrange(len(lines))
    match chance.randrange(4):
        case 0:
            lines.insert(at, chance.choice(lines))
        case 1:
            del lines[at]
        case 2 if others:
            lines.insert(at, chance.choice(chance.choice(others).split(b"\n")))
        case _:
            chance.shuffle(lines)
    return b"\n".join(lines)


def _piece(data: bytes, chance: Random, _others: Sequence[bytes]) -> bytes:
    at = chance.randrange(len(data) + 1) if chance.random() < 0.9 else 0
    return data[:at] + chance.choice(PIECES) + data[at:]


def _escape(data: bytes, chance: Random, _others: Sequence[bytes]) -> bytes:
    """A letter spelled as an escape."""
    at = chance.randrange(len(data)) if data else 0
    return (
        data[:at] + b"\\u%04x" % data[at] + data[at + 1 :] if data and data[at : at + 1].isalpha() else data
    )


def _bytes(data: bytes, chance: Random, _others: Sequence[bytes]) -> bytes:
    at = chance.randrange(len(data) + 1)
    return (
        data[:at] + chance.randbytes(chance.choice((0, 1, 1, 2))) + data[at + chance.choice((0, 1, 1, 4)) :]
    )


def _cut(data: bytes, chance: Random, _others: Sequence[bytes]) -> bytes:
    at = chance.randrange(len(data) + 1)
    return data[:at] if chance.random() < 0.8 else data[at:]


def _splice(data: bytes, chance: Random, others: Sequence[bytes]) -> bytes:
    """The beginning of one document and the end of another."""
    if not others:
        return data
    other = chance.choice(others)
    return data[: chance.randrange(len(data) + 1)] + other[chance.randrange(len(other) + 1) :]


_WAYS: Final = (
    *(_value, _key, _bare, _deep, _repeat, _drop, _swap),
    *(_member, _lines, _piece, _escape, _bytes, _cut, _splice),
)
_WEIGHTS: Final = (9, 4, 1, 2, 1, 4, 2, 4, 3, 3, 1, 4, 1, 2)
