#!/usr/bin/env bash
# The steps of a release, as release.yml runs them. Each looks first at what was done already: a
# release that broke anywhere is completed by running the workflow again, of the same commit.
#   scripts/release.sh begin VERSION DIRECTORY         a draft of the release; what it has goes into DIRECTORY
#   scripts/release.sh keep VERSION DIRECTORY          what was built, in DIRECTORY, goes into the draft
#   scripts/release.sh pack VERSION DIRECTORY          the packages of the programs in DIRECTORY: wheels, the source
#                                                      distribution, install.sh and the Homebrew formula
#   scripts/release.sh unpack VERSION DIRECTORY        the programs for the images, unpacked into target/image
#   scripts/release.sh kit VERSION DIRECTORY KIT IMAGE one kit, built by the program: in the image for android
#   scripts/release.sh compiler VERSION DIRECTORY IMAGE FILE
#                                                      what compiler the image has, written to FILE
#   scripts/release.sh tag VERSION DIRECTORY IMAGE COMPILER
#                                                      the commit that records them, and its tag
#   scripts/release.sh publish VERSION DIRECTORY       the release, with all its files
#   scripts/release.sh move VERSION                    the tag of the major version, `v1`
#   scripts/release.sh pypi VERSION DIRECTORY          the wheels and the source distribution, on PyPI
#   scripts/release.sh tap VERSION DIRECTORY CLONE     the formula, in a clone of the tap, and pushed
# It takes gh with GH_TOKEN, jq, and in GITHUB_REPOSITORY the repository that `origin` is.
# PACKING names the programs of packing-requirements.txt, if they are not in target/packing/bin.
# RESTART=true: `begin` first discards an unfinished release of this version, of this commit or another. Then
# `origin` must allow tags to be deleted.
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=action/failures.sh
source action/failures.sh
# shellcheck disable=SC2034 # read there
title=Release annotating=${GITHUB_ACTIONS:-false} usual_code=1

# The runner that each program is built on.
targets='[
  {"target": "x86_64-unknown-linux-musl", "os": "ubuntu-24.04"},
  {"target": "aarch64-unknown-linux-musl", "os": "ubuntu-24.04-arm"},
  {"target": "aarch64-apple-darwin", "os": "macos-15"},
  {"target": "x86_64-apple-darwin", "os": "macos-15"}
]'

# The runner that each platform binding is built on, and the kit of it kept.
kits='[
  {"kit": "android", "os": "ubuntu-24.04"},
  {"kit": "iphone", "os": "macos-15"},
  {"kit": "macabi-arm64", "os": "macos-15"}
]'

output() {
  printf '%s: %s\n' "$1" "$2"
  if [[ -n ${GITHUB_OUTPUT:-} ]]; then printf '%s=%s\n' "$1" "$2" >>"$GITHUB_OUTPUT"; fi
}

usage() {
  was_said
  sed -n 's/^#   \(scripts\)/\1/p' scripts/release.sh >&2
  exit 2
}

temporary=$(mktemp -d)
errors=$temporary/errors
# shellcheck disable=SC2329 # called at the exit
cleanup() {
  if [[ -e $temporary/tree ]]; then git worktree remove --force "$temporary/tree"; fi
  rm -rf "$temporary"
}

step=${1:-} version=${2:-} directory=${3:-}
case $step/$# in
begin/3 | keep/3 | pack/3 | unpack/3 | publish/3 | kit/5 | compiler/5 | tag/5 | move/2 | pypi/3 | tap/4) ;;
*) usage ;;
esac
if [[ ! $version =~ ^[0-9]+\.[0-9]+\.[0-9]+(-[0-9A-Za-z.-]+)?$ ]]; then
  fail "not a version: $version"
fi
# shellcheck disable=SC2034 # read by failures.sh
failing="the step \`$step\` of the release $version failed"
tag=v$version
releases=repos/$GITHUB_REPOSITORY/releases

# Asks GitHub. If it refuses, its own words are the error.
api() {
  local code=0
  gh api "$@" 2>"$errors" || code=$?
  if ((code != 0)); then
    cat "$errors" >&2
    fail "$failing: GitHub refused it: $(tail -n 1 "$errors")"
  fi
}

# The release of this tag, a draft too: the address of a tag does not answer for drafts.
release() {
  api --paginate "$releases?per_page=100" |
    jq --slurp --compact-output --arg tag "$tag" 'add | map(select(.tag_name == $tag))[0]'
}

# What a tag is of, at GitHub and not in this clone; nothing if it is not there.
remote() { git ls-remote origin "refs/tags/$1" | cut -f 1; }

# The commit that the tag's commit was made from.
made_from() {
  git fetch --quiet origin "refs/tags/$tag"
  git rev-parse --verify FETCH_HEAD^
}

# The files of the release: programs, kits, and what `pack` makes of the programs.
is_ours() {
  case $1 in
  "mlc-package-$version-"*.tar.gz | "mlc-package-$version-kit-"*.tar.zst) ;;
  mlc_package-*.whl | mlc_package-*.tar.gz | install.sh | mlc-package.rb) ;;
  *) return 1 ;;
  esac
}

# Those that are in the directory.
files() {
  local file
  for file in "$directory"/*; do
    if is_ours "${file##*/}"; then printf '%s\n' "$file"; fi
  done
}

# Those of a list, `targets` or `kits`, whose file is not in the directory.
missing() {
  jq --compact-output --arg there "$(files)" --arg version "$version" '
    map(select((if has("kit") then "kit-\(.kit).tar.zst" else "\(.target).tar.gz" end) as $name
      | $there | contains("mlc-package-\($version)-\($name)") | not))' <<<"$1"
}

# Runs the program, which says itself in a job why it failed.
told() {
  local code=0
  "$@" || code=$?
  if ((code != 0)); then
    if [[ $annotating == true ]]; then was_said; fi
    exit "$code"
  fi
}

# Unpacks a released program into another directory.
unpack_program() {
  mkdir -p "$2"
  tar -xzf "$directory/mlc-package-$version-$1.tar.gz" -C "$2" mlc-package
}

# The program for the machine that this runs on; PROGRAM names another.
program() {
  local target program=${PROGRAM:-}
  if [[ -z $program ]]; then
    case "$(uname -s)-$(uname -m)" in
    Linux-x86_64) target=x86_64-unknown-linux-musl ;;
    Darwin-arm64) target=aarch64-apple-darwin ;;
    *) fail "no released program runs on $(uname -s) on $(uname -m)" ;;
    esac
    unpack_program "$target" "$temporary/program"
    program=$temporary/program/mlc-package
  fi
  printf '%s' "$program"
}

begin() {
  local commit found tagged other=''
  if ! grep --quiet --line-regexp --fixed-strings "version = \"$version\"" Cargo.toml; then
    fail "the version of Cargo.toml is not $version: change it there, and on main"
  fi
  if ! grep --quiet --extended-regexp "^## ${version//./\\.}( |\$)" CHANGELOG.md; then
    fail "CHANGELOG.md has no section \`## $version\`"
  fi
  commit=$(git rev-parse HEAD)
  found=$(release)
  tagged=$(remote "$tag")
  if [[ -n $tagged ]]; then other=$(made_from); fi
  if [[ -z $other && $found != null ]]; then other=$(jq --raw-output .target_commitish <<<"$found"); fi
  if [[ $(jq .draft <<<"$found") == false ]]; then
    if [[ $other != "$commit" ]]; then
      fail "$version is out, and was made from ${other:0:12}: a release does not change. Raise the \
version in Cargo.toml and CHANGELOG.md"
    fi
    echo "$version is out"
  elif [[ -n $other && ${RESTART:-false} == true ]]; then
    # The tag first: if this fails halfway, the draft still shows which commit it is of. By git, with the key
    # that pushed it: rules for tags may allow nobody else.
    if [[ -n $tagged ]]; then git push --quiet origin ":refs/tags/$tag"; fi
    if [[ $found != null ]]; then
      api --method DELETE "$releases/$(jq .id <<<"$found")" >/dev/null
    fi
    found=null
    echo "discarded the unfinished release of ${other:0:12}"
  elif [[ -n $other && $other != "$commit" ]]; then
    fail "$version was begun from ${other:0:12}, and this is ${commit:0:12}: run the workflow of \
that commit, or check \`restart\` to discard the unfinished release"
  fi
  if [[ $found == null ]]; then
    # The notes are a proposal: they can be edited for as long as it is a draft, and afterwards.
    api --method POST "$releases" --raw-field "tag_name=$tag" --raw-field "name=$version" \
      --raw-field "target_commitish=$commit" --field draft=true --field generate_release_notes=true \
      --field "prerelease=$(if [[ $version == *-* ]]; then echo true; else echo false; fi)" >/dev/null
    echo "made a draft of $version"
    found=$(release)
  fi

  # What is whole is taken from there; the rest of an upload that broke is in the way of the next.
  mkdir -p "$directory"
  local asset name
  while IFS= read -r asset; do
    name=$(jq --raw-output .name <<<"$asset")
    if [[ $(jq --raw-output .state <<<"$asset") != uploaded ]]; then
      api --method DELETE "$releases/assets/$(jq .id <<<"$asset")" >/dev/null
    elif is_ours "$name"; then
      api --header "Accept: application/octet-stream" \
        "$releases/assets/$(jq .id <<<"$asset")" >"$directory/$name"
      if [[ sha256:$(sha256sum "$directory/$name" | cut -d ' ' -f 1) != "$(jq --raw-output .digest <<<"$asset")" ]]; then
        fail "$name came from the release with another digest than GitHub has for it: run this again"
      fi
      echo "$name is there already"
    fi
  done < <(jq --compact-output '.assets[]' <<<"$found")
  output missing "$(missing "$targets")"
  output missing-kits "$(missing "$kits")"
}

keep() {
  local found upload file name
  found=$(release)
  if [[ $found == null ]]; then fail "there is no draft of $version: \`begin\` makes it"; fi
  upload=$(jq --raw-output '.upload_url | sub("\\{.*"; "")' <<<"$found")
  local there
  while IFS= read -r file; do
    name=${file##*/}
    there=$(jq --compact-output --arg name "$name" '.assets[] | select(.name == $name)' <<<"$found")
    if [[ -n $there && $(jq --raw-output .state <<<"$there") != uploaded ]]; then
      # The rest of an upload that broke since `begin` looked.
      api --method DELETE "$releases/assets/$(jq .id <<<"$there")" >/dev/null
    elif [[ -n $there ]]; then
      # No two builds give the same bytes: what is recorded must be what the draft has.
      if [[ sha256:$(sha256sum "$file" | cut -d ' ' -f 1) != "$(jq --raw-output .digest <<<"$there")" ]]; then
        fail "the draft of $version has another $name than this run: another run put it there. Run this again, \
which takes that one"
      fi
      continue
    fi
    api --method POST --header "Content-Type: application/octet-stream" --input "$file" \
      "$upload?name=$name" >/dev/null
    echo "$name is kept in the draft"
  done < <(files)
}

# The programs of packing-requirements.txt.
packing() {
  if [[ -z ${PACKING:-} ]]; then
    scripts/setup-python.sh target/packing scripts/packing-requirements.txt
    PACKING=$PWD/target/packing/bin
  fi
  export PACKING
}

# The files of a pattern, if there are any.
matching() { compgen -G "$directory/$1" || true; }

# What is there already stays as it is.
pack() {
  local sdist target archive wheel
  if [[ $(missing "$targets") != '[]' ]]; then
    fail "not all programs of $version are in $directory: \`begin\` downloads those of an earlier run"
  fi
  packing
  if [[ -z $(matching "mlc_package-*.tar.gz") ]]; then
    "$PACKING/maturin" sdist --out "$directory"
  fi
  sdist=$(matching "mlc_package-*.tar.gz")
  while IFS= read -r target; do
    archive=$directory/mlc-package-$version-$target.tar.gz
    scripts/package-wheel.sh "$target" "$archive" "$sdist" "$temporary/wheels"
  done < <(jq --raw-output '.[].target' <<<"$targets")
  for wheel in "$temporary/wheels/"*.whl; do
    if [[ ! -e $directory/${wheel##*/} ]]; then mv "$wheel" "$directory/"; fi
  done
  sed "s/^released=''\$/released='$version'/" install.sh >"$directory/install.sh"
  scripts/package-formula.sh "$version" "$directory" >"$directory/mlc-package.rb"
}

# The very programs that are released, for the image's label too.
unpack() {
  local digests
  unpack_program x86_64-unknown-linux-musl target/image/amd64
  unpack_program aarch64-unknown-linux-musl target/image/arm64
  digests=$(cd "$directory" && sha256sum "mlc-package-$version-"*-unknown-linux-musl.tar.gz)
  output digest "$(sha256sum <<<"$digests" | cut -d ' ' -f 1)"
}

# Android's is built in the image, which has the sources and the NDK; Apple's on a Mac, from the sources
# that MLC_LLM_SOURCE_DIR names.
kit() {
  local kit=$1 image=$2 built name=mlc-package-$version-kit-$1.tar.zst
  mkdir -p "$directory"
  case $kit in
  android)
    docker run --rm --init --user "$(id -u):$(id -g)" --volume "$(realpath "$directory"):/kits" \
      --env MLC_PACKAGE_CACHE_DIR=/tmp/mlc-package "$image" \
      kit build --device android --output "/kits/$name"
    ;;
  iphone | macabi-*)
    # Not in the substitution of an argument, where a failure would be lost.
    built=$(program)
    local arch=
    if [[ $kit == macabi-* ]]; then arch=${kit#macabi-}; fi
    MLC_MACABI_ARCH=$arch told "$built" kit build --device "${kit%%-*}" --output "$directory/$name"
    ;;
  *) fail "there is no kit $kit" ;;
  esac
  echo "$name"
}

compiler() {
  local image=$1 file=$2 built
  built=$(program)
  docker pull --quiet "$image"
  # It fails where this machine could not build a whole package, which it need not.
  { "$built" doctor --compiler-image "$image" --format json || true; } >"$temporary/doctor.json"
  if ! jq --exit-status --slurp '.[0].compiler' "$temporary/doctor.json" >"$file"; then
    fail "$image did not say which compiler it has"
  fi
}

# Every program, kit and package, or the release would have fewer than its commit says.
complete() {
  local absent wheels=()
  absent=$({ missing "$targets" && missing "$kits"; } | jq --raw-output '
    .[] | if has("kit") then "kit-\(.kit).tar.zst" else "\(.target).tar.gz" end')
  if [[ -n $absent ]]; then
    fail "there is no mlc-package-$version-${absent%%$'\n'*} in $directory"
  fi
  mapfile -t wheels < <(matching "mlc_package-*.whl")
  if ((${#wheels[@]} != $(jq length <<<"$targets"))) || [[ -z $(matching "mlc_package-*.tar.gz") ||
    ! -e $directory/install.sh || ! -e $directory/mlc-package.rb ]]; then
    fail "not all packages of $version are in $directory: \`pack\` makes them"
  fi
}

# The version, digests and image are in a commit of their own, and on no branch: main goes on
# building from its sources.
tag() {
  local image=$1 compiler=$2 work commit tagged
  complete
  work=$temporary
  git worktree add --quiet --detach "$work/tree" HEAD
  "$work/tree/scripts/record-release.sh" "$version" "$(realpath "$directory")" "$image" \
    "$(realpath "$compiler")"
  git -C "$work/tree" add action .github/workflows
  tagged=$(remote "$tag")
  if [[ -n $tagged ]]; then
    git fetch --quiet origin "refs/tags/$tag"
    if [[ $(git rev-parse FETCH_HEAD^) != "$(git rev-parse HEAD)" ||
      $(git rev-parse 'FETCH_HEAD^{tree}') != "$(git -C "$work/tree" write-tree)" ]]; then
      fail "the tag $tag is there, and its commit records other programs or another image than \
these: run the workflow again with \`restart\` checked, which discards the unfinished release"
    fi
    echo "the tag $tag is there"
    return
  fi
  git -C "$work/tree" -c user.name="github-actions[bot]" \
    -c user.email="41898282+github-actions[bot]@users.noreply.github.com" \
    commit --quiet --message "Release $version"
  commit=$(git -C "$work/tree" rev-parse HEAD)
  git push --quiet origin "$commit:refs/tags/$tag"
  echo "the tag $tag is on $commit"
}

publish() {
  local file arguments=()
  complete
  if [[ -z $(remote "$tag") ]]; then fail "there is no tag $tag: \`tag\` makes it"; fi
  while IFS= read -r file; do arguments+=("--file=$file"); done < <(files)
  local built
  built=$(program)
  # It sends what is missing and SHA256SUMS, compares every digest, and only then makes the draft a
  # release.
  told "$built" publish --repo "$GITHUB_REPOSITORY" --tag "$tag" "${arguments[@]}" --draft=false \
    "--prerelease=$(if [[ $version == *-* ]]; then echo true; else echo false; fi)"
}

move() {
  local major=${tag%%.*} found commit newest
  if [[ $version == *-* ]]; then
    echo "a prerelease moves no tag"
    return
  fi
  found=$(release)
  if [[ $(jq .draft <<<"$found") != false ]]; then fail "$version is not out: \`publish\` makes it so"; fi
  commit=$(remote "$tag")
  # Whoever follows the moving tag downloads these files in the next minute.
  git fetch --quiet origin "refs/tags/$tag"
  local checksums digest name
  checksums=$(git show "FETCH_HEAD:action/checksums.txt")
  while read -r digest name; do
    if [[ $(jq --arg name "$name" --arg digest "sha256:$digest" \
      '.assets | any(.name == $name and .state == "uploaded" and .digest == $digest)' <<<"$found") != true ]]; then
      fail "the release $version has no $name of the digest that its commit records"
    fi
  done <<<"$checksums"
  # A later release of an older version moves nothing back.
  newest=$(
    api --paginate "$releases?per_page=100" |
      jq --slurp --raw-output 'add | .[] | select(.draft | not) | .tag_name' |
      grep --extended-regexp "^${major}\.[0-9]+\.[0-9]+\$" | sort --version-sort | tail -n 1
  )
  if [[ $newest != "$tag" ]]; then
    echo "$major stays where it is: $newest is out"
    return
  fi
  if [[ $(remote "$major") == "$commit" ]]; then
    echo "$major is there"
    return
  fi
  git push --quiet --force origin "$commit:refs/tags/$major"
  echo "$major is on $commit"
}

# A job whose identity PyPI trusts needs no password. uv's variables name another index, or a token.
pypi() {
  local uploads=()
  packing
  mapfile -t uploads < <(matching "mlc_package-*.whl" && matching "mlc_package-*.tar.gz")
  if ((${#uploads[@]} == 0)); then fail "no wheels of $version are in $directory"; fi
  # What an earlier run uploaded is passed over, if it is the same.
  UV_PUBLISH_CHECK_URL=${UV_PUBLISH_CHECK_URL:-https://pypi.org/simple/} \
    "$PACKING/uv" publish "${uploads[@]}"
}

tap() {
  local clone=$1
  if [[ $version == *-* ]]; then
    echo "a prerelease is not in the tap"
    return
  fi
  mkdir -p "$clone/Formula"
  cp "$directory/mlc-package.rb" "$clone/Formula/mlc-package.rb"
  git -C "$clone" add Formula/mlc-package.rb
  if git -C "$clone" diff --cached --quiet; then
    echo "the tap has $version"
    return
  fi
  git -C "$clone" -c user.name="github-actions[bot]" \
    -c user.email="41898282+github-actions[bot]@users.noreply.github.com" \
    commit --quiet --message "mlc-package $version"
  git -C "$clone" push --quiet origin HEAD
  echo "the tap has $version now"
}

"$step" "${@:4}"
