#!/usr/bin/env bash
# The simulator, in release mode: the production core in worlds that lose, delay, crash and restore.
#
#   scripts/simulate.sh [SEEDS]       so many histories, then every one with few faults
#   scripts/simulate.sh seed SEED     one of them, told line by line
#   scripts/simulate.sh mutants       the planted mistakes, and the seed that notices each
set -euo pipefail
cd "$(dirname "$0")/.."

swift build --quiet --configuration release --product simulate
simulate=$(swift build --configuration release --show-bin-path)/simulate
case ${1:-20000} in
    seed | mutants | exhaust) exec "$simulate" "$@" ;;
    *)
        "$simulate" "${1:-20000}"
        exec "$simulate" exhaust 2
        ;;
esac
