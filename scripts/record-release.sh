#!/usr/bin/env bash
# Writes a release into the action's files: its version, the digests of its archives and its
# image, so that a commit of the action installs what was released with it and nothing else. The
# workflows that others call name the action by this release: who pins them pins all that they run.
#   scripts/record-release.sh VERSION DIRECTORY [IMAGE@sha256:DIGEST [COMPILER]]
# DIRECTORY has the programs mlc-package-VERSION-*.tar.gz and the kits mlc-package-VERSION-kit-*.tar.zst; COMPILER is the file with what
# `mlc-package doctor --compiler-image IMAGE --format json` says of its `compiler`. ACTION_DIR: another action/, with
# .github/workflows beside it, if there are any.
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)

if (($# < 2 || $# > 4)); then
  echo "usage: scripts/record-release.sh VERSION DIRECTORY [IMAGE@sha256:DIGEST [COMPILER]]" >&2
  exit 2
fi
version=$1 directory=$2 image=${3:-} compiler=${4:-}
action=${ACTION_DIR:-$root/action}

if [[ ! $version =~ ^[0-9]+\.[0-9]+\.[0-9]+(-[0-9A-Za-z.-]+)?$ ]]; then
  echo "record-release: not a version: $version" >&2
  exit 2
fi
if [[ -n $image && ! $image =~ ^[a-z0-9][a-z0-9._:/-]*@sha256:[0-9a-f]{64}$ ]]; then
  echo "record-release: not an image with its digest: $image" >&2
  exit 2
fi

# The rows of other releases stay; those of this one are replaced.
# shellcheck disable=SC2016 # awk's own variables
others() { awk -v version="$version" "$1" "$action/$2"; }

archives=("$directory/mlc-package-$version-"*.tar.gz)
if [[ ! -f ${archives[0]} ]]; then
  echo "record-release: no mlc-package-$version-*.tar.gz in $directory" >&2
  exit 1
fi
shopt -s nullglob
kits=("$directory/mlc-package-$version-kit-"*.tar.zst)
# shellcheck disable=SC2016
checksums=$(
  others 'index($2, "mlc-package-" version "-") != 1' checksums.txt
  cd "$directory"
  sha256sum "${archives[@]##*/}" ${kits[@]+"${kits[@]##*/}"}
)
# shellcheck disable=SC2016
images=$(
  others '$1 != version' images.txt
  if [[ -n $image ]]; then echo "$version $image"; fi
)
printf '%s\n' "$checksums" >"$action/checksums.txt"
printf '%s' "${images:+$images$'\n'}" >"$action/images.txt"
printf '%s\n' "$version" >"$action/version.txt"
# Which kit is meant, for `kit: auto`, and how long it is.
sizes=$(for kit in ${kits[@]+"${kits[@]}"}; do printf '%s %d\n' "${kit##*/}" "$(wc -c <"$kit")"; done)
released=$(
  jq --sort-keys --raw-input --slurp --arg version "$version" --arg sizes "$sizes" \
    --slurpfile others "$action/kits.json" '
    ($sizes | [split("\n")[] | split(" ") | {(.[0] // ""): .[1]}] | add // {}) as $sizes
    | [split("\n")[] | capture("^(?<sha256>[0-9a-f]{64})  (?<file>mlc-package-\($version)-kit-(?<kit>.+)\\.tar\\.zst)$")]
    | map({key: .kit, value: {file, sha256, bytes: ($sizes[.file] | tonumber)}}) | from_entries
    | $others[0] + (if length > 0 then {($version): .} else {} end)' <<<"$checksums"
)
printf '%s\n' "$released" >"$action/kits.json"
if [[ -n $compiler ]]; then
  # What plans are made with, where the image is not there.
  compilers=$(jq --sort-keys --arg image "$image" --slurpfile compiler "$compiler" \
    '.[$image] = ($compiler[0] | {python, mlc_llm, tvm, tvm_ffi, libraries})' "$action/compilers.json")
  printf '%s\n' "$compilers" >"$action/compilers.json"
fi

for workflow in "$action/../.github/workflows/"*.yml; do
  if ! grep --quiet --extended-regexp '^ *workflow_call:' "$workflow"; then continue; fi
  # `uses:` of the action itself and of the other workflows; comments tell callers what to write.
  sed -E "/^ *#/!s,(uses: *mlc-package/mlc-package(/[^@ ]*)?)@[^ ]+,\1@v$version," "$workflow" >"$workflow.new"
  mv "$workflow.new" "$workflow"
done
