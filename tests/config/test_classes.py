"""`[policy.classes]`: one word for each error class, in every layer of settings."""

import pytest

from reconciler.config import settle
from reconciler.errors import ConfigError
from reconciler.model.outcome import DEFAULT_CLASSES, ClassPolicy, ErrorClass

FILE = "ws/reconciler.toml"


@pytest.mark.parametrize("each", ErrorClass)
def test_every_class_has_a_word(each: ErrorClass) -> None:
    """A file may say of any class what is done about it; the others keep what is built in."""
    word = ClassPolicy.ATTENTION
    policy = settle([(FILE, f'[policy.classes]\n{each.value} = "{word.value}"')]).policy()
    assert policy.classes == {**DEFAULT_CLASSES, each: word}
    assert policy.looked_at == {each}


def test_layers_and_batches_say_it_too() -> None:
    """The environment outranks the file, a call the environment; a [[batch]] table speaks for its batches."""
    text = '[policy.classes]\nunknown = "never"\n[[batch]]\nmatch = "big-*"\nclasses.unknown = "retry"'
    assert settle([(FILE, text)]).policy().classes[ErrorClass.UNKNOWN] is ClassPolicy.NEVER
    assert (
        settle([(FILE, text)]).of_batch("big-1.r1").policy().classes[ErrorClass.UNKNOWN] is ClassPolicy.RETRY
    )
    environment = {"RECONCILER_POLICY_CLASSES_RATE_LIMIT": "once"}
    found = settle([(FILE, text)], environment, {"policy.classes.billing": "attention"}).policy().classes
    assert found[ErrorClass.RATE_LIMIT] is ClassPolicy.ONCE
    assert found[ErrorClass.BILLING] is ClassPolicy.ATTENTION


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        pytest.param(
            '[policy.classes]\nrate_limit = "never"',
            "[policy.classes] knows no error class rate_limit",
            "did you mean rate-limit?",
            id="class",
        ),
        pytest.param(
            '[policy.classes]\nbilling = "retyr"',
            "policy.classes.billing is 'retyr'",
            "did you mean retry?",
            id="word",
        ),
        pytest.param(
            '[[batch]]\nmatch = "7"\nclasses.bililng = "once"',
            "[policy.classes] knows no error class bililng",
            "did you mean billing?",
            id="batch-class",
        ),
        pytest.param(
            '[[batch]]\nmatch = "7"\nclasses = "once"',
            "[[batch]] '7': classes is no table",
            "write a table: [batch.classes]",
            id="batch-no-table",
        ),
        pytest.param(
            "[policy]\nclasses = 3", "unknown setting policy.classes", "did you mean", id="no-table"
        ),
    ],
)
def test_a_slip_is_refused_with_the_nearest(text: str, message: str, hint: str) -> None:
    """A class or a word that nobody knows stops the program before anything is done: code 78."""
    with pytest.raises(ConfigError) as caught:
        settle([(FILE, text)])
    assert caught.value.message == f"{FILE}: {message}"
    assert caught.value.hint.startswith(hint)
    assert caught.value.exit_code == 78


def test_a_class_may_name_code() -> None:
    """A value with a colon names code; as it is, such a failure is not sent again."""
    found = settle([(FILE, '[policy.classes]\nover-length = "shorten.py:halve"\nrate-limit = "mine:slower"')])
    assert list(found.code_named_in(FILE)) == [
        ("policy.classes.over-length", "shorten.py:halve"),
        ("policy.classes.rate-limit", "mine:slower"),
    ]
    classes = found.policy().classes
    assert (classes[ErrorClass.OVER_LENGTH], classes[ErrorClass.RATE_LIMIT]) == (ClassPolicy.NEVER,) * 2
    words = "".join(f'{each.value} = "{word.value}"\n' for each, word in DEFAULT_CLASSES.items())
    assert list(settle([(FILE, f"[policy.classes]\n{words}")]).code_named_in(FILE)) == []


@pytest.mark.parametrize(
    ("line", "message"),
    [
        pytest.param(
            'missing = "shorten.py:halve"', "policy.classes.missing is 'shorten.py:halve'", id="missing"
        ),
        pytest.param('billing = ""', "policy.classes.billing is ''", id="empty"),
        pytest.param('billing = "shorten.py"', "policy.classes.billing is 'shorten.py'", id="no-function"),
        pytest.param("billing = 7", "policy.classes.billing is 7, expected a string", id="number"),
    ],
)
def test_what_names_no_code(line: str, message: str) -> None:
    """Of what is missing nothing has failed yet; and a word without a colon is a slip."""
    with pytest.raises(ConfigError) as caught:
        settle([(FILE, f"[policy.classes]\n{line}")])
    assert caught.value.message == f"{FILE}: {message}"
