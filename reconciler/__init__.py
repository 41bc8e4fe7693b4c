"""
Put batch files in a folder; work out what each one still needs, do it, and prove that nothing was lost.

Public names only: everything else is reached through these. They are loaded when they are first used, so that
`reconcile --version` loads none of them.
"""

from importlib import import_module

# Nothing is imported from `typing` here: `python -m` has the current folder on the search path until
# `__main__` takes it off, and a file of that name there must not run.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from reconciler.authoring.batch import Batch
    from reconciler.authoring.runs import Answer, Run
    from reconciler.caches import export_jsonl
    from reconciler.choices import Choices
    from reconciler.errors import (
        ConfigError,
        CostLimitExceeded,
        PermanentError,
        ReconcilerError,
        TransientError,
        UserError,
        WorkspaceLocked,
    )
    from reconciler.library import Workspace, WorkspaceBatch, plan, reconcile
    from reconciler.model.exchange import Request, Result
    from reconciler.model.failure import (
        AnswersGone,
        BadFile,
        BadInput,
        BadRecord,
        Capped,
        FailedForGood,
        Failure,
        FileChanged,
        Held,
        IdMismatch,
        InDoubt,
        MissingInput,
        NameTaken,
        NoKey,
        Quarantined,
        ReconciliationFailed,
        Refused,
        StepFailed,
        Unhandled,
    )
    from reconciler.model.outcome import ErrorClass, Outcome
    from reconciler.model.plan import Plan
    from reconciler.model.policy import Policy
    from reconciler.model.report import BatchReport, Report, State
    from reconciler.model.rows import ResultRow, ResultRows, Standing
    from reconciler.model.snapshot import Snapshot
    from reconciler.processors.base import BatchContext, ProcessedBatch
    from reconciler.prompts import PromptRecord, prompt_map, prompt_map_sync

__version__ = "0.1.0"

_HOMES = {
    "errors": (
        "ConfigError CostLimitExceeded PermanentError ReconcilerError TransientError UserError"
        " WorkspaceLocked"
    ),
    "authoring.batch": "Batch",
    "authoring.runs": "Answer Run",
    "choices": "Choices",
    "library": "Workspace WorkspaceBatch plan reconcile",
    "model.exchange": "Request Result",
    "model.failure": (
        "AnswersGone BadFile BadInput BadRecord Capped Failure FailedForGood FileChanged Held IdMismatch"
        " InDoubt MissingInput NameTaken NoKey Quarantined ReconciliationFailed Refused StepFailed Unhandled"
    ),
    "model.outcome": "ErrorClass Outcome",
    "model.plan": "Plan",
    "model.policy": "Policy",
    "model.report": "BatchReport Report State",
    "model.rows": "ResultRow ResultRows Standing",
    "model.snapshot": "Snapshot",
    "caches": "export_jsonl",
    "processors.base": "BatchContext ProcessedBatch",
    "prompts": "PromptRecord prompt_map prompt_map_sync",
}

__all__ = [
    "Answer",
    "AnswersGone",
    "BadFile",
    "BadInput",
    "BadRecord",
    "Batch",
    "BatchContext",
    "BatchReport",
    "Capped",
    "Choices",
    "ConfigError",
    "CostLimitExceeded",
    "ErrorClass",
    "FailedForGood",
    "Failure",
    "FileChanged",
    "Held",
    "IdMismatch",
    "InDoubt",
    "MissingInput",
    "NameTaken",
    "NoKey",
    "Outcome",
    "PermanentError",
    "Plan",
    "Policy",
    "ProcessedBatch",
    "PromptRecord",
    "Quarantined",
    "ReconcilerError",
    "ReconciliationFailed",
    "Refused",
    "Report",
    "Request",
    "Result",
    "ResultRow",
    "ResultRows",
    "Run",
    "Snapshot",
    "Standing",
    "State",
    "StepFailed",
    "TransientError",
    "Unhandled",
    "UserError",
    "Workspace",
    "WorkspaceBatch",
    "WorkspaceLocked",
    "__version__",
    "export_jsonl",
    "plan",
    "prompt_map",
    "prompt_map_sync",
    "reconcile",
]


def __getattr__(name: str) -> object:
    """Load a public name from where it lives."""
    for home, names in _HOMES.items():
        if name in names.split():
            return getattr(import_module(f"reconciler.{home}"), name)
    raise AttributeError(f"module 'reconciler' has no attribute {name!r}")


def __dir__() -> list[str]:
    """The public names."""
    return __all__
