#!/usr/bin/env bash
# Packs a released program as a wheel: the same bytes for the same program.
#   scripts/package-wheel.sh TARGET ARCHIVE SDIST DIRECTORY
# ARCHIVE is what package-release.sh made for TARGET. The metadata is that of SDIST, which maturin made.
# PACKING: a directory of programs with `python` that has the packages of packing-requirements.txt.
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)

if (($# != 4)); then
  echo "usage: scripts/package-wheel.sh TARGET ARCHIVE SDIST DIRECTORY" >&2
  exit 2
fi
target=$1 archive=$2 sdist=$3 directory=$4

# A program that is linked statically against musl runs beside any libc, of Linux from 3.2 on. On a Mac
# it needs the system that release.yml builds it for.
case $target in
x86_64-unknown-linux-musl) platforms=(manylinux_2_17_x86_64 manylinux2014_x86_64 musllinux_1_1_x86_64) ;;
aarch64-unknown-linux-musl) platforms=(manylinux_2_17_aarch64 manylinux2014_aarch64 musllinux_1_1_aarch64) ;;
x86_64-apple-darwin) platforms=(macosx_13_0_x86_64) ;;
aarch64-apple-darwin) platforms=(macosx_13_0_arm64) ;;
*)
  echo "package-wheel: no wheel is made for $target" >&2
  exit 2
  ;;
esac

if [[ -z ${PACKING:-} ]]; then
  "$root/scripts/setup-python.sh" "$root/target/packing" "$root/scripts/packing-requirements.txt"
  PACKING=$root/target/packing/bin
fi

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
tar -xzf "$sdist" -C "$work"
sources=("$work"/mlc_package-*)
name=${sources[0]##*/}
information=$work/wheel/$name.dist-info
scripts=$work/wheel/$name.data/scripts
mkdir -p "$information/licenses" "$scripts" "$directory"
cp "${sources[0]}/PKG-INFO" "$information/METADATA"
cp "${sources[0]}/LICENSE" "$information/licenses/LICENSE"
{
  echo "Wheel-Version: 1.0"
  echo "Generator: mlc-package"
  echo "Root-Is-Purelib: false"
  printf 'Tag: py3-none-%s\n' "${platforms[@]}"
} >"$information/WHEEL"
tar -xzf "$archive" -C "$scripts" mlc-package
chmod 644 "$information"/[A-Z]* "$information/licenses/LICENSE"
chmod 755 "$scripts/mlc-package"

# ZIP archives know no time before 1980.
SOURCE_DATE_EPOCH=315532800 "$PACKING/python" -m wheel pack --dest-dir "$directory" "$work/wheel"
