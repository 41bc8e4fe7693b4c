"""
The folder on disk: what lies where, what was seen, and every effect on it.

All file effects go through `effects.py`; nothing else in the product opens, writes or moves a file.
See docs/workspace.md for the contract and docs/architecture.md, floor 3.
"""
