#!/usr/bin/env bash
# Makes the certificate authority and the server of tests/data/tls again; needs openssl 3.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../tests/data/tls"
days=36500
key=(-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes)
temporary=$(mktemp -d)
trap 'rm -rf "$temporary"' EXIT
openssl req -x509 "${key[@]}" -days "$days" -subj "/CN=mlc-package test authority" \
  -addext "basicConstraints=critical,CA:TRUE" -addext "keyUsage=critical,keyCertSign" \
  -keyout "$temporary/ca.key" -out ca.pem
openssl req -new "${key[@]}" -subj "/CN=localhost" -keyout server.key -out "$temporary/server.csr"
printf '%s\n' "basicConstraints=critical,CA:FALSE" "extendedKeyUsage=serverAuth" \
  "subjectAltName=DNS:localhost,IP:127.0.0.1" > "$temporary/server.ext"
openssl x509 -req -in "$temporary/server.csr" -CA ca.pem -CAkey "$temporary/ca.key" \
  -days "$days" -extfile "$temporary/server.ext" -out server.pem
