#!/usr/bin/env bash
# Every planted bug still fits the sources; else `make mutants`, which CI does not run, would find out late.
set -euo pipefail
cd "$(dirname "$0")/.."

unfit=0
for patch in Reliability/mutants/*.patch; do
    git apply --check "$patch" || unfit=1
done
exit "$unfit"
