#!/usr/bin/env bash
# Builds the library's documentation into .build/docs; with --check, only looks for faults, such as a
# link to nothing.
set -euo pipefail
cd "$(dirname "$0")/.."
swift build --target TwoPhaseCommit >&2
graphs="$(mktemp -d)"
trap 'rm -rf "$graphs"' EXIT
scripts/public_api.py graphs "$graphs"
output=.build/docs
if [[ "${1:-}" == --check ]]; then output="$graphs/out"; fi
docc convert Sources/TwoPhaseCommit/TwoPhaseCommit.docc \
    --fallback-display-name TwoPhaseCommit --fallback-bundle-identifier TwoPhaseCommit \
    --additional-symbol-graph-dir "$graphs" --output-path "$output" --warnings-as-errors
if [[ "${1:-}" != --check ]]; then echo "documentation: $output"; fi
