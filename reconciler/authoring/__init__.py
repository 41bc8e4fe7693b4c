"""Describing requests in Python or in a table, and making inputs of them: `Batch`, `reconcile add`."""
