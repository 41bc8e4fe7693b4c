"""What was seen of a folder: when to look because of it, and which batches are left alone meanwhile."""

from hypothesis import given
from hypothesis import strategies as st

from reconciler.watching import arrivals as module
from reconciler.watching.arrivals import Arrivals, Patience, Seen

LEAVES = st.sampled_from(
    ["batch_input_1.jsonl", "batch_output_1.jsonl", "batch_error_2.jsonl", "batch_input_2.jsonl"]
)
STEPS = st.lists(st.tuples(st.sampled_from(Seen), LEAVES, st.floats(0.0, 30.0)), max_size=30)


class Clock:
    """A time that a test sets."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        """The time."""
        return self.now


@given(STEPS)
def test_whatever_was_seen_of_a_whole_file_is_looked_at_in_time(steps: list[tuple[Seen, str, float]]) -> None:
    """After a file became whole, a look is due within `longest`, whatever is seen besides."""
    clock = Clock()
    seen = Arrivals(clock)
    first: float | None = None
    for what, leaf, pause in steps:
        seen.see(what, leaf)
        if what in (Seen.WHOLE, Seen.ANY) and first is None:
            first = clock.now
        due = seen.due()
        if first is not None:
            assert due is not None
            assert due <= first + seen.patience.longest
        clock.now += pause
        if due is not None and due <= clock.now:
            seen.look()
            first = None


@given(STEPS)
def test_nobody_waits_for_ever(steps: list[tuple[Seen, str, float]]) -> None:
    """A minute after the last change nothing is left alone any more, and after one look nothing is due."""
    clock = Clock()
    seen = Arrivals(clock)
    for what, leaf, pause in steps:
        seen.see(what, leaf)
        clock.now += pause
    clock.now += seen.patience.unclosed
    seen.look()

    assert seen.writing() == {}
    assert seen.due() is None
    assert not seen.is_whole("batch_input_1.jsonl")


@given(STEPS)
def test_a_file_that_grows_is_left_alone_until_it_is_closed(steps: list[tuple[Seen, str, float]]) -> None:
    """Of each file the last that was seen counts: grown and not closed, its batch is left alone."""
    clock = Clock()
    seen = Arrivals(clock)
    last: dict[str, Seen] = {}
    for what, leaf, _ in steps:
        seen.see(what, leaf)
        if what is not Seen.ANY:
            last[leaf] = what
    open_still = {leaf[-7] for leaf, what in last.items() if what in (Seen.GREW, Seen.APPEARED)}

    assert {str(name) for name in seen.writing()} == open_still


@given(STEPS)
def test_what_is_whole_is_named_once_nothing_of_it_is_written(steps: list[tuple[Seen, str, float]]) -> None:
    """Every batch of which a file became whole is named by a look at it, as soon as no file of it is open."""
    clock = Clock()
    seen = Arrivals(clock)
    owed: set[str] = set()
    for what, leaf, pause in steps:
        seen.see(what, leaf)
        if what is Seen.WHOLE:
            owed.add(leaf[-7])
        clock.now += pause
        due = seen.due()
        if due is not None and due <= clock.now:
            heard = seen.look()
            owed = set() if heard.everything else owed - {str(name) for name in heard.named}
            assert owed <= {str(name) for name in seen.writing()}


def test_what_is_no_batch_file_is_nothing() -> None:
    """Temporary names, metadata, and files of others lead to no look."""
    seen = Arrivals(Clock())
    for leaf in (
        "batch_metadata_1.jsonl",
        ".reconciler-tmp-batch_input_1.jsonl",
        "notes.txt",
        "batch_input_1.jsonl.part",
    ):
        seen.see(Seen.WHOLE, leaf)

    assert seen.due() is None


def test_it_is_woken_once_for_many_events() -> None:
    """Ten thousand events of one moment wake nobody ten thousand times."""
    woken: list[int] = []
    seen = Arrivals(Clock(), lambda: woken.append(1))
    for n in range(10_000):
        seen.see(Seen.WHOLE, f"batch_input_{n}.jsonl")

    assert len(woken) == 1


def test_what_is_remembered_is_bounded() -> None:
    """More files than are remembered: nobody looks until the whole folder has been quiet."""
    clock = Clock()
    seen = Arrivals(clock)
    seen.patience = Patience(settle=2.0)
    for n in range(module.MOST + 5):
        seen.see(Seen.APPEARED, f"batch_output_{n}.jsonl")
        clock.now += 1e-4
    assert len(seen.writing()) <= module.MOST
    due = seen.due()
    assert due is not None
    assert due > clock.now + 1.9

    clock.now = due
    seen.look()
    assert seen.due() is None or seen.due() != due
