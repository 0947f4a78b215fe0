"""The sdist and the release wheels: built, repaired, tested, and the same bytes for each commit."""
