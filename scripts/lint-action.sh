#!/usr/bin/env bash
# Lints action.yml, the workflows, every script and the Dockerfile. Nothing is asked of the
# network.
set -euo pipefail
cd "$(dirname "$0")/.."

scripts/setup-linters.sh
bin=target/linters/bin

"$bin/zizmor" --offline --quiet --no-progress action.yml .github/workflows
"$bin/check-jsonschema" --quiet --builtin-schema vendor.github-actions action.yml
"$bin/check-jsonschema" --quiet --builtin-schema vendor.github-workflows .github/workflows/*.yml
"$bin/check-jsonschema" --quiet --builtin-schema vendor.dependabot .github/dependabot.yml
"$bin/hadolint" Dockerfile tests/action/*.Dockerfile tests/act/*.Dockerfile
git ls-files -z '*.sh' .ci/run ':!tests/data' | xargs -0 "$bin/shellcheck" --external-sources
