#!/usr/bin/env bash
# Holds the inputs against what they may be, before anything is installed or run, and gives the
# other steps the paths that follow from them.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=action/common.sh
source "$here/common.sh"

failing='the check of the inputs failed'

if [[ $RUNNER_OS == Windows ]]; then
  fail "mlc-package runs on Linux and macOS runners, and this one has Windows: use \
runs-on: ubuntu-latest, or macos-latest for iphone and macabi"
fi

single_line() {
  local name=$1 value=$2
  if [[ $value == *[[:cntrl:]]* ]]; then
    fail "the input \`$name\` cannot have line breaks or control characters"
  fi
}

one_of() {
  local name=$1 value=$2
  shift 2
  local choice
  for choice in "$@"; do
    if [[ $value == "$choice" ]]; then return; fi
  done
  single_line "$name" "$value"
  fail "the input \`$name\` cannot be \`$value\`: expected one of: $*"
}

# A path inside the workspace, as it is written: no step up, no other root.
relative() {
  local name=$1 value=$2
  single_line "$name" "$value"
  case "/$value/" in
  //*/ | */../*)
    fail "the input \`$name\` is a path inside the repository: it cannot be absolute or go up (\`$value\`)"
    ;;
  *:*) fail "the input \`$name\` cannot have a colon (\`$value\`)" ;;
  esac
}

# Where a path that is there leads to, links followed. Without an input it is a file that is read
# by its usual name.
inside() {
  local name=$1 path=$2 real what
  real=$(realpath "$path")
  if [[ $real != "$workspace" && $real != "$workspace"/* ]]; then
    what="the input \`$name\`"
    if [[ -z $name ]]; then what="\`${path##*/}\`"; fi
    fail "$what leads out of the repository (\`$path\` is \`$real\`)"
  fi
}

# A file of the repository that must be there.
present() {
  local name=$1 value=$2
  relative "$name" "$value"
  if [[ ! -f $directory/$value ]]; then
    fail "the input \`$name\` names no file of the repository (\`$value\`)"
  fi
  inside "$name" "$directory/$value"
}

workspace=$(realpath "$GITHUB_WORKSPACE")
one_of mode "$MODE" package libraries plan report
one_of comment "$COMMENT" never on-change always
one_of container "$CONTAINER" auto never
for pair in "binding=$BINDING" "cache=$CACHE" "cache-weights=$CACHE_WEIGHTS" "locked=$LOCKED" \
  "cache-on-failure=$CACHE_ON_FAILURE" "fail-over-budget=$FAIL_OVER_BUDGET" \
  "strict=$STRICT" "save-if=$SAVE_IF" "report=$REPORT" "check-run=$CHECK_RUN"; do
  one_of "${pair%%=*}" "${pair#*=}" true false
done
# Empty: what mlc-package.yml says.
if [[ -n $DRAFT ]]; then one_of draft "$DRAFT" true false; fi
if [[ -n $PRERELEASE ]]; then one_of prerelease "$PRERELEASE" true false; fi
single_line image "$IMAGE_INPUT"
single_line python "$PYTHON"
single_line prefix-key "$PREFIX_KEY"
single_line version "$VERSION"
# shellcheck disable=SC2153 # the input
single_line name "$NAME"
single_line tag-name "$TAG_NAME"
if [[ ! $IMAGE_INPUT =~ ^([A-Za-z0-9][A-Za-z0-9._:/@-]*)?$ ]]; then
  fail "the input \`image\` is not the name of an image (\`$IMAGE_INPUT\`)"
fi
if [[ ! $MATRIX_JOBS =~ ^[1-9][0-9]{0,2}$ ]]; then
  single_line matrix-jobs "$MATRIX_JOBS"
  fail "the input \`matrix-jobs\` cannot be \`$MATRIX_JOBS\`: expected a number from 1 to 256"
fi

relative working-directory "$WORKING_DIRECTORY"
directory=$GITHUB_WORKSPACE/$WORKING_DIRECTORY
if [[ ! -d $directory ]]; then
  fail "the input \`working-directory\` names no directory of the repository \
(\`$WORKING_DIRECTORY\`): does a step with actions/checkout come before this one?"
fi
inside working-directory "$directory"

named='^[A-Za-z0-9][A-Za-z0-9._-]*='

# A list of them, one per line; each may be said to be a package's: `NAME=`.
all_present() {
  local name=$1 value
  while IFS= read -r value; do
    if [[ $value =~ $named && ! -e $directory/$value ]]; then value=${value#*=}; fi
    if [[ -n $value ]]; then present "$name" "$value"; fi
  done <<<"$2"
}

if [[ $MODE == report ]]; then
  if [[ -z $MANIFEST ]]; then fail "\`mode: report\` takes the input \`manifest\`"; fi
  if [[ -n ${PACKAGE//$'\n'/} ]]; then fail "\`mode: report\` takes no \`package\`, only the input \`manifest\`"; fi
  all_present manifest "$MANIFEST"
else
  if [[ -n $MANIFEST ]]; then fail "the input \`manifest\` is for \`mode: report\` only"; fi
  relative config "$CONFIG"
  usual=$CONFIG
  if [[ -z $CONFIG ]]; then
    usual=mlc-package.yml
    if [[ ! -f $directory/$usual ]]; then usual=mlc-package-config.json; fi
  fi
  if [[ -n ${PACKAGE//$'\n'/} ]]; then
    if [[ -n $CONFIG ]]; then
      fail "the inputs \`config\` and \`package\` cannot be given together: \`package\` names packages \
of mlc-package.yml, which says what their configs are"
    fi
    if [[ $usual != mlc-package.yml ]]; then
      fail "the input \`package\` names packages of mlc-package.yml, and there is none in \
\`$WORKING_DIRECTORY\`: list them there, or name a package config with the input \`config\`"
    fi
  fi
  if [[ ! -f $directory/$usual ]]; then
    fail "there is no package config \`$usual\` in \`$WORKING_DIRECTORY\`: name it with the input \
\`config\`, or list packages in mlc-package.yml; does a step with actions/checkout come before this \
one?" 10
  fi
  inside "${CONFIG:+config}" "$directory/$usual"
fi
# It is read beside a config too, and by reports: its budgets.
if [[ -e $directory/mlc-package.yml ]]; then inside "" "$directory/mlc-package.yml"; fi

while IFS= read -r package; do
  if [[ -n $package && ! $package =~ ^[A-Za-z0-9][A-Za-z0-9._-]*$ ]]; then
    single_line package "$package"
    fail "the input \`package\` is a list of names, one per line: letters, digits, \`.\`, \`_\` and \`-\` \
(\`$package\`)"
  fi
done <<<"$PACKAGE"

relative output "$OUTPUT"
# The nearest directory that is there already; below it nothing can lead elsewhere. What
# mlc-package.yml says is looked at by the program.
nearest=$directory/${OUTPUT:-dist}
while [[ ! -e $nearest && ! -L $nearest ]]; do nearest=${nearest%/*}; done
inside "${OUTPUT:+output}" "$nearest"

if [[ -n $SOURCE_DIR ]]; then
  relative source-dir "$SOURCE_DIR"
  if [[ ! -d $directory/$SOURCE_DIR ]]; then
    fail "the input \`source-dir\` names no directory of the repository (\`$SOURCE_DIR\`)"
  fi
  inside source-dir "$directory/$SOURCE_DIR"
fi

single_line kit "$KIT"
case $KIT in
'' | auto | source | http://* | https://*) ;;
*) present kit "${KIT%%#sha256=*}" ;;
esac

# An address, or a file; either may be said to be a package's: `NAME=`.
while IFS= read -r earlier; do
  if [[ $earlier =~ $named && ! -e $directory/$earlier ]]; then earlier=${earlier#*=}; fi
  if [[ -z $earlier || $earlier == latest-release ]]; then continue; fi
  if [[ $earlier =~ ^https?:// ]]; then
    single_line baseline "$earlier"
  else
    present baseline "$earlier"
  fi
done <<<"$BASELINE"

if [[ -n $BASE_REF && ! $BASE_REF =~ ^[0-9a-f]{7,64}$ ]]; then
  single_line base-ref "$BASE_REF"
  fail "the input \`base-ref\` is a commit, its digits (\`$BASE_REF\`)"
fi

while IFS= read -r file; do
  if [[ -z $file ]]; then continue; fi
  relative files "$file"
  # A file may be of the package that is about to be made; a link must not lead out.
  if [[ -e $directory/$file ]]; then inside files "$directory/$file"; fi
done <<<"$FILES"

caches=$state
if [[ -n $CACHE_DIR ]]; then
  single_line cache-dir "$CACHE_DIR"
  if [[ $CACHE_DIR != /* || $CACHE_DIR == *:* ]]; then
    fail "the input \`cache-dir\` is an absolute path without a colon (\`$CACHE_DIR\`)"
  fi
  caches=$CACHE_DIR
fi
mkdir -p "$caches/cache" "$caches/huggingface"

# What an earlier step of the job left is no baseline of this one.
rm -rf "$state/manifests" "$logs"
mkdir -p "$logs"
output directory "$directory"
output logs "$logs"
output cache-dir "$caches/cache"
output hf-home "$caches/huggingface"
output manifests "$state/manifests"
