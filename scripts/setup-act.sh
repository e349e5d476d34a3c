#!/usr/bin/env bash
# Installs act, which runs workflows, into target/act, and beside it stand-ins for the actions whose
# own code may not be in reach: tests/act/actions, bundled with GitHub's own clients. Quick when all
# is there.
set -euo pipefail
cd "$(dirname "$0")/.."

home=target/act

if ! command -v npm >/dev/null; then
  echo "setup: install Node.js 20 or newer with npm, and run this again" >&2
  exit 1
fi

mkdir -p "$home"
scripts/setup-python.sh "$home/venv" tests/act/requirements.txt
if ! cmp -s tests/act/package.json "$home/package.json"; then
  echo "setup: installing GitHub's clients of caches and artifacts into $home"
  rm -rf "$home/new" "$home/node_modules" "$home/package.json" "$home/actions"
  mkdir -p "$home/new"
  cp tests/act/package.json "$home/new/package.json"
  # Their own scripts are not needed, and not run.
  (cd "$home/new" && npm install --no-audit --no-fund --ignore-scripts --loglevel=error)
  mv "$home/new/node_modules" "$home/node_modules"
  mv "$home/new/package.json" "$home/package.json"
  rm -rf "$home/new"
fi
while IFS= read -r action; do
  directory=${action#tests/act/actions/}
  bundle=$home/actions/${directory%/*} source=${action%/*}/main.js
  mkdir -p "$bundle"
  cp "$action" "$bundle/action.yml"
  if [[ ! -f $source ]] || cmp -s "$source" "$bundle/source.js"; then continue; fi
  # The Node.js of Debian 12 has no `crypto` among its globals, and the clients look at classes' names.
  NODE_PATH=$home/node_modules "$home/node_modules/.bin/esbuild" "$source" --bundle --platform=node \
    --target=node18 --keep-names --log-level=warning --outfile="$bundle/main.js" \
    --banner:js='globalThis.crypto ??= require("node:crypto").webcrypto;'
  cp "$source" "$bundle/source.js"
done < <(find tests/act/actions -name action.yml)
