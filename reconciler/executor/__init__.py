"""
Turn a plan into effects: the only place where that happens.

Each operation is checked against the disk just before its effect, and the first that fails ends the plan.
See docs/architecture.md, floor 4.
"""
