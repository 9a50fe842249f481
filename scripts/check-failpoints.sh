#!/usr/bin/env bash
# No failpoint is in a release build, and the debug build shows that they would be found.
#
#   scripts/check-failpoints.sh [--build]    makes the release build first; without it the check
#                                            looks at the one that is there, if there is one
set -euo pipefail
cd "$(dirname "$0")/.."

# The variable that arms them: the names of files and functions are in debugging information, too.
has_failpoints() { grep -qa 'TANDEM_FAILPOINTS' "$1"; }

if [[ ${1:-} == --build ]]; then swift build -c release --product tandem; fi
swift build --product tandem
if ! has_failpoints .build/debug/tandem; then
    echo "check-failpoints: the debug build has no failpoints, so this check finds nothing" >&2
    exit 1
fi
if [[ ! -e .build/release/tandem ]]; then
    echo "check-failpoints: there is no release build; --build makes one"
elif has_failpoints .build/release/tandem; then
    echo "check-failpoints: the release build has failpoints" >&2
    exit 1
fi
