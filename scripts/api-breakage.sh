#!/usr/bin/env bash
# What a program that was written against an earlier version of the library would miss in this one.
# The argument is a tag or commit; without one, the last tag.
set -euo pipefail
cd "$(dirname "$0")/.."
reference="${1:-$(git describe --tags --abbrev=0 2>/dev/null || true)}"
if [[ -z "$reference" ]]; then
    echo "there is no tag to compare with yet; name a commit: make api-check REF=<commit>" >&2
    exit 2
fi
folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT
git show "$reference:docs/public-api.txt" >"$folder/old" || {
    echo "$reference has no docs/public-api.txt" >&2
    exit 2
}
swift build --target TwoPhaseCommitTesting >&2
scripts/public_api.py list >"$folder/new"
echo "the library's interface since $reference:"
if scripts/public_api.py compare "$folder/old" "$folder/new"; then
    echo "nothing was removed or changed"
else
    echo "lines with - are gone or changed: that is breaking (docs/public-api.md)" >&2
    exit 1
fi
