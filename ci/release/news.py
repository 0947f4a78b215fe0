"""The entry of a release in CHANGES.md, which towncrier makes of the news fragments in changes/."""

from __future__ import annotations

import re
import sys
from datetime import date
from pathlib import Path

from ci import process
from ci.checkout import PACKAGE
from ci.documents import read_toml
from ci.errors import UserError
from ci.process import CommandError
from ci.project import Project

# The heading of an entry, and that of one which was written before there were fragments.
HEADING = re.compile(r"(?m)^## (\S+) \((.+)\)$")
UNRELEASED = "unreleased"
# The line of the package that holds the version.
VERSION = re.compile(r'(__version__ = ")([^"]+)(")')


def changes(project: Project) -> Path:
    """Return the path of CHANGES.md."""
    return project.root / "CHANGES.md"


def package(project: Project) -> Path:
    """Return the path of the file that holds the version."""
    return project.root / PACKAGE / "__init__.py"


def version(project: Project) -> str:
    """Return the version of the checkout.

    Raises:
        UserError: the package has none, or more than one.
    """
    found = VERSION.findall(package(project).read_text(encoding="utf-8"))
    if len(found) != 1:
        raise UserError(f'{package(project)}: needs one line with __version__ = "VERSION"')
    return str(found[0][1])


def fragments(project: Project) -> list[Path]:
    """Return the news fragments, such as `changes/17.fixed.md` and `changes/+name.added.md`.

    Raises:
        UserError: the name of one has no type that pyproject.toml declares.
    """
    settings = read_toml(project.pyproject)["tool"]["towncrier"]
    types = [each["directory"] for each in settings["type"]]
    directory = project.root / settings["directory"]
    found = []
    for path in sorted(directory.glob("*")):
        if path.name in ("README.md", Path(settings["template"]).name):
            continue
        if not re.fullmatch(rf"(\d+|\+[\w-]+)\.({'|'.join(types)})(\.\d+)?\.md", path.name):
            raise UserError(
                f"{path}: not the name of a fragment; name it ISSUE.TYPE.md or +NAME.TYPE.md, with"
                f" a type of {', '.join(types)}"
            )
        found.append(path)
    return found


def entry(new: str, today: date, project: Project) -> str:
    """Return the entry of a version, made of the fragments.

    Raises:
        UserError: towncrier fails.
    """
    command = ["-m", "towncrier", "build", "--draft", "--version", new, "--date", str(today)]
    try:
        text = process.capture([sys.executable, *command], cwd=project.root)
    except CommandError as error:
        last = (error.tail.splitlines() or [str(error)])[-1].strip()
        raise UserError(f"release: towncrier cannot make the entry: {last}") from None
    return text[text.index("## ") :].rstrip() + "\n"


def prepare(new: str, today: date, project: Project) -> None:
    """Set the version, move the fragments into CHANGES.md, and leave both to be committed.

    Raises:
        UserError: there is nothing to release, or a fragment is invalid.
    """
    parts = fragments(project)
    text = changes(project).read_text(encoding="utf-8")
    unreleased = f"## {new} ({UNRELEASED})\n"
    if not parts and unreleased not in text:
        raise UserError("release: changes/ holds no news fragment (changes/README.md)")
    added = entry(new, today, project).partition("\n")[2] if parts else ""
    written, start = "", text.find(unreleased)
    following = HEADING.search(text, start + 1)
    end = following.start() if following else len(text)
    if start >= 0:
        written = text[start + len(unreleased) : end].rstrip() + "\n"
    before = text[: start if start >= 0 else end]
    made = f"## {new} ({today})\n{written}{added}".rstrip()
    text = f"{before}{made}\n\n{text[end:]}".rstrip() + "\n"
    changes(project).write_text(text, encoding="utf-8")
    set_version(new, project)
    for path in parts:
        path.unlink()


def set_version(new: str, project: Project) -> None:
    """Write the version into the package."""
    version(project)
    path = package(project)
    text = VERSION.sub(rf"\g<1>{new}\g<3>", path.read_text(encoding="utf-8"))
    path.write_text(text, encoding="utf-8")


def released(new: str, project: Project) -> str:
    """Return the entry of a version, which must be the first and have a date.

    Raises:
        UserError: it is not, or a fragment is left.
    """
    left = fragments(project)
    if left:
        raise UserError(
            f"{left[0].relative_to(project.root)} is in no entry of CHANGES.md; "
            f"`nox -s release -- --prepare {new}` moves it there"
        )
    text = changes(project).read_text(encoding="utf-8")
    headings = list(HEADING.finditer(text))
    if not headings or headings[0][1] != new or not _is_date(headings[0][2]):
        first = headings[0][0] if headings else "nothing"
        raise UserError(
            f"CHANGES.md begins with {first!r}, not with `## {new} (DATE)`; "
            f"`nox -s release -- --prepare {new}` makes the entry"
        )
    end = headings[1].start() if len(headings) > 1 else len(text)
    return text[headings[0].end() : end].strip()


def _is_date(text: str) -> bool:
    try:
        date.fromisoformat(text)
    except ValueError:
        return False
    return True
