"""
Recompute the promises from the files alone; a pure read.

Trusts nothing that a pass has written down: every settled file is read again, every id counted again,
and what comes out is held against metadata, manifests and ledger.
"""

from reconciler.check.audit import check
from reconciler.check.secrets import keys_in
from reconciler.check.verdict import Finding, Verdict

__all__ = ["Finding", "Verdict", "check", "keys_in"]
