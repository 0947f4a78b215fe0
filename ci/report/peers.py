"""The table of the handshakes with other implementations of TLS, which `nox -s peers` leaves."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Literal

from ci import checkout
from ci.documents import Record, convert, read_json
from ci.project import Project

# The CSS class of each result.
STATES = {"passed": "passed", "failed": "failed", "impossible": "absent"}


class Row(Record, frozen=True):
    """A handshake, as ci/peers/handshakes.py describes it."""

    build: str
    role: Literal["client", "server"]
    peer: str
    peer_version: str
    version: str
    result: Literal["passed", "failed", "impossible"]
    cipher: str
    group: str
    detail: str

    @property
    def state(self) -> str:
        """The CSS class."""
        return STATES[self.result]

    @property
    def title(self) -> str:
        """The tooltip: what was negotiated, or why nothing was."""
        return self.detail or ", ".join(filter(None, (self.cipher, self.group)))


class _Document(Record, frozen=True):
    missing: list[str]
    rows: list[Row]
    sources: str = ""


@dataclass(frozen=True, slots=True)
class Peers:
    """The handshakes.

    Attributes:
        builds: the protocol versions of each build: the columns.
        rows: by the peer and M2Crypto's role, the handshakes by build and version.
        counts: how many have each result.
        missing: a line for each peer that the computer does not have.
        is_present: whether they are of the present sources.
    """

    builds: dict[str, list[str]]
    rows: dict[tuple[str, str], dict[tuple[str, str], Row]]
    counts: dict[str, int]
    missing: list[str]
    is_present: bool


def read(project: Project) -> Peers | None:
    """Return the handshakes, None if there are none.

    Raises:
        UserError: the file is not what `nox -s peers` writes.
    """
    if not project.peers.is_file():
        return None
    document = convert(read_json(project.peers), _Document, project.peers)
    versions: dict[str, dict[str, None]] = {}
    for row in document.rows:
        versions.setdefault(row.build, {})[row.version] = None
    rows: dict[tuple[str, str], dict[tuple[str, str], Row]] = {}
    for row in document.rows:
        # Other builds of M2Crypto are peers, too.
        name = f"M2Crypto with OpenSSL {row.peer}" if row.peer in versions else row.peer
        peer = name if row.peer_version in name else f"{name} ({row.peer_version})"
        rows.setdefault((peer, row.role), {})[row.build, row.version] = row
    return Peers(
        builds={build: sorted(each) for build, each in versions.items()},
        rows=rows,
        counts=dict(Counter(row.result for row in document.rows)),
        missing=document.missing,
        is_present=document.sources == checkout.digest(project.copy),
    )
