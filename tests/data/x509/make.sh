#!/bin/sh
# Makes the certificates of tests/test_x509*.py and what the openssl program says of them. The keys are
# for these tests alone: they are public, and nothing may ever trust them.
set -eu
cd "$(dirname "$0")"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
start=20200101000000Z
end=21200101000000Z

cat > "$work/openssl.cnf" <<'END'
[req]
distinguished_name = dn
prompt = no
string_mask = utf8only
utf8 = yes
[dn]
C = CZ
[root]
basicConstraints = critical, CA:TRUE
keyUsage = critical, keyCertSign, cRLSign
subjectKeyIdentifier = hash
[intermediate]
basicConstraints = critical, CA:TRUE, pathlen:0
keyUsage = critical, keyCertSign, cRLSign
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
[leaf]
basicConstraints = CA:FALSE
keyUsage = critical, digitalSignature
extendedKeyUsage = serverAuth
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
subjectAltName = @names
1.3.6.1.4.1.55555.1 = ASN1:UTF8String:known to nobody
[names]
DNS.1 = www.example.org
DNS.2 = *.example.net
IP.1 = 192.0.2.7
IP.2 = 2001:db8::7
email.1 = someone@example.org
URI.1 = https://example.org/
RID.1 = 1.2.3.4
dirName.1 = directory
otherName.1 = 1.2.3.4;UTF8:other
[directory]
O = Example, Ltd.
CN = directory
[plain]
basicConstraints = CA:FALSE
[ca]
default_ca = issuer
[issuer]
database = WORK/index
serial = WORK/serial
crlnumber = WORK/number
new_certs_dir = WORK
default_md = sha256
default_crl_days = 36500
unique_subject = no
policy = anything
[anything]
commonName = optional
END
sed -i "s|WORK|$work|" "$work/openssl.cnf"

key() {
    openssl genpkey -quiet -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -out "$1"
}
# issue NAME SUBJECT EXTENSIONS SERIAL KEY OPTIONS...: sign as the OPTIONS say
issue() {
    name=$1 subject=$2 extensions=$3 key=$5
    echo "$4" > "$work/serial"
    openssl req -new -config "$work/openssl.cnf" -multivalue-rdn -key "$key" -subj "$subject" \
        -out "$work/$name.csr"
    shift 5
    openssl ca -batch -notext -preserveDN -config "$work/openssl.cnf" -in "$work/$name.csr" \
        -out "$name.pem" -startdate $start -enddate $end -extensions "$extensions" "$@"
}

: > "$work/index"
key "$work/root.key"
issue root '/C=CZ/O=M2Crypto tests/CN=Test root' root 01 "$work/root.key" \
    -selfsign -keyfile "$work/root.key"
key "$work/intermediate.key"
issue intermediate '/C=CZ/O=M2Crypto tests/CN=Test intermediate' intermediate 02 \
    "$work/intermediate.key" -cert root.pem -keyfile "$work/root.key"
key "$work/leaf.key"
{ echo 'A key for tests: it is public, and nothing may trust it.'; cat "$work/leaf.key"; } > leaf.key
set -- -cert intermediate.pem -keyfile "$work/intermediate.key"
issue leaf \
    '/C=CZ/ST=Jižní Čechy/O=M2Crypto tests/OU=One+CN=www.example.org/emailAddress=a@example.org' \
    leaf 7fffffffffffffffffffffffffffffffffffffff leaf.key "$@"
issue revoked '/CN=revoked.example.org' plain 04 leaf.key "$@"

echo 01 > "$work/number"
openssl ca -config "$work/openssl.cnf" "$@" -revoke revoked.pem
openssl ca -config "$work/openssl.cnf" "$@" -gencrl -crl_lastupdate $start -crl_nextupdate $end \
    -out crl.pem

openssl req -new -config "$work/openssl.cnf" -key leaf.key -subj '/CN=request.example.org' \
    -addext 'subjectAltName = DNS:request.example.org' -out request.pem

# What openssl says, which the binding must say too.
openssl x509 -in leaf.pem -noout -serial -startdate -enddate > leaf.txt
for name in subject issuer; do
    echo "${name}_hash=$(openssl x509 -in leaf.pem -noout -${name}_hash)" >> leaf.txt
done
openssl x509 -in leaf.pem -noout -fingerprint -sha1 >> leaf.txt
openssl x509 -in leaf.pem -noout -fingerprint -sha256 >> leaf.txt
for form in RFC2253 oneline; do
    openssl x509 -in leaf.pem -noout -subject -nameopt $form | sed "s/^subject=/$form=/" >> leaf.txt
done

# crl_malformed_number.pem was made by hand: crl.pem, with a reasonCode's octets as its crlNumber.
