#!/usr/bin/env bash
# Puts the new manifests where they are saved for later commits, and those that were restored there
# out of their way. That of one package is at the top, those of several are in directories of the
# packages' names.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=action/common.sh
source "$here/common.sh"

name=mlc-package-manifest.json
before=$state/manifests-before
baselines=$state/baselines
rm -rf "$before" "$baselines"
mkdir -p "$MANIFESTS" "$baselines"
mv "$MANIFESTS" "$before"
mkdir "$MANIFESTS"

read_list "$PACKAGES"
names=(${list[@]+"${list[@]}"})
read_list "$DISTS"
prefix=
if [[ $WORKING_DIRECTORY != . ]]; then prefix=$WORKING_DIRECTORY/; fi

# A manifest that was restored is a baseline: `baseline.json`, or that name of its package.
files='' named=''
baseline() {
  if [[ ! -f $1 ]]; then return; fi
  mv "$1" "$baselines/${2:-baseline}.json"
  files+=$baselines/${2:-baseline}.json$'\n'
  # With the name in front the report knows whose it is.
  named+=${2:+$2=}$baselines/${2:-baseline}.json$'\n'
}

directories='' written=''
for ((at = 0; at < ${#list[@]}; at++)); do
  dist=${list[at]}
  directories+=$prefix$dist$'\n'
  written+=$prefix$dist/$name$'\n'
  package=''
  if ((${#list[@]} > 1)); then package=${names[at]}; fi
  mkdir -p "$MANIFESTS/$package"
  cp -- "$dist/$name" "$MANIFESTS/$package/$name"
  baseline "$before/$package/$name" "$package"
done
# Of the time when it was one package: the report finds out which.
if [[ -z $files ]]; then baseline "$before/$name" ""; fi
output_list dist "${directories%$'\n'}"
output_list manifest "${written%$'\n'}"
output_list baseline "${files%$'\n'}"
output_list baselines "${named%$'\n'}"
