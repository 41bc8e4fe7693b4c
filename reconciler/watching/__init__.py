"""
`reconcile watch`: workspaces kept reconciled by one process, for weeks.

What wakes it only says "look again": each pass is the one-shot's own, over everything that lies there.
"""
