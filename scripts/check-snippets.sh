#!/usr/bin/env bash
# The Swift code in the README, the articles and the documentation comments compiles against the
# library as it is.
set -euo pipefail
cd "$(dirname "$0")/.."
swift build --target TwoPhaseCommitTesting
folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT
scripts/snippets.py >"$folder/snippets.swift"
flags="$(scripts/public_api.py flags)"
# shellcheck disable=SC2086 # the flags are words
swiftc -typecheck -swift-version 6 -suppress-warnings $flags "$folder/snippets.swift"
