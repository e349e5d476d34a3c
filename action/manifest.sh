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
rm -rf "$before"
mkdir -p "$MANIFESTS"
mv "$MANIFESTS" "$before"
mkdir "$MANIFESTS"

read_list "$PACKAGES"
names=(${list[@]+"${list[@]}"})
read_list "$DISTS"
prefix=
if [[ $WORKING_DIRECTORY != . ]]; then prefix=$WORKING_DIRECTORY/; fi

# `files` is for people; in `named` each has its package's name in front, for the report.
directories='' written='' files='' named=''
for ((at = 0; at < ${#list[@]}; at++)); do
  dist=${list[at]}
  directories+=$prefix$dist$'\n'
  written+=$prefix$dist/$name$'\n'
  place='' whose=''
  if ((${#list[@]} > 1)); then
    place=${names[at]}/
    whose=${names[at]}=
  fi
  mkdir -p "$MANIFESTS/$place"
  cp -- "$dist/$name" "$MANIFESTS/$place$name"
  if [[ -f $before/$place$name ]]; then
    files+=$before/$place$name$'\n'
    named+=$whose$before/$place$name$'\n'
  fi
done
# Of the time when it was one package: the report finds out which.
if [[ -z $files && -f $before/$name ]]; then
  files=$before/$name
  named=$files
fi
output_list dist "${directories%$'\n'}"
output_list manifest "${written%$'\n'}"
output_list baseline "${files%$'\n'}"
output_list baselines "${named%$'\n'}"
