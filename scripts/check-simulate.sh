#!/usr/bin/env bash
# Histories of the core in release mode, in a size that a change can afford; see simulate.sh.
set -euo pipefail
cd "$(dirname "$0")/.."
exec scripts/simulate.sh 20000
