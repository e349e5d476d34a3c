# Shared by the steps of action.yml. Sourced, under `set -euo pipefail`.
# shellcheck shell=bash

# They run in bash 3.2 too, which macOS has: an empty array is unset there.

# Where everything of a job lies: the program, the caches that actions/cache fills, results.
# shellcheck disable=SC2034 # for those who source this
state=$RUNNER_TEMP/mlc-package

# The text of a workflow command: no line of it is a command of its own.
escape() {
  local text=$1
  text=${text//\%/%25}
  text=${text//$'\r'/%0D}
  printf '%s' "${text//$'\n'/%0A}"
}

notice() { printf '::notice title=mlc-package::%s\n' "$(escape "$1")"; }
warning() { printf '::warning title=mlc-package::%s\n' "$(escape "$1")"; }

# Ends the step with what is wrong and what to do.
fail() {
  printf '::error title=mlc-package::%s\n' "$(escape "$1")"
  exit "${2:-2}"
}

# Sets an output of the step. Values have one line: inputs.sh refuses others.
output() { printf '%s=%s\n' "$1" "$2" >>"$GITHUB_OUTPUT"; }

# Sets an output of the step that is a list, one a line. What is in a list may be foreign, so that
# nobody may know the line that ends it.
output_list() {
  local end
  end=end-$(od -An -N16 -tx1 /dev/urandom | tr -d ' \n')
  printf '%s<<%s\n%s\n%s\n' "$1" "$end" "$2" "$end" >>"$GITHUB_OUTPUT"
}

# Reads a list, one a line, into the array `list`. Where it is empty, so is the array: then it may
# only be counted.
read_list() {
  list=()
  local item
  while IFS= read -r item; do
    if [[ -n $item ]]; then list+=("$item"); fi
  done <<<"$1"
}

# Runs mlc-package where the compiler is: in the image as the runner's own user, so that what it
# writes belongs to that user; or on this machine. Paths are the same in both.
with_toolchain() {
  if [[ -z ${IMAGE:-} ]]; then
    "$MLC_PACKAGE" "$@"
    return
  fi
  local arguments=(
    --rm --init --user "$(id -u):$(id -g)" --workdir "$PWD"
    --volume "$GITHUB_WORKSPACE:$GITHUB_WORKSPACE" --volume "$RUNNER_TEMP:$RUNNER_TEMP"
  )
  if [[ -n ${CACHE_DIR:-} ]]; then arguments+=(--volume "$CACHE_DIR:$CACHE_DIR"); fi
  local name
  for name in \
    CI GITHUB_ACTIONS GITHUB_OUTPUT GITHUB_STEP_SUMMARY GITHUB_WORKSPACE \
    HF_ENDPOINT HF_HOME HF_HUB_OFFLINE HF_TOKEN \
    HTTPS_PROXY HTTP_PROXY NO_PROXY https_proxy http_proxy no_proxy \
    MLC_DOWNLOAD_CACHE_POLICY MLC_JIT_POLICY \
    MLC_PACKAGE_CACHE_DIR MLC_PACKAGE_COMPILE_TIMEOUT MLC_PACKAGE_JOBS; do
    # Without a value: docker takes it from here, and it is in no list of processes.
    if [[ -n ${!name:-} ]]; then arguments+=(--env "$name"); fi
  done
  local code=0
  docker run "${arguments[@]}" "$IMAGE" "$@" || code=$?
  # 125 is docker's own; mlc-package has no such exit code.
  if ((code == 125)); then
    fail "the image $IMAGE could not be started, docker says why above: set \`container: never\` \
to use the compiler of this machine" 125
  fi
  return "$code"
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
  if [[ -n ${PYTHON:-} && -z ${IMAGE:-} ]]; then package_arguments+=("--python=$PYTHON"); fi
  if [[ -n ${SOURCE_DIR:-} ]]; then package_arguments+=("--mlc-llm-source-dir=$SOURCE_DIR"); fi
  if [[ $BINDING == false || $MODE != package ]]; then package_arguments+=(--no-binding); fi
  local model_id
  while IFS= read -r model_id; do
    # With `=` a name that begins with a dash is no option.
    if [[ -n $model_id ]]; then package_arguments+=("--only=$model_id"); fi
  done <<<"$ONLY"
}
