#!/usr/bin/env bash
# Prints the values of toolchain.toml as NAME=value lines: [tools] cmake is TOOLS_CMAKE. With
# --build-args, as arguments of `docker build`, one on each line. [python-packages] is left out: the
# Dockerfile reads it from the file.
set -euo pipefail
cd "$(dirname "$0")/.."

prefix=
case ${1:-} in
'') ;;
--build-args) prefix=--build-arg= ;;
*)
  echo "usage: scripts/toolchain.sh [--build-args]" >&2
  exit 2
  ;;
esac

awk -v prefix="$prefix" '
  /^[ \t]*(#|$)/ { next }
  /^\[[a-z-]+\]$/ { section = substr($0, 2, length($0) - 2); next }
  match($0, /^[a-z0-9-]+ = "[^"]*"$/) {
    if (section == "python-packages") next
    split($0, sides, " = ")
    name = toupper(section "_" sides[1])
    gsub(/-/, "_", name)
    print prefix name "=" substr($0, length(sides[1]) + 5, length($0) - length(sides[1]) - 5)
    next
  }
  { print "toolchain.toml:" NR ": not `name = \"value\"`: " $0 > "/dev/stderr"; exit 1 }
' toolchain.toml
