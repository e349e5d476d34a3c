#!/usr/bin/env bash
# Puts the new manifests where they are saved for later commits, and those that were restored there
# out of their way. That of one package is at the top, those of several are in directories of the
# packages' names. `sizes` has both, for another job: a directory for each package, with the
# manifest, the baseline and the commit that this is of.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=action/common.sh
source "$here/common.sh"

failing='the manifests were not kept'

name=mlc-package-manifest.json
before=$state/manifests-before
baselines=$state/baselines
sizes=$state/sizes
rm -rf "$before" "$baselines" "$sizes"
mkdir -p "$MANIFESTS" "$baselines" "$sizes"
mv "$MANIFESTS" "$before"
mkdir "$MANIFESTS"

read_list "$PACKAGES"
names=(${list[@]+"${list[@]}"})
read_list "$DISTS"
prefix=
if [[ $WORKING_DIRECTORY != . ]]; then prefix=$WORKING_DIRECTORY/; fi

# A manifest that was restored is a baseline: `baseline.json`, or that name of its package. With the
# name in front the report knows whose it is.
files='' named=''
baseline() {
  local from=$1 package=$2 shown=$3 to=$baselines/${2:-baseline}.json
  if [[ ! -f $from ]]; then return; fi
  mv "$from" "$to"
  files+=$to$'\n'
  named+=${package:+$package=}$to$'\n'
  cp "$to" "$sizes/$shown/baseline.json"
  if [[ -n ${BASELINE_KEY##*-} ]]; then echo "${BASELINE_KEY##*-}" >"$sizes/$shown/base"; fi
}

directories='' written='' shown=''
for ((at = 0; at < ${#list[@]}; at++)); do
  dist=${list[at]}
  directories+=$prefix$dist$'\n'
  written+=$prefix$dist/$name$'\n'
  package=''
  if ((${#list[@]} > 1)); then package=${names[at]}; fi
  # A config that no mlc-package.yml names is known by its device.
  shown=$DEVICE
  if ((at < ${#names[@]})); then shown=${names[at]}; fi
  mkdir -p "$MANIFESTS/$package" "$sizes/$shown"
  cp -- "$dist/$name" "$MANIFESTS/$package/$name"
  cp -- "$dist/$name" "$sizes/$shown/manifest.json"
  baseline "$before/$package/$name" "$package" "$shown"
done
# Of the time when it was one package: the report finds out which.
if [[ -z $files && -n $shown ]]; then baseline "$before/$name" "" "$shown"; fi
output_list dist "${directories%$'\n'}"
output_list manifest "${written%$'\n'}"
output_list baseline "${files%$'\n'}"
output_list baselines "${named%$'\n'}"
output sizes "$sizes"

# On a self-hosted runner they are kept in its directory; the newest hundred of them.
if [[ -n $CACHE_DIR && $SAVE == true ]]; then
  entries=$CACHE_DIR/manifests
  entry=$entries/${KEY//\//_}
  mkdir -p "$entries"
  new=$(mktemp -d "$entries/.new-XXXXXX")
  cp -R "$MANIFESTS/." "$new/"
  chmod 755 "$new"
  # A second run for the same commit, or another job at the same time, has made it already.
  if [[ -d $entry ]] || ! mv "$new" "$entry"; then rm -rf "$new"; fi
  # Names are of this script's making: keys have no line breaks.
  # shellcheck disable=SC2012
  ls -t "$entries" | tail -n +101 | while IFS= read -r old; do rm -rf "${entries:?}/$old"; done
fi
