"""Audit wheels: what they contain, and whether they keep what a release promises."""
