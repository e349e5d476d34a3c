#!/usr/bin/env bash
# Installs what holds our requests to GitHub, and the answers of the GitHub of tests/publish,
# against GitHub's own description of its API: Prism and @octokit/openapi, into target/prism.
# Quick when all is there.
set -euo pipefail
cd "$(dirname "$0")/.."

home=target/prism

if ! command -v npm >/dev/null; then
  echo "setup: install Node.js 20 or newer with npm, and run this again" >&2
  exit 1
fi

if ! cmp -s tests/openapi/package.json "$home/package.json" || [ ! -x "$home/node_modules/.bin/prism" ]; then
  echo "setup: installing Prism and GitHub's description of its API into $home"
  mkdir -p "$home"
  # Their own scripts are not needed, and not run.
  cp tests/openapi/package.json "$home/package.json.new"
  rm -f "$home/package.json"
  cp "$home/package.json.new" "$home/package.json"
  if ! (cd "$home" && npm install --no-audit --no-fund --ignore-scripts --loglevel=error); then
    rm -f "$home/package.json"
    exit 1
  fi
  rm -f "$home/package.json.new"
fi
