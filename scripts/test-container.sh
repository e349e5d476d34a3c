#!/usr/bin/env bash
# Builds the image `tool` and runs it, and the action in an image, as root and as another user; then
# act runs the documented workflows in containers.
set -euo pipefail
cd "$(dirname "$0")/.."

step() { printf '\n== %s\n' "$1"; }

scripts/setup-linters.sh
scripts/setup-cross.sh
step "container engine"
host=$(scripts/setup-container-engine.sh)
if [[ -n $host ]]; then
  export DOCKER_HOST=$host
  trap 'kill "$(<target/container/pid)"' EXIT
fi
# BuildKit is in Debian's docker itself; newer ones have it in a plugin.
docker=docker
if ! docker buildx version >/dev/null 2>&1 && [[ -x /usr/bin/docker ]]; then docker=/usr/bin/docker; fi
"$docker" version --format 'engine {{.Server.Version}}, client {{.Client.Version}}'

step "static program"
target=$(uname -m)-unknown-linux-musl
rustup target add "$target" 2>/dev/null
if ! command -v musl-gcc >/dev/null; then
  scripts/apt-install.sh musl-tools
fi
cargo build --release --locked --bin mlc-package --target "$target"
case $(uname -m) in x86_64) architecture=amd64 ;; *) architecture=arm64 ;; esac
mkdir -p "target/image/$architecture"
cp "target/$target/release/mlc-package" "target/image/$architecture/mlc-package"

step "base image"
debian=$(scripts/toolchain.sh | sed -n 's/^IMAGES_DEBIAN=//p')
if ! "$docker" image inspect "$debian" >/dev/null 2>&1 && ! "$docker" pull --quiet "$debian"; then
  echo "the registry is out of reach: a Debian of debootstrap takes its place"
  debian=mlc-package-test/debian
  if ! "$docker" image inspect "$debian" >/dev/null 2>&1; then
    if ! command -v debootstrap >/dev/null; then
      scripts/apt-install.sh debootstrap
    fi
    root=$(mktemp -d)
    debootstrap --variant=minbase bookworm "$root" >/dev/null
    # The root of the image.
    chmod 755 "$root"
    tar -C "$root" -c . | "$docker" import - "$debian" >/dev/null
    rm -rf "$root"
  fi
fi

step "image: tool"
# apt in the build: an engine without a bridge reaches the network as the machine does.
build=(env DOCKER_BUILDKIT=1 "$docker" build --quiet --network host)
"${build[@]}" --build-arg "IMAGES_DEBIAN=$debian" --build-arg PROGRAM=prebuilt --target tool \
  --tag mlc-package-test/tool .
"${build[@]}" --build-arg "DEBIAN=$debian" --tag mlc-package-test/compiler \
  --file tests/action/compiler.Dockerfile tests

printf 'FROM mlc-package-test/compiler\nENV STAND_IN=hang\n' |
  "${build[@]}" --tag mlc-package-test/waiting -
printf 'FROM mlc-package-test/compiler\nUSER root\nRUN apt-get update && apt-get install --yes --no-install-recommends lld\nUSER 65532:65532\n' |
  "${build[@]}" --tag mlc-package-test/linking -

step "image: examples/tiny on TVM"
# By the machine's own pip, for the Python of Debian 12.
tiny=target/image/tiny
scripts/setup-python.sh
rm -rf "$tiny"
mkdir -p "$tiny"
target/venv/bin/python -m pip install --quiet --no-deps --only-binary=:all: --python-version 3.11 \
  --implementation cp --platform "manylinux_2_28_$(uname -m)" --platform "manylinux2014_$(uname -m)" \
  --target "$tiny/packages" --requirement examples/tiny/requirements.txt
cp -R examples/tiny/compiler "$tiny/compiler"
"${build[@]}" --build-arg "DEBIAN=$debian" --tag mlc-package-test/tiny \
  --file tests/action/tiny.Dockerfile "$tiny"

step "image: android, up to where Debian's packages end"
"${build[@]}" --build-arg "IMAGES_DEBIAN=$debian" --target android-tools \
  --tag mlc-package-test/android-tools .

step "image: tool, its size"
size=$("$docker" image inspect --format '{{.Size}}' mlc-package-test/tool)
echo "$((size / 1000)) kB"
if ((size >= 40000000)); then
  echo "test-container: the image has $size bytes, and at most 40,000,000 are wanted" >&2
  exit 1
fi

step "the images at work"
export MLC_PACKAGE_TEST_IMAGES=mlc-package-test MLC_PACKAGE_TEST_DOCKER=$docker
export MLC_PACKAGE_TEST_PROGRAM=$PWD/target/$target/release/mlc-package
python=$PWD/target/linters/bin/python
"$python" -B -m unittest discover --start-directory tests/action --pattern 'container_test.py'
if [[ $(id -u) == 0 ]]; then
  echo "and as another user:"
  # Whoever may use an engine is in the group of its socket.
  socket=${DOCKER_HOST:-unix:///var/run/docker.sock}
  socket=${socket#unix://}
  home=$(mktemp -d)
  chown 1001:1001 "$home"
  as_other=(
    setpriv --reuid 1001 --regid 1001 --groups "$(stat -c %g "$socket")"
    env HOME="$home" PYTHONPATH="$("$python" -c 'import ruamel.yaml as y; print(y.__path__[0])')/../.."
  )
  # A Python of root's own is nobody else's.
  if ! "${as_other[@]}" "$python" -c '' 2>/dev/null; then python=/usr/bin/python3; fi
  "${as_other[@]}" "$python" -B -m unittest discover --start-directory tests/action --pattern 'container_test.py'
  rm -rf "$home"
fi

step "the documented workflows, run by act"
scripts/setup-act.sh
"${build[@]}" --build-arg "DEBIAN=$debian" --tag mlc-package-test/runner \
  --file tests/act/runner.Dockerfile tests/act
MLC_PACKAGE_TEST_ACT_IMAGE=mlc-package-test/runner \
  target/linters/bin/python -B -m unittest discover --start-directory tests/action --pattern 'act_test.py'
