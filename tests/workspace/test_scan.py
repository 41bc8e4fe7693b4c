"""Which batches there are, by their names alone."""

import os
import random
from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.model.facts import Kind
from reconciler.model.identity import BatchName, Role, child_number, file_name, lineage_root, parse_name
from reconciler.workspace.effects import TEMPORARY
from reconciler.workspace.layout import FOLDERS, SETTINGS, Layout
from reconciler.workspace.reading import Entry, Reading
from reconciler.workspace.scan import Ignored, Listing, batch_of_folder, quarantined_in, scan
from tests.workspace.faults import plant


def scanned(root: Path, live: str = "workdir") -> Listing:
    """What a scan of *root* sees."""
    look = Reading(str(root))
    try:
        return scan(look, Layout(str(root), live))
    finally:
        look.close()


def put(root: Path, *names: str) -> None:
    """Make empty files, or folders where the name ends with a slash, and the folders above."""
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if name.endswith("/"):
            path.mkdir(exist_ok=True)
        else:
            path.write_bytes(b"")


def roles(listing: Listing) -> dict[str, set[str]]:
    """The roles of each batch, as words."""
    return {name: {role.value for role in kinds} for name, kinds in listing.batches.items()}


@pytest.mark.parametrize("live", ["workdir", ""])
def test_files_are_grouped_by_whole_names(tmp_path: Path, live: str) -> None:
    """A name is taken whole: `7_part2`, `7.r1` and `77` have nothing to do with `7`."""
    folder = tmp_path / live
    names = ["7", "7_part2", "7.r1", "77", "input_7", "550e8400-e29b-41d4-a716-446655440000", "x" * 90]
    put(folder, *(f"batch_input_{name}.jsonl" for name in names))
    put(folder, "batch_output_7.jsonl", "batch_error_7.r1.jsonl", "batch_metadata_77.jsonl")
    assert roles(scanned(tmp_path, live)) == {
        **{name: {"input"} for name in names},
        "7": {"input", "output"},
        "7.r1": {"input", "error"},
        "77": {"input", "metadata"},
    }


def test_an_empty_or_missing_live_directory_has_no_batches(tmp_path: Path) -> None:
    """Nothing there is not an error."""
    empty = Listing(batches={}, clashes={}, ignored=(), quarantined={}, stale=())
    assert scanned(tmp_path) == empty
    put(tmp_path, "workdir/")
    assert scanned(tmp_path) == empty


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("notes.txt", "not a batch file"),
        (".DS_Store", "not a batch file"),
        ("batch_input_7.json", "not batch_{input,output,error,metadata}_<name>.jsonl"),
        ("batch_input_.jsonl", "with a name of letters, digits, . _ -"),
        ("batch_input_-7.jsonl", "with a name of letters, digits, . _ -"),
        ("batch_input_a b.jsonl", "with a name of letters, digits, . _ -"),
        ("batch_input_é.jsonl", "with a name of letters, digits, . _ -"),
        ("batch_input_7\n.jsonl", "with a name of letters, digits, . _ -"),
        (f"batch_input_{'x' * 91}.jsonl", "with a name of letters, digits, . _ -"),
        ("batch_inputs_7.jsonl", "with a name of letters, digits, . _ -"),
        ("BATCH_INPUT_7.jsonl", "not a batch file"),
        ("old/", "a folder"),
    ],
)
def test_what_is_not_ours_is_listed_with_a_reason(tmp_path: Path, name: str, why: str) -> None:
    """A file that is no batch file makes no batch and is listed, so that a misspelt name is noticed."""
    put(tmp_path, f"workdir/{name}")
    listing = scanned(tmp_path)
    assert listing.batches == {}
    (ignored,) = listing.ignored
    assert ignored.path == f"workdir/{name.rstrip('/')}"
    assert why in ignored.why


def test_a_name_that_is_no_text_is_listed(tmp_path: Path) -> None:
    """A name whose bytes are no UTF-8 makes no batch and stops nothing."""
    put(tmp_path, "workdir/")
    with open(os.fsencode(tmp_path / "workdir") + b"/batch_input_\xff.jsonl", "wb"):  # noqa: PTH123 - a Path cannot hold these bytes
        pass
    listing = scanned(tmp_path)
    assert listing.batches == {}
    assert [ignored.path for ignored in listing.ignored] == ["workdir/batch_input_\\xff.jsonl"]


def test_batch_files_one_folder_too_high(tmp_path: Path) -> None:
    """Beside `workdir/` a batch file is not taken for a batch, and not passed over in silence."""
    put(tmp_path, "workdir/", "batch_input_7.jsonl", "notes.txt", SETTINGS)
    listing = scanned(tmp_path)
    assert listing.batches == {}
    assert listing.ignored == (Ignored("batch_input_7.jsonl", "batch files belong in workdir/"),)


def test_a_flat_workspace_knows_its_own_folders(tmp_path: Path) -> None:
    """At the root the folders and files of the contract are expected, everything else is listed."""
    put(tmp_path, "batch_input_7.jsonl", "notes.txt", "src/", SETTINGS, "README.md", ".gitignore")
    put(tmp_path, ".reconciler/", *(f"{name}/" for name in FOLDERS if name != "workdir"))
    listing = scanned(tmp_path, "")
    assert roles(listing) == {"7": {"input"}}
    assert [ignored.path for ignored in listing.ignored] == ["notes.txt", "src"]


@pytest.mark.parametrize(
    ("make", "kind"),
    [
        ("folder", Kind.FOLDER),
        ("symlink", Kind.SYMLINK),
        ("dangling", Kind.SYMLINK),
        ("fifo", Kind.OTHER),
        ("file", Kind.FILE),
    ],
)
def test_what_stands_under_a_batch_name_is_told(tmp_path: Path, make: str, kind: Kind) -> None:
    """A folder, a link or a FIFO under the name of a batch file is seen as what it is, not left out."""
    put(tmp_path, "workdir/", "elsewhere")
    path = tmp_path / "workdir" / file_name(Role.OUTPUT, "7")
    target = tmp_path / ("nowhere" if make == "dangling" else "elsewhere")
    plant(path, "symlink" if make == "dangling" else make, target)
    assert scanned(tmp_path).batches == {"7": {Role.OUTPUT: kind}}


def test_case_clashes(tmp_path: Path) -> None:
    """Names that differ only by case are told about each other; one of three is told about one other."""
    names = ["Job", "JOB", "job", "other", "7.R1", "7.r1"]
    look = Shuffled([Entry(file_name(Role.INPUT, name), Kind.FILE) for name in names], 0)
    assert scan(look, Layout(str(tmp_path), "workdir")).clashes == {
        "JOB": "Job",
        "Job": "JOB",
        "job": "JOB",
        "7.R1": "7.r1",
        "7.r1": "7.R1",
    }


def test_temporaries_are_told_apart(tmp_path: Path) -> None:
    """What a crash left under a temporary name is neither a batch nor somebody else's file."""
    leaf = f"{TEMPORARY}batch_output_7.jsonl"
    put(tmp_path, f"workdir/{leaf}", "workdir/batch_input_7.jsonl")
    listing = scanned(tmp_path)
    assert listing.stale == (f"workdir/{leaf}",)
    assert roles(listing) == {"7": {"input"}}
    assert listing.ignored == ()


def test_quarantine_asks_as_long_as_it_holds_batch_files(tmp_path: Path) -> None:
    """Only folders of quarantine that hold batch files count, by the batch that they came from."""
    put(
        tmp_path,
        "quarantine/7.1/batch_input_7.jsonl",
        "quarantine/7.2/batch_output_7.jsonl",
        "quarantine/7.2/reason.json",
        "quarantine/7.3/reason.json",
        "quarantine/8.1/",
        "quarantine/7.r1.1/batch_input_7.r1.jsonl",
        "quarantine/.staging-9.1/batch_input_9.jsonl",
        "quarantine/notes/batch_input_7.jsonl",
        "quarantine/batch_input_7.jsonl",
    )
    (tmp_path / "quarantine/10.1").symlink_to("7.1")
    assert scanned(tmp_path).quarantined == {"7": ("7.1", "7.2"), "7.r1": ("7.r1.1",)}
    look = Reading(str(tmp_path))
    assert quarantined_in(look) == {"7": ("7.1", "7.2"), "7.r1": ("7.r1.1",)}
    look.close()


def test_quarantine_folders_are_in_order(tmp_path: Path) -> None:
    """The tenth folder of a batch comes after the ninth: whoever takes the last takes the newest."""
    put(tmp_path, *(f"quarantine/7.{number}/batch_input_7.jsonl" for number in range(1, 12)))
    assert scanned(tmp_path).quarantined[BatchName("7")] == tuple(f"7.{number}" for number in range(1, 12))


@pytest.mark.parametrize(
    ("folder", "name"),
    [
        ("7.1", "7"),
        ("7.r1.1", "7.r1"),
        ("7.1.2", "7.1"),
        ("7", None),
        ("7.", None),
        (".1", None),
        ("7.r1", None),
        (".staging-7.1", None),
        ("7.1x", None),
        ("7.-1", None),
    ],
)
def test_the_batch_of_a_quarantine_folder(folder: str, name: str | None) -> None:
    """The last number is the folder's; what comes before it is the whole name of a batch."""
    assert batch_of_folder(folder) == name


def test_order(tmp_path: Path) -> None:
    """Whole numbers come in their order, a parent before its children, other names after them."""
    names = ["10", "9", "2.r1", "2", "10.r1", "b", "a.r1", "a", "0", "1x"]
    put(tmp_path, *(f"workdir/batch_input_{name}.jsonl" for name in names))
    assert list(scanned(tmp_path).batches) == "0 2 2.r1 9 10 10.r1 1x a a.r1 b".split()


def test_children_of_children_and_of_nobody_are_in_order(tmp_path: Path) -> None:
    """A child stands where its parent would, be it there or not; two spellings of a number are two names."""
    order = "1 01 2.r1 2.r01.r1 3 3.r0 3.r2 3.r10 3.r2.r1 a.r2 b".split()
    put(tmp_path, *(f"workdir/batch_input_{name}.jsonl" for name in reversed(order)))
    listing = scanned(tmp_path)
    by_parts = sorted(
        order, key=lambda name: (not (root := lineage_root(name)).isdecimal(), _key(root, name))
    )
    assert list(listing.batches) == by_parts
    assert listing.last_child == {"2": 1, "2.r01": 1, "3": 10, "3.r2": 1, "a": 2}


def test_one_number_written_in_many_ways(tmp_path: Path) -> None:
    """Names that are one number come in the order of their text, whatever order the disk has."""
    names = [f"{'0' * zeros}{number}" for number in (1, 7, 10) for zeros in range(9, -1, -1)]
    put(tmp_path, *(f"workdir/batch_input_{name}.jsonl" for name in names))
    assert list(scanned(tmp_path).batches) == names


def _key(root: str, name: str) -> tuple[int, str, int, str]:
    """Number, root, count of the child, name."""
    return (int(root) if root.isdecimal() else 0, root, child_number(name), name)


def test_children_are_in_order(tmp_path: Path) -> None:
    """The tenth child comes after the ninth, whose leftovers it asks."""
    names = ["7", *(f"7.r{k}" for k in range(1, 12))]
    put(tmp_path, *(f"workdir/batch_input_{name}.jsonl" for name in names))
    assert list(scanned(tmp_path).batches) == names


class Shuffled(Reading):
    """A disk that lists the same names in another order each time it is made."""

    def __init__(
        self, entries: list[Entry], seed: int, quarantine: Mapping[str, list[Entry]] | None = None
    ) -> None:
        super().__init__("/nonexistent")
        self._folders = {"workdir": entries, **(quarantine or {})}
        self._random = random.Random(seed)

    def listing(self, folder: str) -> list[Entry]:
        """The names of *folder* in some order."""
        entries = list(self._folders.get(folder, ()))
        self._random.shuffle(entries)
        return entries

    def names(self, folder: str) -> tuple[list[str], list[Entry]]:
        """The same, regular files apart."""
        entries = self.listing(folder)
        files = [entry.name for entry in entries if entry.kind is Kind.FILE]
        return files, [entry for entry in entries if entry.kind is not Kind.FILE]


NAMES = st.one_of(
    st.integers(0, 120).map(str),
    st.from_regex(r"[aA1][bB.r_-]{0,3}[12]{0,2}", fullmatch=True).filter(parse_name),
)
ENTRIES = st.lists(
    st.builds(
        Entry,
        st.one_of(
            st.builds(file_name, st.sampled_from(Role), NAMES),
            st.builds(lambda name: TEMPORARY + file_name(Role.OUTPUT, name), NAMES),
            st.sampled_from(["notes.txt", "batch_7.jsonl", ".hidden"]),
        ),
        st.sampled_from(Kind),
    ),
    max_size=25,
    unique_by=lambda entry: entry.name,
)
QUARANTINE = st.lists(st.builds("{}.{}".format, NAMES, st.integers(1, 12)), max_size=6, unique=True)


@given(ENTRIES, QUARANTINE, st.integers(), st.integers())
def test_the_order_of_names_on_disk_does_not_matter(
    entries: list[Entry], folders: list[str], one: int, other: int
) -> None:
    """However the disk orders its names, the same listing comes out, in the same order."""
    held = [Entry("batch_input_x.jsonl", Kind.FILE), Entry("reason.json", Kind.FILE)]
    quarantine = {f"quarantine/{name}": held for name in folders}
    quarantine["quarantine"] = [Entry(name, Kind.FOLDER) for name in folders]
    layout = Layout("/nonexistent", "workdir")
    first = scan(Shuffled(entries, one, quarantine), layout)
    second = scan(Shuffled(entries, other, quarantine), layout)
    assert first == second
    assert list(first.batches) == list(second.batches)
    assert list(first.quarantined) == list(second.quarantined)
    for name in first.batches:
        parent = BatchName(name.rpartition(".r")[0])
        assert parent not in first.batches or list(first.batches).index(parent) < list(first.batches).index(
            name
        )
