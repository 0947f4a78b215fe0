"""A release becomes a verified tarball in the cache, and that a source tree.

Given a `Release` it looks, in this order, in the cache; in what the user names in M2CRYPTO_MIRRORS
(folders, `file:` and `http:` addresses, separated by spaces); on upstream's release page; at the
Debian mirrors that apt on this machine is set up for, which keep upstream's tarballs byte for byte.
Only the sha256 decides: what does not have it is dropped and the next source is asked. With
M2CRYPTO_OFFLINE=1 nothing is asked over the network. A download that broke off is resumed.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import tarfile
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import suppress
from http.client import HTTPException, HTTPResponse
from pathlib import Path, PurePosixPath
from urllib.parse import urlsplit
from urllib.request import url2pathname

from ci.manifest import Release
from ci.problem import Problem
from ci.process import capture, go_on
from ci.progress import Line, say
from ci.store import FULL, Store, cache_root

# Seconds a server may keep silent, before it answers or in the middle: a dead one costs no more.
SILENCE = 10.0
CHUNK = 1 << 18


# Hosts that could not be reached: not waited for again by this process's other releases.
_unreachable: set[str] = set()


class _Dropped(Exception):
    """Why a source did not give the tarball, in a few words."""


def tarball(release: Release) -> Path:
    """The release's tarball in the cache, its sha256 verified.

    Raises a `Problem` that lists each source with the reason when none gives it.
    """
    store = Store(cache_root(), "sources")
    name, key = f"openssl-{release.version}", release.sha256[:16]

    def fetch(folder: Path) -> None:
        _fetch(release, store.folder / ".parts" / f"{name}-{key}", folder / f"{name}.tar.gz")

    found = store.get(name, key, fetch) / f"{name}.tar.gz"
    if _sha256(found) != release.sha256:
        # The store checks sizes only; this is read once for each build, so it can afford more.
        say(f"{found}: no longer has its sha256: fetching it again")
        store.discard(name, key)
        found = store.get(name, key, fetch) / f"{name}.tar.gz"
    return found


def unpack(archive: Path, tree: Path, top: str | None = None) -> None:
    """Unpack a tarball of one folder, named `top` unless that is None, which becomes `tree`.

    A member or a link that leads out of that folder is a `Problem`, and then nothing is left.
    """
    fresh = tree.with_name(tree.name + ".unpacking")
    fresh.mkdir(parents=True)
    try:
        with tarfile.open(archive) as members:
            for member in members:
                _check(member)
                members.extract(member, fresh)
        (folder,) = fresh.iterdir()
        if top not in (None, folder.name):
            raise Problem(
                f"{archive}: holds {folder.name}, not {top}: "
                "version, url and sha256 in ci/matrix.toml are not of one release"
            )
        folder.rename(tree)
    except _Outside as error:
        raise Problem(f"{archive}: refused, nothing was unpacked: {error}") from error
    except (tarfile.TarError, EOFError, ValueError) as error:
        raise Problem(f"{archive}: not a whole tarball of one folder: {error}") from error
    finally:
        shutil.rmtree(fresh, ignore_errors=True)


_MYSELF = (os.getuid(), os.getgid()) if hasattr(os, "getuid") else (0, 0)


class _Outside(Exception):
    """Which member of a tarball leads out of its folder, or is no file."""


def _check(member: tarfile.TarInfo) -> None:
    """Refuse what a release has no place for, and take away the rights it has no use for.

    tarfile's own filters came with 3.11.4, later than the Python of Debian 12. A symbolic link may
    climb only at its start and never above the top folder: then none leads out, whichever others
    it goes through.
    """
    if not (member.isreg() or member.isdir() or member.issym() or member.islnk()):
        raise _Outside(f"{member.name} is neither a file nor a folder nor a link")
    name, target = PurePosixPath(member.name), PurePosixPath()
    climbs = 0
    if member.issym() or member.islnk():
        target = PurePosixPath(member.linkname)
    if member.issym():
        climbs = next((i for i, part in enumerate(target.parts) if part != ".."), len(target.parts))
        if climbs >= len(name.parts) - 1:
            raise _Outside(f"{name} is a link out of the folder, to {target}")
    for path in (name, PurePosixPath(*target.parts[climbs:])):
        if path.is_absolute() or ".." in path.parts:
            raise _Outside(f"{name} leads out of the folder, to {path}")
    member.mode = (member.mode | 0o600) & 0o755
    # root would give the files to whoever packed them.
    member.uid, member.gid, member.uname, member.gname = *_MYSELF, "", ""


# The functions that decide what of a tarball is unpacked.
UNPACKING = (unpack, _check)


def _fetch(release: Release, part: Path, target: Path) -> None:
    """Move the tarball to `target`, from the first source that has it; `part` outlives a kill."""
    part.parent.mkdir(parents=True, exist_ok=True)
    reasons = []
    for address in _addresses(release):
        try:
            _take(address, part, release)
        except _Dropped as reason:
            say(f"openssl-{release.version}: not from {address}: {reason}")
            reasons.append(f"{address}: {reason}")
        else:
            part.rename(target)
            return
    raise Problem("\n  ".join([_way_out(release, reasons), *reasons]))


def _way_out(release: Release, reasons: list[str]) -> str:
    if _offline():
        way = "unset M2CRYPTO_OFFLINE, or put it there"
    else:
        way = "see to the network, or get it another way"
    gone = any("404" in reason for reason in reasons)
    vanished = (
        "; a pinned file goes from a mirror when a newer release replaces it: "
        f"pin that one in ci/matrix.toml, openssl.releases.{release.series}"
        if gone
        else ""
    )
    return (
        f"OpenSSL {release.version} is nowhere to be had: {way}, and name the folder that holds "
        f"openssl-{release.version}.tar.gz (sha256 {release.sha256}) in M2CRYPTO_MIRRORS{vanished}"
    )


def _addresses(release: Release) -> Iterator[str]:
    """Where the tarball may be, best first; apt is asked only when the others had nothing."""
    upstream = release.url.rpartition("/")[2]
    debian = f"openssl_{release.version}.orig.tar.gz"
    for mirror in os.environ.get("M2CRYPTO_MIRRORS", "").split():
        if mirror.startswith(("http:", "https:")):
            yield f"{mirror.rstrip('/')}/{upstream}"
            yield f"{mirror.rstrip('/')}/{debian}"
        else:
            paths = [_folder(mirror) / name for name in (upstream, debian)]
            # os.path, as pathlib raises what a folder that may not be entered answers.
            found = [path for path in paths if os.path.exists(path)]  # noqa: PTH110
            yield (found or paths)[0].as_uri()
    yield release.url
    if not _offline():
        for folder in _apt_folders():
            yield f"{folder}/{debian}"


def _folder(mirror: str) -> Path:
    """The folder a mirror is: a `file:` address, or a path as a shell would take it."""
    path = _path(mirror) if mirror.startswith("file:") else Path(mirror)
    return Path(os.path.expanduser(path)).absolute()  # noqa: PTH111 - raises for no user


def _path(address: str) -> Path:
    return Path(url2pathname(urlsplit(address).path))


def _apt_folders() -> Iterator[str]:
    """The folders of OpenSSL's sources at the mirrors that apt is set up for, if there is an apt.

    The archive's pool holds every suite's versions, those of suites that apt is not set up for too.
    """
    mirrors: dict[str, bool] = {}
    for address, suite in _apt_suites():
        mirrors[address] = mirrors.get(address, False) or "security" in suite
    for address, security in mirrors.items():
        if security:
            yield f"{address}/pool/updates/main/o/openssl"
        yield f"{address}/pool/main/o/openssl"


# How apt-get reports each mirror with each suite. `indextargets` lists only the suites whose lists
# were downloaded, `update --print-uris` all that an update would read: neither alone is enough.
APT = (
    (("indextargets", "--format", "$(REPO_URI) $(RELEASE)"), r"(?m)^(https?://\S+?)/* (\S+)$"),
    (("update", "--print-uris"), r"(?m)^'(https?://\S+?)/+dists/([^/']+)/"),
)


def _apt_suites() -> list[tuple[str, str]]:
    """Return each mirror with each suite that apt is configured for, none twice."""
    found: list[tuple[str, str]] = []
    for arguments, pattern in APT:
        with suppress(Problem):
            found += re.findall(pattern, capture(["apt-get", *arguments], timeout=30))
    return list(dict.fromkeys(found))


def _offline() -> bool:
    return os.environ.get("M2CRYPTO_OFFLINE", "") not in ("", "0")


def _take(address: str, part: Path, release: Release) -> None:
    """Complete `part` from `address` and verify it; `_Dropped` when that cannot be done."""
    if urlsplit(address).scheme == "file":
        _copy(_path(address), part)
    elif _offline():
        raise _Dropped("offline")
    else:
        resumed = part.exists()
        _download(address, part, release)
        if resumed and _sha256(part) != release.sha256:
            # What was there may be another server's error page: begin anew, once.
            part.unlink()
            _download(address, part, release)
    got = _sha256(part)
    if got != release.sha256:
        size = part.stat().st_size
        part.unlink()
        raise _Dropped(f"wrong sha256 {got} ({size} bytes), the manifest says {release.sha256}")


def _copy(found: Path, part: Path) -> None:
    try:
        with found.open("rb") as source:
            part.unlink(missing_ok=True)
            with part.open("wb") as target:
                shutil.copyfileobj(source, target, CHUNK)
    except (FileNotFoundError, PermissionError, IsADirectoryError) as error:
        raise _Dropped(error.strerror or "cannot be read") from error


def _download(address: str, part: Path, release: Release) -> None:
    """Download until it is whole: as long as each try brings something, another resumes it."""
    host = urlsplit(address).netloc
    if host in _unreachable:
        raise _Dropped("not reached a moment ago")
    while True:
        before = part.stat().st_size if part.exists() else 0
        try:
            _request(address, part, release)
        except urllib.error.HTTPError as error:
            if error.code == 416 and before:
                # Nothing left to ask for: it is whole, or not what it should be.
                return
            raise _Dropped(f"{error.code} {error.reason}") from error
        except (OSError, HTTPException) as error:
            _reraise_disk(error)
            if part.exists() and part.stat().st_size > before:
                say(f"openssl-{release.version}: {_short(error)}: resuming")
                continue
            if isinstance(error, urllib.error.URLError):
                _unreachable.add(host)
            raise _Dropped(_short(error)) from error
        return


def _request(address: str, part: Path, release: Release) -> None:
    """One request; appends to `part`, or writes it anew where the server does not resume."""
    have = part.stat().st_size if part.exists() else 0
    request = urllib.request.Request(address, headers={"Range": f"bytes={have}-"} if have else {})  # noqa: S310 - http(s), by the manifest or the user's word
    with urllib.request.urlopen(request, timeout=SILENCE) as response:  # noqa: S310
        resumes = response.status == 206 and _begins_at(response, have)
        if response.status == 206 and not resumes:
            raise _Dropped(f"answers another range: {response.headers['Content-Range']}")
        have = have if resumes else 0
        length = response.headers["Content-Length"]
        whole = have + int(length) if length else None
        with part.open("ab" if resumes else "wb") as target, Line(release.version) as line:
            for chunk in iter(lambda: response.read(CHUNK), b""):
                go_on()
                target.write(chunk)
                have += len(chunk)
                line.show(_far(address, have, whole, line.elapsed))
    if whole is not None and have < whole:
        raise ConnectionError(f"ended after {have} of {whole} bytes")


def _begins_at(response: HTTPResponse, offset: int) -> bool:
    return str(response.headers["Content-Range"]).startswith(f"bytes {offset}-")


def _far(address: str, have: int, whole: int | None, elapsed: float) -> str:
    of = f" of {whole / 1e6:.1f}" if whole else ""
    return f"{have / 1e6:.1f}{of} MB from {urlsplit(address).hostname}"


def _reraise_disk(error: Exception) -> None:
    """Let errors of the cache's own disk through: no other source would cure them."""
    if isinstance(error, OSError) and (error.errno in FULL or error.filename is not None):
        raise error


def _short(error: Exception) -> str:
    reason = getattr(error, "reason", error)
    return getattr(reason, "strerror", None) or str(reason) or type(error).__name__


def _sha256(path: Path) -> str:
    with path.open("rb") as data:
        return hashlib.file_digest(data, "sha256").hexdigest()
