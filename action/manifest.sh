#!/usr/bin/env bash
# Puts the new manifest where it is saved for later commits, and the one that was restored there
# out of its way.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=action/common.sh
source "$here/common.sh"

name=mlc-package-manifest.json
rm -f "$state/baseline.json"
mkdir -p "$MANIFESTS"
if [[ -f $MANIFESTS/$name ]]; then
  mv "$MANIFESTS/$name" "$state/baseline.json"
  output baseline "$state/baseline.json"
fi
cp "$OUTPUT/$name" "$MANIFESTS/$name"
