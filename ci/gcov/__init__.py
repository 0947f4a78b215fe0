"""C coverage: reading C, the compile commands and notes of a build, gcov's counts of a run."""
