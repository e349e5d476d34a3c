#!/bin/sh
# Makes a virtual environment: the one that examples/tiny compiles in, or another.
#
#   scripts/setup-python.sh [DIRECTORY [REQUIREMENTS]]
#
# By default target/venv in the project, of examples/tiny/requirements.txt.
# PYTHON names the interpreter to make it from (default: python3). Needs no root. Installs only
# when the requirements are not what the environment was made from; otherwise it
# says nothing and is done at once.
set -eu

root=$(cd "$(dirname "$0")/.." && pwd)
requirements=${2:-$root/examples/tiny/requirements.txt}
venv=${1:-$root/target/venv}
python=${PYTHON:-python3}
# A copy of the requirements, written last: while it is absent the environment is incomplete.
stamp=$venv/.requirements.txt
lock=$venv.lock

fail() {
    printf 'setup-python: %s\n' "$1" >&2
    exit 1
}

is_ready() {
    [ -x "$venv/bin/python" ] && cmp -s "$requirements" "$stamp"
}

is_ready && exit 0

command -v "$python" >/dev/null 2>&1 ||
    fail "$python not found: install Python 3.10 or newer, or name one in PYTHON"
version=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])') ||
    fail "$python does not run: name another in PYTHON"
case $version in
    3.1[0-4]) ;;
    *) fail "$python is Python $version, but the wheels are for 3.10 to 3.14: name one in PYTHON" ;;
esac
"$python" -c 'import ensurepip, venv' 2>/dev/null ||
    fail "$python has no venv module (on Debian and Ubuntu: apt-get install python3-venv)"

mkdir -p "$(dirname "$venv")"
waited=0
until mkdir "$lock" 2>/dev/null; do
    [ "$waited" -lt 600 ] || fail "another run holds $lock: remove it if there is none"
    waited=$((waited + 1))
    sleep 1
done
trap 'rmdir "$lock"' EXIT
trap 'exit 1' HUP INT TERM
is_ready && exit 0 # the run that held the lock did the work

printf 'setup-python: installing %s into %s\n' "${requirements#"$root"/}" "${venv#"$root"/}" >&2
rm -f "$stamp"
"$python" -m venv --clear "$venv"
"$venv/bin/python" -m pip install --quiet --disable-pip-version-check --no-input \
    --only-binary :all: --requirement "$requirements" >&2 ||
    fail "pip could not install $requirements: its reason is above"
cp "$requirements" "$stamp"
