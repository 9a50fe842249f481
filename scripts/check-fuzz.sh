#!/usr/bin/env bash
# Feeds what callers and servers send to its readers, with libFuzzer, for FUZZ_SECONDS each (10). The
# names of targets (Fuzz/*.swift) as arguments choose some. An input that fails is left in .build/fuzz;
# add it to Fuzz/corpus, where each run begins, once the fault is mended.
set -euo pipefail
cd "$(dirname "$0")/.."

out=.build/fuzz
mkdir -p "$out"

# The sources that a target needs. They import nothing but each other, and are one module with it.
sources() {
    case $1 in
        gate) echo Sources/StatementGate/*.swift ;;
        json)
            echo Sources/CoordinatorAPI/JSON/*.swift Sources/CoordinatorAPI/Wire/{NameRules,UTCTime}.swift \
                Sources/EventLoop/Text/*.swift Sources/TransactionEngine/Records/CivilDate.swift
            ;;
        gid) find Sources/CommitProtocol -name '*.swift' ;;
        traceparent) echo Sources/TransactionEngine/Records/TraceParent.swift ;;
        *) echo "fuzz: there is no target $1" >&2; return 1 ;;
    esac
}

targets=("$@")
if [[ ${#targets[@]} -eq 0 ]]; then targets=(gate json gid traceparent); fi
for target in "${targets[@]}"; do
    copies=$out/sources-$target
    rm -rf "$copies"
    mkdir -p "$copies"
    for source in $(sources "$target"); do
        sed -E '/^(package )?import (EventLoop|TransactionEngine)$/d' "$source" > "$copies/$(basename "$source")"
    done
    swiftc -O -parse-as-library -swift-version 6 -package-name tandem -module-name "Fuzz$target" \
        -sanitize=fuzzer "$copies"/*.swift "Fuzz/$target.swift" -o "$out/$target"
    mkdir -p "$out/corpus-$target"
    if ! "$out/$target" -max_total_time="${FUZZ_SECONDS:-10}" -max_len=4096 -timeout=10 \
        -print_final_stats=1 -artifact_prefix="$out/$target-" \
        "$out/corpus-$target" "Fuzz/corpus/$target" > "$out/$target.log" 2>&1; then
        grep -E "Fatal error|ERROR|Test unit written" "$out/$target.log" >&2 || tail -20 "$out/$target.log" >&2
        echo "fuzz: $target failed; again with: $out/$target $out/$target-crash-..." >&2
        exit 1
    fi
    runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$out/$target.log")
    echo "fuzz: $target, ${runs:-0} inputs"
done
