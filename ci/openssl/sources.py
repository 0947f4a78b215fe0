"""Download a release's tarball, verify it, and unpack it.

The sources are tried in this order: the cache; the directories and URLs in M2CRYPTO_MIRRORS;
upstream's release page; the Debian mirrors that apt is configured for, which keep upstream's
tarballs byte for byte. A file with another sha256 is discarded, and the next source is tried. With
M2CRYPTO_OFFLINE=1 no request is sent. An interrupted download is resumed.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import tarfile
import tempfile
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import suppress
from http.client import HTTPException, HTTPResponse
from pathlib import Path, PurePosixPath
from urllib.parse import urlsplit
from urllib.request import url2pathname

from ci.cache import Store
from ci.console import ProgressLine, log
from ci.directories import remove
from ci.disk import FULL
from ci.errors import UserError
from ci.manifest import Release
from ci.process import capture, check_interrupt
from ci.project import Project

# Seconds without a byte from a server, before or during its response.
TIMEOUT = 10.0
CHUNK = 1 << 18

# Hosts that could not be reached, and are not tried again by this process.
_unreachable: set[str] = set()


class _SourceError(Exception):
    """Why a source did not provide the tarball, in a few words."""


def tarball(release: Release, project: Project) -> Path:
    """Return the path of the release's tarball in the cache, with its sha256 verified.

    Raises:
        UserError: no source provides it; the message lists each source with the reason.
    """
    store = Store(project.cache, "sources")
    name, key = f"openssl-{release.version}", release.sha256[:16]

    def fetch(directory: Path) -> None:
        part = store.directory / ".parts" / f"{name}-{key}"
        _fetch(release, project, part, directory / f"{name}.tar.gz")

    found = store.get(name, key, fetch) / f"{name}.tar.gz"
    if _sha256(found) != release.sha256:
        # The store compares sizes only. A tarball is read once for each build, so its hash is
        # compared, too.
        log(f"{found}: does not have its sha256: downloading it again")
        store.discard(name, key)
        found = store.get(name, key, fetch) / f"{name}.tar.gz"
    return found


def digest(release: Release, project: Project) -> str:
    """Return the sha256 of a tarball that is not in the manifest yet, from the first source.

    Raises:
        UserError: no source has it.
    """
    reasons = []
    with tempfile.TemporaryDirectory() as directory:
        part = Path(directory, "part")
        for address in _addresses(release, project):
            try:
                if urlsplit(address).scheme == "file":
                    _copy(_path(address), part)
                else:
                    _download(address, part, release)
            except _SourceError as reason:
                part.unlink(missing_ok=True)
                reasons.append(f"{address}: {reason}")
            else:
                return _sha256(part)
    raise UserError("\n  ".join([f"OpenSSL {release.version} is in no source:", *reasons]))


def available(release: Release, project: Project) -> bool:
    """Return whether a source has a release's tarball, which is not downloaded.

    Raises:
        UserError: no source can be reached.
    """
    reached = False
    for address in _addresses(release, project):
        parts = urlsplit(address)
        if parts.scheme == "file":
            if _path(address).exists():
                return True
            reached = True
        elif parts.netloc not in _unreachable:
            request = urllib.request.Request(address, method="HEAD")  # noqa: S310 - http(s)
            try:
                with urllib.request.urlopen(request, timeout=TIMEOUT):  # noqa: S310
                    return True
            except urllib.error.HTTPError:
                reached = True
            except (OSError, HTTPException):
                _unreachable.add(parts.netloc)
    if not reached:
        raise UserError(
            "no source of OpenSSL's tarballs can be reached: check the network, or set "
            "M2CRYPTO_MIRRORS"
        )
    return False


def unpack(archive: Path, tree: Path, top: str | None = None) -> None:
    """Unpack a tarball of one directory, which becomes `tree`.

    Args:
        archive: the tarball.
        tree: the path of the new directory.
        top: the directory's name in the tarball; None for any.

    Raises:
        UserError: it is damaged, holds something else, or a member is outside of that directory.
            Then nothing is unpacked.
    """
    new = tree.with_name(tree.name + ".unpacking")
    new.mkdir(parents=True)
    try:
        with tarfile.open(archive) as members:
            for member in members:
                _check(member)
                members.extract(member, new)
        (directory,) = new.iterdir()
        if top not in (None, directory.name):
            raise UserError(
                f"{archive}: holds {directory.name}, not {top}: "
                "version, url and sha256 in ci/matrix.toml are not of one release"
            )
        directory.rename(tree)
    except _MemberError as error:
        raise UserError(f"{archive}: refused, nothing was unpacked: {error}") from error
    except (tarfile.TarError, EOFError, ValueError) as error:
        raise UserError(f"{archive}: not a whole tarball of one directory: {error}") from error
    finally:
        remove(new)


_OWNER = (os.getuid(), os.getgid()) if hasattr(os, "getuid") else (0, 0)


class _MemberError(Exception):
    """A member of a tarball is outside of its directory, or of a type that is not unpacked."""


def _check(member: tarfile.TarInfo) -> None:
    """Refuse a member that a release does not need, and reset its owner and permissions.

    tarfile's filters need Python 3.11.4, and Debian 12 has 3.11.2. A symbolic link may contain `..`
    only at its start and never above the top directory, so none leads out through another one.
    """
    if not (member.isreg() or member.isdir() or member.issym() or member.islnk()):
        raise _MemberError(f"{member.name} is not a file, a directory or a link")
    name, target = PurePosixPath(member.name), PurePosixPath()
    climbs = 0
    if member.issym() or member.islnk():
        target = PurePosixPath(member.linkname)
    if member.issym():
        climbs = next((i for i, part in enumerate(target.parts) if part != ".."), len(target.parts))
        if climbs >= len(name.parts) - 1:
            raise _MemberError(f"{name} is a link out of the directory, to {target}")
    for path in (name, PurePosixPath(*target.parts[climbs:])):
        if path.is_absolute() or ".." in path.parts:
            raise _MemberError(f"{name} is outside of the directory: {path}")
    member.mode = (member.mode | 0o600) & 0o755
    # root would give the files to the tarball's owner.
    member.uid, member.gid, member.uname, member.gname = *_OWNER, "", ""


# The functions that decide what is unpacked, which is part of a prefix's key.
UNPACKING = (unpack, _check)


def _fetch(release: Release, project: Project, part: Path, target: Path) -> None:
    """Download the tarball to `target` from the first source that has it.

    `part` holds what was downloaded so far, and is kept if the process is killed.
    """
    part.parent.mkdir(parents=True, exist_ok=True)
    reasons = []
    for address in _addresses(release, project):
        try:
            _take(address, part, release, project)
        except _SourceError as reason:
            log(f"openssl-{release.version}: not from {address}: {reason}")
            reasons.append(f"{address}: {reason}")
        else:
            part.rename(target)
            return
    raise UserError("\n  ".join([_unavailable(release, project, reasons), *reasons]))


def _unavailable(release: Release, project: Project, reasons: list[str]) -> str:
    way_out = "unset M2CRYPTO_OFFLINE" if project.offline else "check the network"
    replaced = (
        "; mirrors remove a release when a newer one replaces it: "
        f"pin that one in ci/matrix.toml, openssl.releases.{release.series}"
        if any("404" in reason for reason in reasons)
        else ""
    )
    return (
        f"OpenSSL {release.version} could not be downloaded from any source: {way_out}, or set "
        f"M2CRYPTO_MIRRORS to a directory with openssl-{release.version}.tar.gz "
        f"(sha256 {release.sha256}){replaced}"
    )


def _addresses(release: Release, project: Project) -> Iterator[str]:
    """Yield the URLs of the tarball in order; apt runs only if the others fail."""
    upstream = release.url.rpartition("/")[2]
    debian = f"openssl_{release.version}.orig.tar.gz"
    for mirror in project.mirrors:
        if mirror.startswith(("http:", "https:")):
            yield f"{mirror.rstrip('/')}/{upstream}"
            yield f"{mirror.rstrip('/')}/{debian}"
        else:
            paths = [_directory(mirror) / name for name in (upstream, debian)]
            # os.path, because pathlib raises PermissionError below a directory without permission.
            found = [path for path in paths if os.path.exists(path)]  # noqa: PTH110
            yield (found or paths)[0].as_uri()
    yield release.url
    if not project.offline:
        for directory in _apt_directories():
            yield f"{directory}/{debian}"


def _directory(mirror: str) -> Path:
    """Return the directory of a `file:` URL or a path, in which `~` is expanded."""
    path = _path(mirror) if mirror.startswith("file:") else Path(mirror)
    return Path(os.path.expanduser(path)).absolute()  # noqa: PTH111 - raises for no user


def _path(address: str) -> Path:
    return Path(url2pathname(urlsplit(address).path))


def _apt_directories() -> Iterator[str]:
    """Yield the URLs of OpenSSL's directory on each mirror that apt is configured for.

    The pool holds the versions of every suite, not only of those that apt is configured for.
    """
    mirrors: dict[str, bool] = {}
    for address, suite in _apt_suites():
        mirrors[address] = mirrors.get(address, False) or "security" in suite
    for address, security in mirrors.items():
        if security:
            yield f"{address}/pool/updates/main/o/openssl"
        yield f"{address}/pool/main/o/openssl"


# The apt-get commands that print each mirror with each suite. `indextargets` lists only the suites
# whose lists were downloaded, `update --print-uris` all that an update would read; both are needed.
APT = (
    (("indextargets", "--format", "$(REPO_URI) $(RELEASE)"), r"(?m)^(https?://\S+?)/* (\S+)$"),
    (("update", "--print-uris"), r"(?m)^'(https?://\S+?)/+dists/([^/']+)/"),
)


def _apt_suites() -> list[tuple[str, str]]:
    """Return each mirror with each suite that apt is configured for, none twice."""
    found: list[tuple[str, str]] = []
    for arguments, pattern in APT:
        with suppress(UserError):
            found += re.findall(pattern, capture(["apt-get", *arguments], timeout=30))
    return list(dict.fromkeys(found))


def _take(address: str, part: Path, release: Release, project: Project) -> None:
    """Complete `part` from a URL and verify it; raise _SourceError if that fails."""
    if urlsplit(address).scheme == "file":
        _copy(_path(address), part)
    elif project.offline:
        raise _SourceError("offline")
    else:
        resumed = part.exists()
        _download(address, part, release)
        if resumed and _sha256(part) != release.sha256:
            # The existing part may be another server's error page: download all of it, once.
            part.unlink()
            _download(address, part, release)
    got = _sha256(part)
    if got != release.sha256:
        size = part.stat().st_size
        part.unlink()
        raise _SourceError(f"sha256 {got} ({size} bytes) instead of {release.sha256}")


def _copy(found: Path, part: Path) -> None:
    try:
        with found.open("rb") as source:
            part.unlink(missing_ok=True)
            with part.open("wb") as target:
                shutil.copyfileobj(source, target, CHUNK)
    except (FileNotFoundError, PermissionError, IsADirectoryError) as error:
        raise _SourceError(error.strerror or "cannot be read") from error


def _download(address: str, part: Path, release: Release) -> None:
    """Download the file; resume it as long as each request receives something."""
    host = urlsplit(address).netloc
    if host in _unreachable:
        raise _SourceError("could not be reached a moment ago")
    while True:
        before = part.stat().st_size if part.exists() else 0
        try:
            _request(address, part, release)
        except urllib.error.HTTPError as error:
            if error.code == 416 and before:
                # No range is left: the part is complete, or another file.
                return
            raise _SourceError(f"{error.code} {error.reason}") from error
        except (OSError, HTTPException) as error:
            _reraise_disk(error)
            if part.exists() and part.stat().st_size > before:
                log(f"openssl-{release.version}: {_short(error)}: resuming")
                continue
            if isinstance(error, urllib.error.URLError):
                _unreachable.add(host)
            raise _SourceError(_short(error)) from error
        return


def _request(address: str, part: Path, release: Release) -> None:
    """Send one request and append to `part`, or rewrite it if the server does not resume."""
    have = part.stat().st_size if part.exists() else 0
    request = urllib.request.Request(address, headers={"Range": f"bytes={have}-"} if have else {})  # noqa: S310 - http(s): of the manifest or the user
    with urllib.request.urlopen(request, timeout=TIMEOUT) as response:  # noqa: S310
        resumes = response.status == 206 and _begins_at(response, have)
        if response.status == 206 and not resumes:
            raise _SourceError(
                f"another range in the response: {response.headers['Content-Range']}"
            )
        have = have if resumes else 0
        length = response.headers["Content-Length"]
        whole = have + int(length) if length else None
        with part.open("ab" if resumes else "wb") as target, ProgressLine(release.version) as line:
            for chunk in iter(lambda: response.read(CHUNK), b""):
                check_interrupt()
                target.write(chunk)
                have += len(chunk)
                line.update(_received(address, have, whole, line.elapsed))
    if whole is not None and have < whole:
        raise ConnectionError(f"ended after {have} of {whole} bytes")


def _begins_at(response: HTTPResponse, offset: int) -> bool:
    return str(response.headers["Content-Range"]).startswith(f"bytes {offset}-")


def _received(address: str, have: int, whole: int | None, elapsed: float) -> str:
    of = f" of {whole / 1e6:.1f}" if whole else ""
    return f"{have / 1e6:.1f}{of} MB from {urlsplit(address).hostname}"


def _reraise_disk(error: Exception) -> None:
    """Raise an error of the cache's disk: another source would not help."""
    if isinstance(error, OSError) and (error.errno in FULL or error.filename is not None):
        raise error


def _short(error: Exception) -> str:
    reason = getattr(error, "reason", error)
    return getattr(reason, "strerror", None) or str(reason) or type(error).__name__


def _sha256(path: Path) -> str:
    with path.open("rb") as data:
        return hashlib.file_digest(data, "sha256").hexdigest()
