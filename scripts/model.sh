#!/usr/bin/env bash
# Checks the models of the protocol in Model/ with Spin: the right ones are verified, and every
# broken variant, each made by one macro, is caught. Prints a table; fails when either is not so.
#
#   scripts/model.sh            everything but the largest
#   scripts/model.sh largest    three branches and three recoverers, with more faults or a journal
#   scripts/model.sh MODEL [-DMACRO ...]    one variant, with its trail if it fails
set -euo pipefail
cd "$(dirname "$0")/.."

has() { command -v "$1" >/dev/null 2>&1; }
if ! has spin || ! has gcc; then
    echo "model: expected spin and gcc to be installed."
    as_root=()
    if [[ $EUID -ne 0 ]]; then as_root=(sudo); fi
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get update -q
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
        apt-get install -qy --no-install-recommends spin gcc libc6-dev
fi

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cp Model/*.pml "$folder"
cd "$folder"

# Runs one variant; leaves the verifier's words in $folder/out.
search() {
    local model=$1
    shift
    rm -f ./*.trail
    spin "$@" -a "$model.pml" >out 2>&1 || return 1
    gcc -O1 -DSAFETY -DCOLLAPSE -DVECTORSZ=2048 -DMEMLIM=6000 -o pan pan.c >>out 2>&1 || return 1
    ./pan -m200000 -n >out 2>&1 || return 1
}

if [[ $# -gt 0 && $1 != largest ]]; then
    search "$@"
    cat out
    if [[ -f $1.pml.trail ]]; then
        spin "${@:2}" -t -p -g -l "$1.pml"
        exit 1
    fi
    exit
fi

failed=0
row() { printf '%-9s  %-52s  %-9s  %10s  %5s\n' "$@"; }

# check EXPECTED MODEL [-DMACRO ...]
check() {
    local expected=$1 model=$2 began=$SECONDS found states
    shift 2
    if ! search "$model" "$@" || ! states=$(awk '/states, stored/ { print $1 }' out) \
        || grep -q 'max search depth too small\|out of memory' out; then
        found=unknown states=-
    elif [[ -f $model.pml.trail ]]; then
        found=caught
    else
        found=verified
    fi
    if [[ $found != "$expected" ]]; then
        failed=1
        found=${found^^}
    fi
    row "$model" "${*//-D/}" "$found" "$states" $((SECONDS - began))
}

row model variant result states seconds
if [[ ${1:-} == largest ]]; then
    check verified twophase -DBRANCHES=3 -DRECOVERERS=3 -DRESTORES=1 -DLOSSES=2 -DFAILOVERS=2
    check verified journal -DBRANCHES=3 -DRECOVERERS=3
    exit "$failed"
fi
check verified twophase -DBRANCHES=2 -DRECOVERERS=2 -DLOSSES=2 -DFAILOVERS=2
check verified twophase -DBRANCHES=2 -DRECOVERERS=3 -DRESTORES=1
check verified twophase -DBRANCHES=3 -DRECOVERERS=2 -DRESTORES=1
check verified twophase -DBRANCHES=3 -DRECOVERERS=3
check verified twophase -DBRANCHES=3 -DRECOVERERS=3 -DRESTORES=1
check caught twophase -DNO_FENCE
check caught twophase -DNO_COMPARE_AND_SET
check caught twophase -DREAD_THEN_ACT
check caught twophase -DACT_ON_READ
check caught twophase -DUNKNOWN_IS_ABORT
check caught twophase -DSESSIONS_UNREGISTERED -DRECOVERERS=1
check caught twophase -DRESTORED_UNNOTICED -DRESTORES=1

check verified onephase -DRECOVERERS=3
check caught onephase -DRUN_AGAIN
check caught onephase -DID_NOT_DURABLE
check caught onephase -DDELEGATION_OVERRULED
check caught onephase -DASKED_BEFORE_FENCE
check caught onephase -DTOLD_BEFORE_TAG

check verified journal -DBRANCHES=2 -DRECOVERERS=2 -DRESTORES=1
check verified journal -DBRANCHES=3 -DRECOVERERS=2
check caught journal -DROW_DECIDED_ALONE
check caught journal -DTOMBSTONE_WITHOUT_FENCE
check caught journal -DABSENCE_BELIEVED
check caught journal -DREMOVED_TOO_EARLY
check caught journal -DACCEPT_NOT_DURABLE
check caught journal -DSIBLINGS_FIRST
check caught journal -DTOLD_BEFORE_TAG
check caught journal -DIDENTITY_UNCHECKED -DRESTORES=1
check verified journal -DREADER -DBRANCHES=2 -DRECOVERERS=2
check verified journal -DREADER -DBRANCHES=2 -DRECOVERERS=1 -DRESTORES=1
check caught journal -DREADER -DROW_READ_ALONE
check caught journal -DREADER -DLOOKED_ONCE

check verified locks
check verified locks -DTAKEOVERS=0 -DDEADLINES=0 -DDETECTORS=2
check verified locks -DTAKEOVERS=0 -DREQUESTS=3 -DATTEMPTS=1
check caught locks -DONE_READING -DREQUESTS=3 -DATTEMPTS=1
check caught locks -DNO_COMPARE_AND_SET
check caught locks -DNEW_KEY
check caught locks -DTWO_WRITES
check caught locks -DCANCEL_BY_REQUEST
check caught locks -DFORGETS_PARTICIPANT -DTAKEOVERS=0 -DDEADLINES=0

if [[ $failed -ne 0 ]]; then
    echo "model: the variants in capitals are not as they should be" >&2
    exit 1
fi
