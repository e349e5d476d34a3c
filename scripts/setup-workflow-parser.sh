#!/usr/bin/env bash
# Installs GitHub's own parser of actions and workflows (@actions/languageservice) into
# target/workflow-parser, and bundles it with tests/workflows/parse.js: as published, it imports
# JSON in a way that only some versions of Node.js take. Quick when all is there.
set -euo pipefail
cd "$(dirname "$0")/.."

home=target/workflow-parser

if ! command -v npm >/dev/null; then
  echo "setup: install Node.js 20 or newer with npm, and run this again" >&2
  exit 1
fi

mkdir -p "$home"
if ! cmp -s tests/workflows/package.json "$home/package.json"; then
  echo "setup: installing GitHub's parser of workflows into $home"
  # Their own scripts are not needed, and not run.
  cp tests/workflows/package.json "$home/package.json.new"
  rm -rf "$home/package.json" "$home/package-lock.json" "$home/node_modules"
  mkdir -p "$home/new"
  cp tests/workflows/package.json "$home/new/package.json"
  (cd "$home/new" && npm install --no-audit --no-fund --ignore-scripts --loglevel=error)
  mv "$home/new/node_modules" "$home/node_modules"
  rm -rf "$home/new"
  mv "$home/package.json.new" "$home/package.json"
fi
if ! cmp -s tests/workflows/parse.js "$home/parse.js" || [ ! -f "$home/bundle.cjs" ]; then
  cp tests/workflows/parse.js "$home/parse.new.js"
  (cd "$home" && node_modules/.bin/esbuild parse.new.js --bundle --platform=node --log-level=warning \
    --outfile=bundle.cjs)
  mv "$home/parse.new.js" "$home/parse.js"
fi
