#!/usr/bin/env bash
# The operators' console in a real Chromium, over databases and replicas that are killed and stopped:
# what the pages show, every action, keys, updates, widths, and axe-core's rules of accessibility.
#
#   scripts/check-console.sh [options of pytest, such as -k resolve]
set -euo pipefail
cd "$(dirname "$0")/.."
source scripts/tools.sh
scripts/setup.sh console
tools_ready
swift build --product tandem
"$TOOLS/python" -m pytest -p no:cacheprovider --quiet --tb=short Tests/Console "$@"
