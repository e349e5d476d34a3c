#!/usr/bin/env bash
# Installs packages of Debian, as root or by sudo. Another apt-get that is at work is waited for.
#   scripts/apt-install.sh PACKAGE…
set -euo pipefail

if (($# == 0)); then
  echo "usage: scripts/apt-install.sh PACKAGE…" >&2
  exit 2
fi
if ! command -v apt-get >/dev/null; then
  echo "setup: there is no apt-get here; install what these packages have: $*" >&2
  exit 1
fi
as_root=()
if [[ $(id -u) != 0 ]]; then
  if ! command -v sudo >/dev/null || ! sudo -n true 2>/dev/null; then
    echo "setup: as root: apt-get install $*" >&2
    exit 1
  fi
  as_root=(sudo)
fi

log=$(mktemp)
trap 'rm -f "$log"' EXIT
# apt waits for dpkg's lock itself, if told to, but for that of the package lists it does not.
apt() {
  local _
  for _ in {1..300}; do
    if ${as_root[@]+"${as_root[@]}"} env DEBIAN_FRONTEND=noninteractive \
      apt-get -qq -o DPkg::Lock::Timeout=600 "$@" >"$log" 2>&1; then
      return
    fi
    if ! grep --quiet 'Could not get lock' "$log"; then break; fi
    sleep 2
  done
  cat "$log" >&2
  exit 1
}
apt update
apt install --yes --no-install-recommends "$@"
