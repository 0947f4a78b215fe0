"""The operating system that the tooling runs on, for the few places where it matters."""

import os

# Windows has no process groups, no signals between processes, and Microsoft's compiler.
WINDOWS = os.name == "nt"
# The suffix of the name of a program's file.
EXE = ".exe" if WINDOWS else ""
