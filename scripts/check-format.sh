#!/usr/bin/env bash
# The formatter's view of every Swift file. It reports and never rewrites: `swift format -i` is
# for the person who wrote the line.
set -euo pipefail
cd "$(dirname "$0")/.."
exec swift format lint --strict --recursive --parallel Sources Tests Package.swift
