# Build OpenSSL in a container of cibuildwheel, where /opt/m2crypto-openssl becomes its prefix.
# nox -s wheels sets the variables; checkout, cache and work have the host's paths here.
set -eu
if command -v dnf; then dnf install -y -q perl-core
elif command -v apk; then apk add -q perl linux-headers
fi >/dev/null
tooling=$(mktemp -d)
python=$tooling/bin/python
/opt/python/cp313-cp313/bin/python -m venv "$tooling"
cd "$M2CRYPTO_CHECKOUT"
"$python" -m pip install -q --upgrade pip
"$python" -m pip install -q --group ci
PYTHONDONTWRITEBYTECODE=1 "$python" -m ci openssl "$M2CRYPTO_BUILD" > "$M2CRYPTO_WORK/prefix"
prefix=$(sed -n 's/^[^ ]* //p' "$M2CRYPTO_WORK/prefix")
ln -sfn "$prefix" /opt/m2crypto-openssl
# The container's user is root; the cache is the user's.
chown -R "$(stat -c %u:%g "$M2CRYPTO_CHECKOUT")" "$prefix"
