"""With the C code and without it, a batch gets the same verdict, the same places and the same results."""

import attrs
import pytest
from hypothesis import event, given
from hypothesis import strategies as st

from reconciler.config import settle
from reconciler.executor.context import View, viewing
from reconciler.executor.matching import match
from reconciler.executor.publishing import results_blocks
from reconciler.model.answers import Answers
from reconciler.model.facts import FileFact
from reconciler.model.identity import BatchName, Role, file_name
from reconciler.model.snapshot import Matched
from reconciler.processors.results import Origin
from tests.codec.samples import GOOD, chat, envelope, message
from tests.codec.test_plain import HOSTILE, LINES
from tests.native.built import only_built

pytestmark = only_built

ID = b"r-1"
ROLES = (Role.INPUT, Role.OUTPUT, Role.ERROR)
ASKED = [
    *(
        b'{"custom_id":"r-1","body":{}}',
        b'{"custom_id": "r-1", "method": "POST", "url": "/v1", "body": {"x": 1}}',
    ),
    *(b'{"body":{},"custom_id":"r-1"}', b'{"key":"r-1","request":{}}'),
]
ANSWERS = [
    *(envelope(GOOD), envelope({**GOOD, "model": "m\u00e9"}), message(), envelope(chat({"content": None}))),
    *(envelope(chat({"content": "4", "tool_calls": [{"id": "c"}]})), envelope(chat({"content": "4"}), 429)),
    b'{"custom_id":"r-1","response":null,"error":{"code":"batch_expired","message":"too late"}}',
]
LAST = 12
ODD = st.sampled_from(
    [b'{"custom_id":"r-1","body":[]}', b"", b" ", b"\r", b"{", b"\xff", *ASKED, *ANSWERS, *LINES, *HOSTILE]
)


def line(shape: bytes, number: int) -> bytes:
    """A line of that shape with one of a few ids; the last of them is a long one."""
    return shape.replace(ID, b"r-%d" % number + b"x" * 70 * (number == LAST))


@st.composite
def files(draw: st.DrawFn) -> tuple[bytes, bytes, bytes]:
    """Input, output and errors of a batch; as a rule they match, and sometimes odd lines are among them."""
    numbers = draw(st.permutations(range(LAST + 1)))
    asked = [line(draw(st.sampled_from(ASKED)), number) for number in numbers]
    answered = [line(draw(st.sampled_from(ANSWERS)), number) for number in draw(st.permutations(numbers))]
    cut = draw(st.integers(0, len(answered)))
    parts = [asked, answered[:cut], answered[cut:]]
    for at, odd in draw(st.lists(st.tuples(st.integers(0, 2), ODD), max_size=2)):
        parts[at].insert(draw(st.integers(0, len(parts[at]))), odd)
    one, two, three = (b"\n".join(part) + draw(st.sampled_from([b"\n", b""])) for part in parts)
    return one, two, three


def verdict(view: View, files: dict[Role, FileFact]) -> tuple[Matched, bytes]:
    """The verdict on some files, and the results that follow from it where there are some."""
    found = match(view, files, None)
    if found.answers is None or found.mismatch is not None:
        return found, b""
    origin = Origin(BatchName("7"), "openai", 1)
    return found, b"".join(results_blocks(view, files, origin, lambda *_: None))


def places(answers: Answers | None) -> object:
    """Everything that is known of where answers stand."""
    return None if answers is None else attrs.astuple(answers, recurse=False)


@given(files())
def test_one_verdict(
    tmp_path_factory: pytest.TempPathFactory, given_files: tuple[bytes, bytes, bytes]
) -> None:
    """Whatever the files hold: account, findings, places and results are equal to the last byte."""
    folder = tmp_path_factory.mktemp("w")
    for role, data in zip(ROLES, given_files, strict=True):
        (folder / file_name(role, "7")).write_bytes(data)
    with viewing(str(folder), settle()) as view:
        found = {role: view.look.fact(file_name(role, "7")) for role in ROLES}
        there = {role: fact for role, fact in found.items() if fact is not None}
        with_c, in_c = verdict(view, there)
        without, in_python = verdict(attrs.evolve(view, native=None), there)
    event(f"{with_c.mismatch is None and not with_c.bad_input}: the files match")
    assert places(with_c.answers) == places(without.answers)
    assert attrs.evolve(with_c, answers=None) == attrs.evolve(without, answers=None)
    assert in_c == in_python
