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
  scripts/apt-install.sh "${missing[@]}" >&2
fi

mkdir -p "$here"
answers() { docker --host "unix://$socket" info >/dev/null 2>&1; }
# An overlay takes a kernel and a file system that can do it, and starts a container at once; plain
# copies always work.
for driver in overlay2 vfs; do
  if answers; then break; fi
  # No bridge and no packet filter: neither is needed, and many machines have no right to them.
  setsid dockerd --storage-driver="$driver" --iptables=false --ip6tables=false --ip-masq=false \
    --bridge=none --data-root "$here/data" --exec-root "$here/exec" \
    --host "unix://$socket" --pidfile "$here/pid" >"$here/dockerd.log" 2>&1 &
  started=$!
  for _ in {1..100}; do
    if answers || ! kill -0 "$started" 2>/dev/null; then break; fi
    sleep 0.2
  done
  if ! answers; then kill "$started" 2>/dev/null || true; fi
done
if ! answers; then
  say "dockerd does not start; the end of target/container/dockerd.log:"
  tail -n 5 "$here/dockerd.log" >&2
  exit 1
fi
printf 'unix://%s\n' "$socket"
