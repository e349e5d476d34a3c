#!/usr/bin/env bash
# Reports sizes, of what was built or of manifests from elsewhere: in the job's summary, as files,
# at the lines of models that are over a budget and, when asked, on the pull request. That a budget
# fails the job is an output: what comes after is done first.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=action/common.sh
source "$here/common.sh"

failing='the size report failed'
arguments=("--head=$HEAD_COMMIT")
# Adds an option for each line of a list.
each() {
  local value
  while IFS= read -r value; do
    if [[ -n $value ]]; then arguments+=("$1=$value"); fi
  done <<<"$2"
}
if [[ -n $MANIFEST ]]; then
  each --manifest "$MANIFEST"
else
  read_list "$PACKAGES"
  names=(${list[@]+"${list[@]}"})
  read_list "$DISTS"
  for ((at = 0; at < ${#list[@]}; at++)); do
    if ((at < ${#names[@]})); then
      arguments+=("--manifest=${names[at]}=${list[at]}")
    else
      arguments+=("--manifest=${list[at]}" "--package-config=${CONFIG:-mlc-package-config.json}")
    fi
  done
fi
each --baseline "$BASELINE"
# Nothing of an earlier commit: what was published last, if anything was.
if [[ -z $BASELINE && -n ${GITHUB_TOKEN:-} ]]; then arguments+=(--baseline=latest-release); fi
# Manifests are kept under their commit.
base=${BASE_REF:-${BASELINE_KEY##*-}}
if [[ -n $BASELINE && -n $base ]]; then arguments+=("--base=$base"); fi

# Runs a report; that a budget is broken is no failure yet.
report() {
  local code=0
  run_program "$MLC_PACKAGE" "$@" "${arguments[@]}" || code=$?
  if ((code != 0 && code != 20)); then return "$code"; fi
  over=$code
}

more=(--summary "--comment=$COMMENT")
if [[ $CHECK_RUN == true ]]; then more+=(--check); fi
report report --format github "${more[@]}"
verdict=$over
# The same as files. What there is to say was said.
report --quiet report --format markdown --output "$state/report.md" 2>/dev/null
report --quiet report --format html --output "$state/report.html" 2>/dev/null
output report "$state/report.md"
output report-html "$state/report.html"

if ((verdict == 20)); then output over-budget true; else output over-budget false; fi
