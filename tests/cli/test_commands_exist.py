"""Whatever is named `reconcile <verb>` or `--flag`, in a message, a hint, a page or the template, exists."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import click
import pytest

from reconciler.cli.main import cli
from tests.cli.calling import call

ROOT: Final = Path(__file__).parents[2]
COMMANDS: Final = dict(cli.commands)
PLACEHOLDERS: Final = frozenset({"VERB", "WORKSPACE", "PATH"})
ALIASES: Final = frozenset({"help"})
"""Words that the group takes itself, without a verb of that name."""

COMMAND: Final = re.compile(
    r"(?:^\s*(?:-> |\$ )?|`|then: |/bin/)reconcile[ \t]+(?P<words>[^`\n]+)", re.MULTILINE
)
FLAG: Final = re.compile(r"(?<![\w-])--[a-z][a-z-]*")


def named(text: str) -> Iterator[list[str]]:
    """The words after `reconcile` where a line begins with it, in backticks, and after `then:`."""
    for found in COMMAND.finditer(text):
        yield re.split(r" {2,}| \(|[,;#]|: ", found["words"])[0].split()


def wrong(text: str) -> list[str]:
    """What is wrong with the commands that *text* shows."""
    found = []
    for words in named(text):
        verb = next((word for word in words if not word.startswith("-")), "")
        takes = COMMANDS.get(verb)
        if takes is None and verb and verb not in ALIASES and not is_path(verb):
            found.append(f"reconcile {verb}")
        known = flags(takes or COMMANDS["run"]) | flags(cli)
        shown = [flag for word in words for flag in FLAG.findall(word)]
        found += [f"reconcile {verb} {flag}" for flag in shown if flag not in known]
    return found


def is_path(word: str) -> bool:
    """Whether a word after `reconcile` stands for a workspace."""
    return word in PLACEHOLDERS or word[0] in "./~{<'\"$%" or "/" in word


def flags(command: click.Command) -> set[str]:
    """The flags that a command takes."""
    own = {flag for each in command.params if isinstance(each, click.Option) for flag in each.opts}
    if isinstance(command, click.Group) and command is not cli:
        own = own.union(*map(flags, command.commands.values()))
    return own | {"--help"}


def literals(source: str) -> Iterator[str]:
    """Every string of a module, the holes of f-strings as `{}`."""
    inner: set[ast.AST] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.JoinedStr):
            inner.update(node.values)
            yield "".join(str(part.value) if isinstance(part, ast.Constant) else "{}" for part in node.values)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and node not in inner:
            yield node.value


def pages() -> list[Path]:
    """What people read."""
    found = [ROOT / "README.md", *(ROOT / "docs").rglob("*.md"), *(ROOT / "workspace_template").iterdir()]
    return sorted(path for path in found if path.is_file())


def modules() -> list[Path]:
    """What the program says."""
    return sorted((ROOT / "reconciler").rglob("*.py"))


def label(path: Path) -> str:
    """A path in the id of a test."""
    return path.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("module", modules(), ids=label)
def test_no_string_of_the_program_names_a_command_that_is_not_there(module: Path) -> None:
    """Messages, hints and docstrings show only commands that this version has."""
    assert [each for text in literals(module.read_text("utf-8")) for each in wrong(text)] == []


@pytest.mark.parametrize("module", modules(), ids=label)
def test_no_string_of_the_program_names_a_flag_that_is_not_there(module: Path) -> None:
    """A flag in a message belongs to some verb."""
    known = flags(cli).union(*(flags(each) for each in COMMANDS.values()))

    assert {
        flag for text in literals(module.read_text("utf-8")) for flag in FLAG.findall(text)
    } - known == set()


@pytest.mark.parametrize("page", pages(), ids=label)
def test_no_page_names_a_command_that_is_not_there(page: Path) -> None:
    """README, documentation and template show only commands that this version has."""
    assert wrong(page.read_text("utf-8")) == []


def test_commands_are_found_where_they_are_shown() -> None:
    """The program, the README and the template do show commands: the tests above look at something."""
    shown = [
        words[0]
        for path in (*modules(), *pages())
        for text in (literals(path.read_text("utf-8")) if path.suffix == ".py" else [path.read_text("utf-8")])
        for words in named(text)
    ]

    assert {"init", "plan", "status", "dismiss", "retry", "check"} <= set(shown)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("reconcile resend WORKSPACE 7", ["reconcile resend"], id="hint"),
        pytest.param("then: reconcile dance {}", ["reconcile dance"], id="after-then"),
        pytest.param("see `reconcile describe 7` for more", ["reconcile describe"], id="backticks"),
        pytest.param("    $ reconcile export ./ws", ["reconcile export"], id="prompt"),
        pytest.param("\n    reconcile --follow ./ws\n", ["reconcile ./ws --follow"], id="flag-without-verb"),
        pytest.param("`reconcile init --json x`", ["reconcile init --json"], id="flag-of-another-verb"),
        pytest.param("a\nreconcile claim X\nb", ["reconcile claim"], id="later-line"),
        pytest.param("reconcile retry WORKSPACE 7    asks again", [], id="aligned-comment"),
        pytest.param("`reconcile ./ws` and `reconcile WORKSPACE --only 7`", [], id="paths"),
        pytest.param("reconcile '{}' --json", [], id="quoted-path"),
        pytest.param("-> reconcile init {}", [], id="f-string"),
        pytest.param("`reconcile --version`", [], id="flag-of-the-group"),
        pytest.param("what the next pass will reconcile is open", [], id="prose"),
        pytest.param("move it away; the program makes it itself", [], id="nothing"),
    ],
)
def test_a_command_that_is_not_there_is_found(text: str, expected: list[str]) -> None:
    """The search finds commands and flags that do not exist, and blames no prose."""
    assert wrong(text) == expected


def test_what_counts_as_an_alias_works(capsys: pytest.CaptureFixture[str]) -> None:
    """Each word that a page may show without a verb behind it is one that the group takes."""
    assert [call(capsys, word).code for word in sorted(ALIASES)] == [0]


def test_f_strings_are_read_whole() -> None:
    """The pieces of an f-string are one text."""
    assert list(literals("f'reconcile {verb} {path}'")) == ["reconcile {} {}"]
