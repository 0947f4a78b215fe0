#!/bin/sh
# Show that a wheel works on a computer that it has never seen: in a root directory with nothing but
# Python and pip, install it offline, verify a chain with the system's trusted roots, and complete a
# handshake with a server of 127.0.0.1.
#
#   ci/distribution/bare_root.sh WHEEL... [ROOT]        as root, on Debian or with its debootstrap
#
# The root directory is made by debootstrap with python3, python3-pip and ca-certificates of the
# mirror that apt uses, and removed afterwards; ROOT, a directory, is an existing one, which stays
# and in which /mnt is written. pip chooses the wheel whose tag fits.
set -eu

die() { echo "error: $*" >&2; exit 1; }

here=$(dirname "$(realpath "$0")")
root=
[ "$(id -u)" = 0 ] || die "chroot(8) needs root; run it as root or in a container"
work=$(mktemp -d)
trap 'rm -rf --one-file-system "$work"' EXIT
mkdir "$work/wheels"
for each in "$@"; do
    if [ -d "$each" ]; then
        root=$(realpath "$each")
    else
        [ -f "$each" ] || die "$each: no such wheel; build some with \`nox -s wheels\`"
        cp "$each" "$work/wheels"
    fi
done
[ -n "$(ls "$work/wheels")" ] || die "usage: $0 WHEEL... [ROOT]"

if [ -z "$root" ]; then
    command -v debootstrap > /dev/null || die "debootstrap is missing; install it, or name a ROOT"
    codename=$(. /etc/os-release && echo "${VERSION_CODENAME:?}")
    # shellcheck disable=SC2016  (the variables are apt's)
    mirror=$(apt-get indextargets --format '$(REPO_URI) $(RELEASE)' |
        awk -v name="$codename" '$2 == name { uri = $1 } END { print uri }')
    [ -n "$mirror" ] || die "apt has no mirror of $codename; run apt-get update, or name a ROOT"
    root=$work/root
    echo "debootstrap $codename: python3, python3-pip and ca-certificates"
    debootstrap --variant=minbase --include=python3,python3-pip,ca-certificates \
        "$codename" "$root" "$mirror" > "$work/debootstrap.log" 2>&1 ||
        { tail -5 "$work/debootstrap.log" >&2; die "debootstrap failed"; }
fi

rm -rf --one-file-system "$root/mnt/m2crypto"
mkdir -p "$root/mnt/m2crypto"
tests=$here/../../tests
cp -r "$work/wheels" "$tests/ci/bare_root.py" "$tests/data/certificates" "$root/mnt/m2crypto"
# Neither a network but the loopback device nor a variable of the caller's.
unshare --net --mount sh -c '
    set -eu
    if command -v ip > /dev/null; then ip link set lo up; else ifconfig lo up; fi
    exec chroot "$0" /usr/bin/env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C.UTF-8 sh -ec "
        ! command -v cc gcc swig
        python3 -m pip install --quiet --no-index --no-deps --root-user-action=ignore \
            --break-system-packages --find-links /mnt/m2crypto/wheels \
            --target /mnt/m2crypto/site --pre M2Crypto
        PYTHONPATH=/mnt/m2crypto/site exec python3 -W error /mnt/m2crypto/bare_root.py \
            /mnt/m2crypto/certificates"
' "$root"
