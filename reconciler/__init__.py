"""
Put batch files in a folder; work out what each one still needs, do it, and prove that nothing was lost.

Public names only: everything else is reached through these.
"""

__version__ = "0.1.0"

__all__ = ["__version__"]
