#!/bin/sh
# Installs mlc-package, the program of a release, for one user.
#
#   sh install.sh [--to DIRECTORY] [--version VERSION] [--from URL]
#
#   --to DIRECTORY     where the program goes (default: ~/.local/bin)
#   --version VERSION  another release than the one that this script belongs to
#   --from URL         a mirror that has vVERSION/SHA256SUMS and vVERSION/mlc-package-VERSION-TARGET.tar.gz
#                      (default: $MLC_PACKAGE_RELEASES_URL, else the releases on GitHub)
#
# The program is compared with the release's SHA256SUMS before it is installed. Needs curl or wget, tar, gzip, and
# one of sha256sum, shasum and openssl. Runs nothing as root, and changes no other file.
set -eu

# The release that this script belongs to: scripts/release.sh writes it here.
released=''

fail() {
    printf 'install.sh: %s\n' "$1" >&2
    exit 1
}

usage() {
    printf 'install.sh: %s\nusage: install.sh [--to DIRECTORY] [--version VERSION] [--from URL]\n' "$1" >&2
    exit 2
}

exists() { command -v "$1" >/dev/null 2>&1; }

# Which of the released programs runs here. Those for Linux need no libc.
target() {
    system=$(uname -s)
    machine=$(uname -m)
    # A shell that runs under Rosetta calls an Apple processor an Intel one.
    if [ "$system-$machine" = Darwin-x86_64 ] && [ "$(sysctl -n hw.optional.arm64 2>/dev/null)" = 1 ]; then
        machine=arm64
    fi
    case $system-$machine in
        Linux-x86_64 | Linux-amd64) echo x86_64-unknown-linux-musl ;;
        Linux-aarch64 | Linux-arm64) echo aarch64-unknown-linux-musl ;;
        Darwin-arm64) echo aarch64-apple-darwin ;;
        Darwin-x86_64) echo x86_64-apple-darwin ;;
        *) fail "there is no program for $system on $machine: build it with \`cargo install --locked --git https://github.com/mlc-package/mlc-package\`" ;;
    esac
}

# Downloads a file of the release.
download() {
    if exists curl; then
        curl --fail --silent --show-error --location --retry 3 --connect-timeout 20 \
            --output "$temporary/$1" "$from/v$version/$1" 2>"$temporary/errors" && return
    elif exists wget; then
        wget -O "$temporary/$1" "$from/v$version/$1" 2>"$temporary/errors" && return
    else
        fail "neither curl nor wget is installed: install one of them, and run this again"
    fi
    if grep -q '[ :]404' "$temporary/errors"; then
        fail "there is no $from/v$version/$1: $2"
    fi
    fail "$from/v$version/$1 could not be downloaded: $(tail -n 1 "$temporary/errors")"
}

sha256() {
    if exists sha256sum; then
        sha256sum "$1" | cut -d ' ' -f 1
    elif exists shasum; then
        shasum -a 256 "$1" | cut -d ' ' -f 1
    elif exists openssl; then
        openssl dgst -sha256 "$1" | sed 's/.* //'
    else
        fail "none of sha256sum, shasum and openssl is installed: install one of them, and run this again"
    fi
}

# How to make the shell find the program, if it does not.
say_path() {
    case :${PATH:-}: in
        *:"$to":*)
            found=$(command -v mlc-package || true)
            if [ -n "$found" ] && [ "$found" != "$to/mlc-package" ]; then
                echo "install.sh: $found comes first in PATH: remove it, or put $to before it" >&2
            fi
            ;;
        *)
            echo "$to is not in PATH. Add it in the file that your shell reads when it starts:"
            case ${SHELL:-} in
                */fish) echo "    fish_add_path '$to'" ;;
                *) echo "    export PATH=\"$to:\$PATH\"" ;;
            esac
            ;;
    esac
}

cleanup() {
    rm -rf "$temporary"
    if [ -n "$new" ]; then rm -f "$new"; fi
}

# All of it is read before any of it runs: a download of this script that breaks off does nothing.
main() {
    to='' version=$released from=''
    while [ $# -gt 0 ]; do
        case $1 in
            --to=* | --version=* | --from=*)
                option=${1%%=*} value=${1#*=}
                shift
                set -- "$option" "$value" "$@"
                ;;
            --to | --version | --from)
                case ${2:-} in
                    '' | --*) usage "$1 needs a value" ;;
                esac
                case $1 in
                    --to) to=$2 ;;
                    --version) version=${2#v} ;;
                    --from) from=$2 ;;
                esac
                shift 2
                ;;
            -h | --help)
                echo "usage: install.sh [--to DIRECTORY] [--version VERSION] [--from URL]"
                echo
                echo "  --to DIRECTORY     where the program goes (default: ~/.local/bin)"
                echo "  --version VERSION  the release (default: the one that this script belongs to)"
                echo "  --from URL         a mirror of the releases (default: GitHub, or MLC_PACKAGE_RELEASES_URL)"
                exit 0
                ;;
            *) usage "unknown argument $1" ;;
        esac
    done
    if [ -z "$version" ]; then
        usage "name a release with --version, or use the install.sh of a release"
    fi
    case $version in
        *[!0-9A-Za-z.+-]* | [!0-9]*) usage "not a version: $version" ;;
    esac
    if [ -z "$from" ]; then
        from=${MLC_PACKAGE_RELEASES_URL:-https://github.com/mlc-package/mlc-package/releases/download}
    fi
    from=${from%/}
    if [ -z "$to" ]; then
        if [ -z "${HOME:-}" ]; then usage "HOME is not set: name a directory with --to"; fi
        to=$HOME/.local/bin
    fi
    case $to in
        /*) ;;
        *) to=$PWD/$to ;;
    esac
    target=$(target)
    archive=mlc-package-$version-$target.tar.gz

    new=''
    temporary=$(mktemp -d)
    trap cleanup EXIT
    trap 'exit 1' HUP INT TERM
    download SHA256SUMS "is $version a release?"
    expected=$(awk -v name="$archive" '$2 == name { print $1 }' "$temporary/SHA256SUMS")
    if [ -z "$expected" ]; then
        fail "the release $version has no program for this machine: $archive is not in its SHA256SUMS"
    fi
    download "$archive" "the release is not complete"
    actual=$(sha256 "$temporary/$archive")
    if [ "$actual" != "$expected" ]; then
        fail "$archive is not the file that was released, and nothing was installed: its SHA-256 is $actual, but SHA256SUMS has $expected"
    fi
    gzip -dc "$temporary/$archive" | tar -xf - -C "$temporary" mlc-package
    if [ -d "$to/mlc-package" ]; then fail "$to/mlc-package is a directory: name another place with --to"; fi
    if cmp -s "$temporary/mlc-package" "$to/mlc-package"; then
        echo "$("$to/mlc-package" --version) is already installed in $to"
    else
        mkdir -p "$to" || fail "$to could not be made: name another directory with --to"
        # Renamed over the old one, which may be running.
        new=$(mktemp "$to/.mlc-package.XXXXXX") ||
            fail "$to cannot be written to: name another directory with --to"
        cat "$temporary/mlc-package" >"$new"
        chmod 755 "$new"
        said=$("$new" --version 2>&1) ||
            fail "the program for $target does not run on this machine, and nothing was installed: $said"
        mv -f "$new" "$to/mlc-package"
        new=''
        echo "installed $said in $to"
    fi
    say_path
}

main "$@"
