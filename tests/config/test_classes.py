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
