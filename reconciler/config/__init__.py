"""
Settings: which there are, where each value came from, and what is refused.

Pure: it is handed the text of the files and the environment. See docs/workspace.md, "Settings".
"""

from reconciler.config.settings import Settings, settle
from reconciler.config.table import BUILT_IN, SETTINGS, Setting

__all__ = ["BUILT_IN", "SETTINGS", "Setting", "Settings", "settle"]
