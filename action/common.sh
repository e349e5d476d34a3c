# Shared by the steps of action.yml. Sourced, under `set -euo pipefail`.
# shellcheck shell=bash

# They run in bash 3.2 too, which macOS has: an empty array is unset there.

# shellcheck source=action/failures.sh disable=SC2154 # `here` is of those who source this
source "$here/failures.sh"

# Where everything of a job lies: the program, the caches that actions/cache fills, results.
state=$RUNNER_TEMP/mlc-package
# Copies of the logs of what failed; an output names it.
# shellcheck disable=SC2034 # for those who source this
logs=$state/logs

# A config of a pull request bundles nothing that lies elsewhere on the runner. A workflow that sets
# the variable, to nothing if it likes, means what it says.
export MLC_PACKAGE_CONFINE_TO=${MLC_PACKAGE_CONFINE_TO-${GITHUB_WORKSPACE:-}}

notice() { printf '::notice title=mlc-package::%s\n' "$(escape "$1")"; }
warning() { printf '::warning title=mlc-package::%s\n' "$(escape "$1")"; }
# Sets an output of the step. Values have one line: inputs.sh refuses others.
output() { printf '%s=%s\n' "$1" "$2" >>"$GITHUB_OUTPUT"; }

# Sets an output of the step that is a list, one per line. What is in a list may be foreign, so that
# nobody may know the line that ends it.
output_list() {
  local end
  end=end-$(od -An -N16 -tx1 /dev/urandom | tr -d ' \n')
  printf '%s<<%s\n%s\n%s\n' "$1" "$end" "$2" "$end" >>"$GITHUB_OUTPUT"
}

# The SHA-256 of a file, and its name.
sha256() {
  if command -v sha256sum >/dev/null; then sha256sum "$1"; else shasum -a 256 "$1"; fi
}

# The libraries in the cache, their directories' names, one per line.
cached_libraries() {
  local entry
  for entry in "$MLC_PACKAGE_CACHE_DIR"/libs/*/; do
    if [[ -d $entry ]]; then basename "$entry"; fi
  done | LC_ALL=C sort
}

# Reads a list, one per line, into the array `list`. Where it is empty, so is the array: then it may
# only be counted.
read_list() {
  list=()
  local item
  while IFS= read -r item; do
    if [[ -n $item ]]; then list+=("$item"); fi
  done <<<"$1"
}

# Runs mlc-package. What it refuses or fails at it puts on the job's page itself; that it was killed
# or crashed, it cannot.
run_program() {
  local code=0
  "$@" || code=$?
  # 20: over budget; 130 and 143: the job was cancelled.
  case $code in
  1 | 2 | 1[0-5]) was_said ;;
  0 | 20 | 125 | 130 | 143) ;;
  137)
    annotate_error "$failing: mlc-package was killed (exit code 137): most likely the machine ran out \
of memory; \`MLC_PACKAGE_JOBS: 1\` in the job's \`env\` compiles one library at a time"
    ;;
  *) annotate_error "$failing: mlc-package ended with exit code $code; the log of the step may say why" ;;
  esac
  return "$code"
}

# The token and the directory for the Hub that the program gets. What the job's own variables say
# holds where the action was given nothing.
hub_variables() {
  if [[ -n ${HF_TOKEN_INPUT:-} ]]; then export HF_TOKEN=$HF_TOKEN_INPUT; fi
  if [[ -z ${HF_HOME:-} ]]; then export HF_HOME=$HF_HOME_DEFAULT; fi
}

# Runs mlc-package for packages, with what it is told by variables. It starts the compiler's image
# itself, for what is not cached; which compiler is in the image, and which kits were released, it
# reads here.
run_package() {
  hub_variables
  export MLC_PACKAGE_LOG_DIR=$logs
  # shellcheck disable=SC2154 # of those who source this
  export MLC_PACKAGE_COMPILER_IDENTITIES=$here/compilers.json
  export MLC_PACKAGE_RELEASE_KITS=${MLC_PACKAGE_RELEASE_KITS-$here/kits.json}
  if [[ -n ${IMAGE:-} ]]; then export MLC_PACKAGE_COMPILER_IMAGE=$IMAGE; fi
  if [[ -n ${KIT:-} ]]; then export MLC_PACKAGE_KIT=$KIT; fi
  run_program "$MLC_PACKAGE" "$@"
}

# The arguments that plan and build share, in `package_arguments`.
package_arguments() {
  package_arguments=(--format=github)
  if [[ -n $CONFIG ]]; then package_arguments+=("--package-config=$CONFIG"); fi
  if [[ -n $OUTPUT ]]; then package_arguments+=("--output=$OUTPUT"); fi
  local name
  while IFS= read -r name; do
    if [[ -n $name ]]; then package_arguments+=("--package=$name"); fi
  done <<<"$PACKAGE"
  if [[ $LOCKED == true ]]; then package_arguments+=(--locked); fi
  if [[ $STRICT == true ]]; then package_arguments+=(--strict); fi
  if [[ -n ${PYTHON:-} && ${IMAGE:-none} == none ]]; then package_arguments+=("--python=$PYTHON"); fi
  if [[ -n ${SOURCE_DIR:-} ]]; then package_arguments+=("--mlc-llm-source-dir=$SOURCE_DIR"); fi
  if [[ $BINDING == false || $MODE != package ]]; then package_arguments+=(--no-binding); fi
  local model_id
  while IFS= read -r model_id; do
    # With `=` a name that begins with a dash is no option.
    if [[ -n $model_id ]]; then package_arguments+=("--only=$model_id"); fi
  done <<<"$ONLY"
}
