#!/usr/bin/env bash
# Makes the book of docs/ in target/book, and checks every link of it and of the other documents.
set -euo pipefail
cd "$(dirname "$0")/.."

scripts/setup-book.sh
rm -rf target/book
# mdbook goes on where it cannot include a file, and says so.
MDBOOK_LOG=warn target/tools/bin/mdbook build docs 2>&1 | tee target/book.log
if [ -s target/book.log ]; then exit 1; fi
python3 -B -m unittest discover --start-directory tests/book
