#!/usr/bin/env bash
# The house rules that a compiler does not hold: what each target imports is declared in
# Package.swift, floors descend, the core is pure, functions are short, routes equal the contract.
set -euo pipefail
cd "$(dirname "$0")/.."
# This says "Build complete!" even after a fault; its exit status tells.
swift build --explicit-target-dependency-import-check error
exec swift test --filter TidyTests
