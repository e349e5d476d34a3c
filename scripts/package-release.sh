#!/usr/bin/env bash
# Packs a program as it is released: the same bytes for the same program.
#   scripts/package-release.sh VERSION TARGET PROGRAM DIRECTORY
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)

if (($# != 4)); then
  echo "usage: scripts/package-release.sh VERSION TARGET PROGRAM DIRECTORY" >&2
  exit 2
fi
version=$1 target=$2 program=$3 directory=$4

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$directory"
cp "$program" "$work/mlc-package"
chmod 755 "$work/mlc-package"
cp "$root/LICENSE" "$root/README.md" "$root/CHANGELOG.md" "$work/"
chmod 644 "$work/LICENSE" "$work/README.md" "$work/CHANGELOG.md"

archive=$directory/mlc-package-$version-$target.tar.gz
# GNU tar; on macOS it is gtar.
tar=tar
if command -v gtar >/dev/null; then tar=gtar; fi
"$tar" --create --directory "$work" --sort=name --format=ustar --mtime=@0 --owner=0 --group=0 \
  --numeric-owner mlc-package LICENSE README.md CHANGELOG.md | gzip --no-name --best >"$archive"
echo "$archive"
