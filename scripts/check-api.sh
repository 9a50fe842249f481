#!/usr/bin/env bash
# The library's public interface is the one that docs/public-api.txt lists, and all of it is
# documented.
set -euo pipefail
cd "$(dirname "$0")/.."
swift build --target TwoPhaseCommitTesting
scripts/public_api.py undocumented
now="$(mktemp)"
trap 'rm -f "$now"' EXIT
scripts/public_api.py list >"$now"
diff -u docs/public-api.txt "$now" || {
    echo "the interface has changed: scripts/public_api.py list > docs/public-api.txt, and say" >&2
    echo "in CHANGELOG.md what it means for programs." >&2
    exit 1
}
# Links and structure of the articles; a dead link is a fault.
swift_docc="$(command -v docc || true)"
if [[ -n "$swift_docc" ]]; then scripts/docs.sh --check; fi
