#!/usr/bin/env bash
# Installs what the tests of the platform binding build with: CMake and Ninja from PyPI into
# target/cross, clang, lld and LLVM's archiver from the system. No root is needed where those are
# there already. Quick when all is there.
set -euo pipefail
cd "$(dirname "$0")/.."

root=target/cross
python=${PYTHON:-python3}
# CMake 4 does not configure upstream's dependencies any more.
packages=(cmake==3.31.6 ninja==1.11.1.4)

fail() {
  printf 'setup-cross: %s\n' "$1" >&2
  exit 1
}

missing=()
for tool in clang ld.lld llvm-ar; do
  command -v "$tool" >/dev/null || missing+=("$tool")
done
if ((${#missing[@]})); then
  if ! command -v apt-get >/dev/null; then
    fail "install clang, lld and llvm, so that these are on PATH: ${missing[*]}"
  fi
  scripts/apt-install.sh clang lld llvm
fi

stamp=$root/.packages
if [ -x $root/bin/cmake ] && [ -x $root/bin/ninja ] &&
  [ "$(cat $stamp 2>/dev/null)" = "${packages[*]}" ]; then
  exit 0
fi
"$python" -c 'import ensurepip, venv' 2>/dev/null ||
  fail "$python has no venv module (on Debian and Ubuntu: apt-get install python3-venv)"
echo "setup-cross: installing ${packages[*]} into $root"
rm -rf $root
"$python" -m venv $root/venv
$root/venv/bin/python -m pip install --quiet --disable-pip-version-check --no-input \
  --only-binary :all: "${packages[@]}"
# The programs themselves: what pip puts into bin starts Python first.
mkdir -p $root/bin
for program in cmake ninja; do
  found=$(find "$root/venv" -path "*/bin/$program" ! -path "$root/venv/bin/*" -type f | head -n 1)
  [ -n "$found" ] || found="$root/venv/bin/$program"
  ln -sf "$PWD/$found" "$root/bin/$program"
done
$root/bin/cmake --version >/dev/null
$root/bin/ninja --version >/dev/null
printf '%s' "${packages[*]}" >$stamp
