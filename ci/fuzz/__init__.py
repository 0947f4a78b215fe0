"""The fuzzers of tests/fuzz, run in extensions built with sanitizers."""
