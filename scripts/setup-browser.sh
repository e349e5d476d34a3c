#!/usr/bin/env bash
# Installs Chromium and its driver, which the test of the HTML report opens it in. Says where they
# are, as `NAME=path` lines. Quick when they are there.
set -euo pipefail

# The first of several commands that is there.
find_one() {
  local name
  for name in "$@"; do
    if command -v "$name"; then return 0; fi
  done
  return 1
}

browser() { find_one chromium chromium-browser google-chrome google-chrome-stable; }

if ! { browser && find_one chromedriver; } >/dev/null; then
  echo "setup: installing Chromium and its driver" >&2
  if command -v apt-get >/dev/null; then
    scripts/apt-install.sh chromium chromium-driver
  else
    echo "setup-browser: install Chromium and chromedriver of one version, on PATH" >&2
    exit 1
  fi
fi

echo "MLC_PACKAGE_TEST_CHROMIUM=$(browser)"
echo "MLC_PACKAGE_TEST_CHROMEDRIVER=$(find_one chromedriver)"
