"""
Every error the reconciler raises on purpose.

    ReconcilerError
    ├── UserError             the person who typed the command can mend it; shown without a traceback
    │   ├── UsageError            exit 2: wrong words, a path that is not there
    │   │   └── InvalidRequest        a described request that cannot be sent as it is
    │   │       └── UnknownProvider       nobody knows whom to ask for it
    │   ├── NotAWorkspace         exit 2: a folder without workdir/ or batch files
    │   ├── ConfigError           exit 78: settings that cannot be obeyed
    │   ├── WorkspaceLocked       exit 4: another reconciler holds the workspace
    │   └── NeedsPerson           exit 3: the request was understood and refused, with what to do instead
    ├── TransientError        exit 1: a re-run may mend it (disk full, a file that vanished)
    │   ├── Unreachable           nothing of a call can have arrived: nobody is there
    │   ├── Later                 exit 75: a provider asks to come back at a time
    │   └── Uncertain             a call that makes something may have arrived, and no reply came
    ├── PermanentError        exit 3: this batch stops, the others go on
    │   ├── BadLine               one line of a file cannot be read as what it must be
    │   ├── BadMetadata           a metadata file is empty, corrupt or of a newer schema
    │   ├── Clash                 a name is taken by other bytes
    │   └── CallRefused           a provider said no, and nothing happened
    │       └── NotThere              it knows nothing under that id
    ├── ProviderError         a provider could not be asked, or said no; of the above: Unreachable, Uncertain,
    │   │                     CallRefused and NotThere are of this kind too
    │   ├── KeyRefused            exit 77: a provider's key is missing or refused
    │   └── Walled                exit 3: others were refused there, every request alike
    ├── CostLimitExceeded     exit 3: it may cost more than what is left of the limit of cost
    ├── StaleSnapshot         the world moved between plan and effect: plan again
    └── Interrupted           exit 130: Ctrl-C or SIGTERM, between two effects

The message says what happened and where; `hint` is the next thing to type or do.
"""

from __future__ import annotations


class ReconcilerError(Exception):
    """Root of the tree in this module's docstring."""

    exit_code = 1

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class UserError(ReconcilerError):
    """The person who typed the command can mend it."""

    exit_code = 2


class UsageError(UserError):
    """Wrong words on the command line, or a path that is not there."""


class InvalidRequest(UsageError):
    """A described request says too much or too little, or would be refused; nothing was written."""


class UnknownProvider(InvalidRequest):
    """Nobody knows that provider, or whose a model is."""


class NotAWorkspace(UserError):
    """A folder without `workdir/`, batch files or an earlier pass's `.reconciler/`."""


class ConfigError(UserError):
    """Settings, or a layout, that cannot be obeyed."""

    exit_code = 78


class WorkspaceLocked(UserError):
    """Another reconciler holds this workspace; nothing was changed."""

    exit_code = 4


class NeedsPerson(UserError):
    """The request was understood and refused; the hint says what to do instead."""

    exit_code = 3


class ProviderError(ReconcilerError):
    """A provider could not be asked, or said no."""


class TransientError(ReconcilerError):
    """A re-run may mend it."""


class Unreachable(TransientError, ProviderError):
    """Nobody is there: nothing of a call can have arrived."""


class Later(TransientError):
    """
    A provider asks to come back later; nothing happened there.

    Attributes:
        seconds: How long to wait.
    """

    exit_code = 75

    def __init__(self, message: str, seconds: float, *, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.seconds = seconds


class NoRoom(Later):
    """Other batches of the workspace are at the provider, and it goes once these have moved on."""


class Uncertain(TransientError, ProviderError):
    """A call that makes something may have arrived, and no reply tells; it must never be repeated blindly."""


class PermanentError(ReconcilerError):
    """This batch stops; the others go on."""

    exit_code = 3


class BadLine(PermanentError):
    """
    One line cannot be read as what it must be.

    Attributes:
        path: The file, relative to the workspace where it is known.
        line: 1-based line number; 0 when the error is about the whole file.
        reason: Why, in words, without the path.
    """

    def __init__(self, path: str, line: int, reason: str, *, hint: str = "") -> None:
        where = f"{path}:{line}" if line else path
        super().__init__(f"{where}: {reason}", hint=hint)
        self.path = path
        self.line = line
        self.reason = reason

    def __reduce__(self) -> tuple[object, ...]:
        """Pickle by what it was made of: it may cross from another process."""
        return (type(self), (self.path, self.line, self.reason), self.__dict__)


class BadMetadata(PermanentError):
    """A metadata file is empty, corrupt or of a newer schema; it is never read as "no metadata"."""


class Clash(PermanentError):
    """A name is taken by other bytes; nothing is overwritten."""


class CallRefused(PermanentError, ProviderError):
    """
    A provider said no, and nothing happened there.

    Attributes:
        status: The HTTP status.
        code: The provider's own code or type of error; empty where it gave none.
        told: The provider's own words.
    """

    def __init__(
        self, message: str, *, status: int = 0, code: str = "", told: str = "", hint: str = ""
    ) -> None:
        super().__init__(message, hint=hint)
        self.status = status
        self.code = code
        self.told = told


class NotThere(CallRefused):
    """The provider knows nothing under that id, or nothing that this key may see."""


class KeyRefused(ProviderError):
    """The key of a provider is missing or refused; its batches are unchanged, the others go on."""

    exit_code = 77


class Walled(ProviderError):
    """Other batches were refused there, every request alike: nothing more is sent until a person says so."""

    exit_code = 3


class CostLimitExceeded(ReconcilerError):
    """It may cost more than what is left of the limit of cost; nothing was sent, and the others go on."""

    exit_code = 3


class StaleSnapshot(ReconcilerError):
    """The world moved between plan and effect; the engine plans again."""


class Interrupted(ReconcilerError):
    """Ctrl-C or SIGTERM arrived; everything is resumable."""

    exit_code = 130
