#!/usr/bin/env bash
# Runs every check, the quick ones first, and goes on after a failure so that one run names all
# that is wrong. With names as arguments (`scripts/check.sh format contract`) it runs those alone.
set -uo pipefail
cd "$(dirname "$0")/.."

checks=("$@")
if [[ ${#checks[@]} -eq 0 ]]; then
    checks=(format tidy mutants api snippets simulate contract dockerfile deploy server monitoring failpoints sanitizers fuzz)
fi

failed=()
for name in "${checks[@]}"; do
    began=$SECONDS
    echo "--> check $name"
    if "scripts/check-$name.sh"; then
        echo "--> check $name: passed in $((SECONDS - began)) s"
    else
        echo "--> check $name: FAILED after $((SECONDS - began)) s"
        failed+=("$name")
    fi
done

if [[ ${#failed[@]} -ne 0 ]]; then
    echo "check: failed: ${failed[*]}. Run one alone with scripts/check.sh NAME." >&2
    exit 1
fi
