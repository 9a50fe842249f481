#!/usr/bin/env bash
# The simulator, in release mode: the production core in worlds that lose, delay, crash and restore.
#
#   scripts/simulate.sh [SEEDS]         so many histories, a tenth as many of transactions that contend
#                                       for rows, then every history of the core with few faults
#   scripts/simulate.sh seed SEED       a history of the core, told line by line
#   scripts/simulate.sh lock-seed SEED  a history of transactions that contend, told line by line
#   scripts/simulate.sh mutants         the planted mistakes, and the seed that notices each
#   scripts/simulate.sh policies        compares ways to end deadlocks; see decision 0012
set -euo pipefail
cd "$(dirname "$0")/.."

swift build --quiet --configuration release --product simulate
simulate=$(swift build --configuration release --show-bin-path)/simulate
case ${1:-20000} in
    seed | lock-seed | locks | policies | mutants | exhaust) exec "$simulate" "$@" ;;
    *)
        "$simulate" "${1:-20000}"
        "$simulate" locks "$((${1:-20000} / 10))"
        exec "$simulate" exhaust 2
        ;;
esac
