"""`[[batch]]` tables: settings of single batches, by name, by pattern, and for the children of both."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.config import Settings, settle
from reconciler.config.table import BATCH_KEYS
from reconciler.errors import ConfigError

FILE = "ws/reconciler.toml"
USER = "user.toml"


def read(*texts: str, **others: Any) -> Settings:
    """Settings of a user's file and a workspace's, as many as there are."""
    return settle(list(zip((USER, FILE)[-len(texts) :], texts, strict=True)), **others)


def provider(settings: Settings, name: str) -> Any:
    """Who answers one batch."""
    return settings.of_batch(name)["provider.name"]


@pytest.mark.parametrize(
    ("match", "name", "expected"),
    [
        pytest.param("7", "7", True, id="name"),
        pytest.param("7", "70", False, id="another-name"),
        pytest.param("7", "7.r1", True, id="child-by-its-root"),
        pytest.param("7", "7.r12", True, id="later-child"),
        pytest.param("7.r1", "7.r1", True, id="child-by-name"),
        pytest.param("7.r1", "7", False, id="parent-of-a-named-child"),
        pytest.param("7.r1", "7.r2", False, id="another-child"),
        pytest.param("invoices-*", "invoices-2024", True, id="pattern"),
        pytest.param("invoices-*", "invoices-2024.r3", True, id="pattern-child"),
        pytest.param("invoices-*", "invoice", False, id="pattern-no"),
        pytest.param("invoices-?", "invoices-2.r1", True, id="pattern-by-root"),
        pytest.param("[12]", "2", True, id="brackets"),
        pytest.param("[12]", "3", False, id="brackets-no"),
        pytest.param("a*", "A1", False, id="case-counts"),
        pytest.param("*", "anything", True, id="all"),
    ],
)
def test_a_table_speaks_of_its_batches(match: str, name: str, *, expected: bool) -> None:
    """By name or pattern, of the batch itself or of the batch that it is a retry child of."""
    found = read(f'[[batch]]\nmatch = "{match}"\nprovider = "openai"')
    assert provider(found, name) == ("openai" if expected else "none")


def test_a_table_says_nothing_about_the_workspace() -> None:
    """What holds for some batches is no setting of its own."""
    found = read('[[batch]]\nmatch = "*"\nprovider = "openai"')
    assert (found["provider.name"], found.differ) == ("none", True)
    assert not read("[policy]\nmax_attempts = 2").differ


def test_later_tables_win() -> None:
    """Of two tables of one file that speak of a batch, the later one is obeyed, key by key."""
    found = read(
        '[[batch]]\nmatch = "a*"\nprovider = "openai"\ncontent = "json"\n'
        '[[batch]]\nmatch = "ab*"\nprovider = "gemini"\n'
    ).of_batch("abc")
    assert (found["provider.name"], found["output.content"]) == ("gemini", "json")


def test_a_table_outranks_the_plain_values_of_its_file() -> None:
    """In its own file, wherever it stands."""
    found = read('[[batch]]\nmatch = "a"\nprovider = "openai"\n[provider]\nname = "gemini"\n')
    assert (provider(found, "a"), provider(found, "b")) == ("openai", "gemini")


@pytest.mark.parametrize(
    ("user", "own", "environment", "flags", "expected"),
    [
        pytest.param("table", "", {}, {}, "openai", id="user-table"),
        pytest.param("table", "plain", {}, {}, "gemini", id="workspace-value-over-user-table"),
        pytest.param("table", "table", {}, {}, "mistral", id="workspace-table-over-user-table"),
        pytest.param("plain", "table", {}, {}, "mistral", id="workspace-table-over-user-value"),
        pytest.param("table", "table", {"RECONCILER_PROVIDER_NAME": "azure"}, {}, "azure", id="environment"),
        pytest.param(
            "table",
            "table",
            {"RECONCILER_PROVIDER_NAME": "azure"},
            {"provider.name": "local"},
            "local",
            id="flag",
        ),
    ],
)
def test_layers_outrank_tables_of_lower_layers(
    user: str, own: str, environment: dict[str, str], flags: dict[str, Any], expected: str
) -> None:
    """A table counts as if its own file said so: any higher layer's plain value is stronger."""
    texts = {
        USER: {
            "table": '[[batch]]\nmatch = "a"\nprovider = "openai"',
            "plain": '[provider]\nname = "anthropic"',
        },
        FILE: {
            "table": '[[batch]]\nmatch = "a"\nprovider = "mistral"',
            "plain": '[provider]\nname = "gemini"',
        },
    }
    found = settle([(USER, texts[USER].get(user, "")), (FILE, texts[FILE].get(own, ""))], environment, flags)
    assert provider(found, "a") == expected


def test_the_origin_of_a_tables_value_is_its_file() -> None:
    """Relative paths of code begin where the file lies that names it."""
    found = read("", '[[batch]]\nmatch = "a"\nworker = "w.py:f"').of_batch("a")
    assert (found["local.worker"], found.origins["local.worker"]) == ("w.py:f", FILE)


@pytest.mark.parametrize("key", sorted(BATCH_KEYS))
def test_every_key_of_a_table_reaches_its_setting(key: str) -> None:
    """What a table may say is what the setting of that name would say."""
    values = {
        "provider": "local",
        "content": "json",
        "on_failure": "settle",
        "extract": "tags",
        "think": "skip",
    }
    value = values.get(key, "some.module:name")
    found = read(f'[[batch]]\nmatch = "a"\n{key} = "{value}"').of_batch("a")
    assert found[BATCH_KEYS[key]] == value


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        pytest.param(
            '[[batch]]\nmatch = "a"\nprovder = "openai"',
            "[[batch]] 'a': unknown key provder",
            "did you mean provider?",
            id="unknown-key",
        ),
        pytest.param(
            '[[batch]]\nmatch = "a"\nmax_attempts = 1',
            "[[batch]] 'a': unknown key max_attempts",
            "known:",
            id="no-key",
        ),
        pytest.param(
            '[[batch]]\nprovider = "openai"', "a [[batch]] table without match", 'match = "', id="no-match"
        ),
        pytest.param(
            '[[batch]]\nmatch = ""', "a [[batch]] table without match", 'match = "', id="empty-match"
        ),
        pytest.param(
            "[[batch]]\nmatch = 7", "a [[batch]] table without match", 'match = "', id="number-match"
        ),
        pytest.param('[batch]\nmatch = "a"', "batch is no list of tables", "[[batch]]", id="one-bracket"),
        pytest.param("batch = [1]", "batch is no list of tables", "[[batch]]", id="list-of-numbers"),
        pytest.param(
            '[[batch]]\nmatch = "a"\ncontent = "nothing"',
            "output.content is 'nothing'",
            "this version knows",
            id="value",
        ),
        pytest.param(
            '[[batch]]\nmatch = "a"\ncontent = 7', "output.content is 7, expected a string", "", id="kind"
        ),
        pytest.param(
            '[[batch]]\nmatch = "a"\nworker = " "', "local.worker is empty", "built in: echo", id="empty"
        ),
    ],
)
def test_what_a_table_may_not_say_is_refused(text: str, message: str, hint: str) -> None:
    """A wish that cannot be granted is an error, with the file, the table and the nearest name."""
    with pytest.raises(ConfigError) as caught:
        read(text)
    assert caught.value.message.startswith(f"{FILE}: {message}")
    assert hint in caught.value.hint
    assert caught.value.exit_code == 78


names = st.from_regex(r"[a-c][0-9](\.r[1-3])?", fullmatch=True)
matches = st.sampled_from(["*", "a*", "b?", "[ab]*", "a1", "c2", "*.r1"])
tables = st.lists(st.tuples(matches, st.sampled_from(["openai", "gemini", "mistral"])), max_size=4)


@given(names, tables, st.sampled_from(["none", "azure"]))
def test_the_last_table_that_speaks_is_obeyed(name: str, said: list[tuple[str, str]], plain: str) -> None:
    """Of any list of tables: the last that speaks of a batch, or else the plain value."""
    text = f'[provider]\nname = "{plain}"\n'
    text += "".join(f'[[batch]]\nmatch = "{match}"\nprovider = "{who}"\n' for match, who in said)
    found = read(text)
    (layer,) = found.layers
    speaking = [table.values["provider.name"] for table in layer.tables if table.speaks_of(name)]
    assert provider(found, name) == (speaking or [plain])[-1]
