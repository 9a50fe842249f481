#!/usr/bin/env bash
# The house rules that a compiler does not check: what each target imports is declared in
# Package.swift, floors descend, the core is pure, functions are short, routes equal the contract,
# Terms and the code name the same ideas, links lead somewhere.
set -euo pipefail
cd "$(dirname "$0")/.."
# This says "Build complete!" even after a fault; its exit status is what counts.
swift build --explicit-target-dependency-import-check error
exec swift test --filter TidyTests
