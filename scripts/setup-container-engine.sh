#!/usr/bin/env bash
# Gives a container engine: the one that answers, else, for root on Debian, one of our own that
# listens on target/container/docker.sock only and ends with this script's caller.
# Prints the value of DOCKER_HOST that reaches it; nothing if the usual one does.
set -euo pipefail
cd "$(dirname "$0")/.."

say() { printf 'setup-container-engine: %s\n' "$1" >&2; }

if docker info >/dev/null 2>&1; then exit 0; fi

here=$PWD/target/container
socket=$here/docker.sock
if [[ $(id -u) != 0 ]]; then
  say "no container engine answers, and starting one takes root: start docker and run this again"
  exit 1
fi
missing=()
for program in dockerd:docker.io iptables:iptables; do
  command -v "${program%%:*}" >/dev/null || missing+=("${program#*:}")
done
if ((${#missing[@]})); then
  if ! command -v apt-get >/dev/null; then
    say "no container engine answers: install docker and start it"
    exit 1
  fi
  say "installing ${missing[*]}"
  apt-get update -qq >&2
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >&2
fi

mkdir -p "$here"
if ! docker --host "unix://$socket" info >/dev/null 2>&1; then
  # No bridge and no packet filter: neither is needed, and many machines have no right to them.
  # An overlay needs a kernel that has it; plain copies always work.
  setsid dockerd --storage-driver=vfs --iptables=false --ip6tables=false --ip-masq=false \
    --bridge=none --data-root "$here/data" --exec-root "$here/exec" \
    --host "unix://$socket" --pidfile "$here/pid" >"$here/dockerd.log" 2>&1 &
  for _ in {1..100}; do
    if docker --host "unix://$socket" info >/dev/null 2>&1; then break; fi
    sleep 0.2
  done
fi
if ! docker --host "unix://$socket" info >/dev/null 2>&1; then
  say "dockerd does not start; the end of target/container/dockerd.log:"
  tail -n 5 "$here/dockerd.log" >&2
  exit 1
fi
printf 'unix://%s\n' "$socket"
