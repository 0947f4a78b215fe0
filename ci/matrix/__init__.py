"""Cells: planned from the manifest, prepared, run, and their results."""
