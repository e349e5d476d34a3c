#!/usr/bin/env bash
# Puts mlc-package on this machine: the release that this commit of the action belongs to, held
# against the digest in checksums.txt, or built from the sources beside it. Chooses the image.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=action/common.sh
source "$here/common.sh"

failing='mlc-package was not installed'

target() {
  case "$(uname -s)-$(uname -m)" in
  Linux-x86_64) echo x86_64-unknown-linux-musl ;;
  Linux-aarch64 | Linux-arm64) echo aarch64-unknown-linux-musl ;;
  Darwin-arm64) echo aarch64-apple-darwin ;;
  Darwin-x86_64) echo x86_64-apple-darwin ;;
  *) fail "there is no mlc-package for $(uname -s) on $(uname -m): set \`version: source\`" ;;
  esac
}

build() {
  if ! command -v cargo >/dev/null; then
    fail "mlc-package is built from source here, and there is no cargo: install Rust in a step \
before, or name a release with the input \`version\`"
  fi
  begin_group "build mlc-package"
  cargo build --release --locked --bin mlc-package \
    --manifest-path "$here/../Cargo.toml" --target-dir "$state/target"
  end_group
  cp "$state/target/release/mlc-package" "$state/bin/mlc-package"
}

download() {
  local archive expected actual url
  archive=mlc-package-$version-$(target).tar.gz
  expected=$(awk -v name="$archive" '$2 == name { print $1 }' "$here/checksums.txt")
  if [[ -z $expected ]]; then
    fail "this commit of the action knows no release $version of mlc-package for this machine \
($archive is not in action/checksums.txt): use the action at the tag v$version"
  fi
  url=${MLC_PACKAGE_RELEASES_URL:-https://github.com/mlc-package/mlc-package/releases/download}
  if ! curl --fail --silent --show-error --location --retry 5 --retry-connrefused \
    --connect-timeout 20 --output "$state/$archive" "$url/v$version/$archive"; then
    fail "mlc-package $version could not be downloaded from $url: is github.com in reach? A \
mirror can be named in the variable MLC_PACKAGE_RELEASES_URL" 11
  fi
  actual=$(sha256 "$state/$archive")
  if [[ ${actual%% *} != "$expected" ]]; then
    fail "$archive is not the file that was released: its sha256 is ${actual%% *}, and \
action/checksums.txt has $expected" 11
  fi
  tar -xzf "$state/$archive" -C "$state/bin" mlc-package
}

mkdir -p "$state/bin"
# shellcheck disable=SC2153 # the input
version=$VERSION
if [[ -z $version ]]; then version=$(<"$here/version.txt"); fi
case $version in
source) build ;;
*[!0-9A-Za-z.+-]* | '') fail "the input \`version\` is a release, 1.2.3 for instance, or \`source\` (\`$version\`)" ;;
*) download ;;
esac
chmod +x "$state/bin/mlc-package"

# A job that itself runs in a container has no engine.
image=
# It stands against an image that mlc-package.yml names.
if [[ $CONTAINER == never ]]; then image=none; fi
if [[ $CONTAINER == auto && $RUNNER_OS == Linux && $MODE != report ]]; then
  image=$IMAGE_INPUT
  if [[ -z $image ]]; then
    image=$(awk -v version="$version" '$1 == version { print $2 }' "$here/images.txt")
  fi
  if [[ -n $image && -z $IMAGE_INPUT && $(uname -m) != x86_64 ]]; then
    notice "the image of mlc-package is for x86_64, and this machine is $(uname -m): the compiler of \
this machine is used"
    image=
  elif [[ -z $image ]]; then
    notice "mlc-package $version has no image: the compiler of this machine is used"
  elif ! command -v docker >/dev/null; then
    notice "there is no docker here: the compiler of this machine is used instead of $image"
    image=
  fi
fi

"$state/bin/mlc-package" --version
output path "$state/bin/mlc-package"
output version "$version"
output image "$image"
