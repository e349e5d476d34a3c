#!/usr/bin/env bash
# Installs what tests/install needs: what packages are made with (target/packing), what judges and installs
# them (target/install-venv), Ruby for the Homebrew formula, and shells and clients for install.sh. Quick when
# all is there.
set -euo pipefail
cd "$(dirname "$0")/.."

scripts/setup-python.sh target/packing scripts/packing-requirements.txt
scripts/setup-python.sh target/install-venv tests/install/requirements.txt

tools=(ruby)
if [ "$(uname)" = Linux ]; then tools+=(busybox dash wget); fi
missing=()
for tool in "${tools[@]}"; do
  command -v "$tool" >/dev/null || missing+=("$tool")
done
if ((${#missing[@]})); then
  echo "setup: installing ${missing[*]}"
  scripts/apt-install.sh "${missing[@]}"
fi
