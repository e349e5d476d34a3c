#!/usr/bin/env bash
# Writes the Homebrew formula of a release to standard output.
#   scripts/package-formula.sh VERSION DIRECTORY
# DIRECTORY has the programs mlc-package-VERSION-*.tar.gz.
set -euo pipefail

if (($# != 2)); then
  echo "usage: scripts/package-formula.sh VERSION DIRECTORY" >&2
  exit 2
fi
version=$1 directory=$2
address=https://github.com/mlc-package/mlc-package

# The lines of the program for one target.
program() {
  local archive digest
  archive=mlc-package-$version-$1.tar.gz
  # What is captured does not end at its first failure by itself.
  digest=$(sha256sum "$directory/$archive") || exit
  printf '      url "%s/releases/download/v%s/%s"\n' "$address" "$version" "$archive"
  printf '      sha256 "%s"\n' "${digest%% *}"
}

# Not in the text below, where a failure would be lost.
macos_arm=$(program aarch64-apple-darwin)
macos_intel=$(program x86_64-apple-darwin)
linux_arm=$(program aarch64-unknown-linux-musl)
linux_intel=$(program x86_64-unknown-linux-musl)

cat <<FORMULA
class MlcPackage < Formula
  desc "Build the dist/ that an iOS or Android app needs to run LLMs with MLC LLM"
  homepage "$address"
  version "$version"
  license "Apache-2.0"

  on_macos do
    depends_on macos: :ventura
    on_arm do
$macos_arm
    end
    on_intel do
$macos_intel
    end
  end

  on_linux do
    on_arm do
$linux_arm
    end
    on_intel do
$linux_intel
    end
  end

  def install
    bin.install "mlc-package"
    generate_completions_from_executable(bin/"mlc-package", "completions")
  end

  test do
    assert_match version.to_s, shell_output("#{bin}/mlc-package --version")
  end
end
FORMULA
