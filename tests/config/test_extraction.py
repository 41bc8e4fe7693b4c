"""What `[results]` says of extraction, in every layer, and which sayings are refused before all else."""

from pathlib import Path
from typing import Any, Final

import pytest

from reconciler import config
from reconciler.choices import prepare
from reconciler.errors import ConfigError
from reconciler.executor.hooks import Hooks
from reconciler.model.extraction import TAG_PREFIX, TAG_SUFFIX, Kind, Think
from reconciler.plugins import Mode
from reconciler.workspace.sources import schema_file
from tests.workspace.faults import UNREADABLE, needs_unreadable
from tests.workspaces import put, request

PAIR: Final = 'tag_prefix = "<a>"\ntag_suffix = "</a>"'
TABLE: Final = '[results]\nschema = "{}"\n[[batch]]\nmatch = "1"\n'


def hooks(root: Path, text: str, mode: Mode = Mode.RUN, name: str = "1", **flags: Any) -> Hooks:
    """What a batch gets of a workspace's settings."""
    put(root, "1", input=[request(0)])
    (root / "reconciler.toml").write_text(text)
    given = {f"results.{key}": value for key, value in flags.items()}
    return prepare(str(root), given, mode=mode).plugged.hooks_of(name)


@pytest.mark.parametrize(
    ("text", "expected", "chosen"),
    [
        pytest.param("", None, False, id="nothing-is-said"),
        pytest.param('[results]\nextract = "none"', None, True, id="nothing-is-wanted"),
        pytest.param('[results]\nextract = "tags"', (Kind.TAGS, TAG_PREFIX, TAG_SUFFIX), True, id="ancestor"),
        pytest.param(f"[results]\n{PAIR}", (Kind.TAGS, "<a>", "</a>"), True, id="tags"),
        pytest.param('[results]\npointer = "/a"', (Kind.POINTER, "", ""), True, id="pointer"),
        pytest.param('[results]\npointer = ""', (Kind.POINTER, "", ""), True, id="the-whole-answer"),
        pytest.param('[results]\nschema = "{}"', (Kind.SCHEMA, "", ""), True, id="schema"),
        pytest.param(f'{TABLE}extract = "tags"', (Kind.TAGS, TAG_PREFIX, TAG_SUFFIX), True, id="a-table"),
        pytest.param(f'{TABLE}extract = "none"', None, True, id="a-table-lifts-it"),
        pytest.param('[[batch]]\nmatch = "2"\nextract = "tags"', None, False, id="of-another-batch"),
    ],
)  # fmt: skip
def test_kinds(tmp_path: Path, text: str, expected: tuple[Kind, str, str] | None, chosen: bool) -> None:  # noqa: FBT001 - a column of the table
    """A key names its kind by being there, `extract` says which counts; batches have their own."""
    found = hooks(tmp_path / "w", text)
    extraction = found.extraction
    seen = None if extraction is None else (extraction.kind, extraction.prefix, extraction.suffix)
    assert (seen, found.extraction_chosen) == (expected, chosen)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        pytest.param('pointer = "/a"\nschema = "{}"', "two kinds", id="two-kinds"),
        pytest.param('extract = "tags"\npointer = "/a"', "two kinds", id="another-kind-than-it-says"),
        pytest.param(f'{TABLE.removeprefix("[results]")}pointer = "/a"', "two kinds", id="of-two-places"),
        pytest.param('tag_prefix = ""\ntag_suffix = "b"', "tag_prefix is empty", id="empty-tag"),
        pytest.param('tag_prefix = "a"\ntag_suffix = ""', "tag_suffix is empty", id="empty-end"),
        pytest.param('tag_prefix = "a"', "tag_suffix is not", id="half-a-pair"),
        pytest.param('pointer = "a"', "no JSON pointer", id="pointer-without-slash"),
        pytest.param('pointer = "/~2"', "no JSON pointer", id="pointer-with-a-lone-tilde"),
        pytest.param('extract = "schema"', "schema is empty", id="no-schema"),
        pytest.param('schema = "{"', "not JSON", id="broken-json"),
        pytest.param("schema = '{\"type\": 5}'", "no JSON Schema", id="broken-schema"),
        pytest.param("schema = { const = 2020-01-01 }", "no JSON Schema", id="a-date"),
        pytest.param('schema = "gone.json"', "no file is there", id="no-file"),
        pytest.param('schema = "../s.json"', "no path below", id="outside"),
        pytest.param('schema = "/etc/passwd"', "no path below", id="absolute"),
        pytest.param('schema = "huge.json"', "are the most", id="huge"),
        pytest.param('schema = "link.json"', "schema is 'link.json'", id="a-link"),
        pytest.param('pointer = "/a"\n[output]\ncontent = "jsonl"', "jsonl", id="lines-of-json"),
    ],
)  # fmt: skip
def test_what_is_refused(tmp_path: Path, text: str, words: str) -> None:
    """A mistake in the settings stops a pass with 78 before anything is done; looking still works."""
    root = tmp_path / "w"
    root.mkdir()
    (root / "huge.json").write_bytes(b" " * (1 << 18) + b"{}")
    (tmp_path / "s.json").write_text("{}")
    (root / "link.json").symlink_to(tmp_path / "s.json")
    (root / "workdir").mkdir()
    with pytest.raises(ConfigError) as caught:
        hooks(root, f"[results]\n{text}\n")
    assert words in caught.value.message
    assert caught.value.exit_code == 78


def test_a_schema_is_a_file_a_text_or_a_table(tmp_path: Path) -> None:
    """However a schema is given, it is the same schema; a call may hand over a dict."""
    root = tmp_path / "w"
    (root / "workdir").mkdir(parents=True)
    (root / "s.json").write_bytes(b'\xef\xbb\xbf{ "type": "object" }')
    texts = ['schema = "s.json"', 'schema = \'{"type":"object"}\'', '[results.schema]\ntype = "object"']
    found = [hooks(root, f"[results]\n{text}" if "." not in text[:9] else text).extraction for text in texts]
    found.append(hooks(root, "", schema={"type": "object"}).extraction)
    assert len(set(found)) == 1
    assert found[0] is not None
    assert found[0].schema == '{"type":"object"}'


def test_looking_reads_no_schema(tmp_path: Path) -> None:
    """`status` and `check` answer whatever is wrong with a schema: they hold answers to what was counted."""
    assert hooks(tmp_path / "w", '[results]\nschema = "gone.json"', Mode.LOOK).extraction is None


def test_environment_and_think() -> None:
    """Each key has its variable, and two of them may make a pair."""
    variables = {"RECONCILER_RESULTS_TAG_PREFIX": "<x>", "RECONCILER_RESULTS_TAG_SUFFIX": "</x>"}
    found = config.settle(environment={**variables, "RECONCILER_RESULTS_THINK": Think.SEARCH.value})
    assert (found["results.tag_prefix"], found["results.tag_suffix"], found["results.think"]) == (
        *("<x>", "</x>"),
        "search",
    )


@needs_unreadable
def test_a_schema_that_cannot_be_read() -> None:
    """What the disk does not give is a setting that cannot be obeyed, with the way to give it otherwise."""
    with pytest.raises(ConfigError, match="which cannot be read: Input/output error") as caught:
        schema_file(str(UNREADABLE.with_name("reconciler.toml")), "here", UNREADABLE.name)
    assert "write the schema itself" in caught.value.hint
