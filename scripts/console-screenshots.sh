#!/usr/bin/env bash
# Pictures of the console's pages in a real Chromium, to be looked at: nothing has happened, 10,000
# transactions, a server that does not answer, in doubt, a heuristic outcome, no state database; on a
# phone, a laptop and a 4k screen, light and dark.
#
#   scripts/console-screenshots.sh FOLDER [options of pytest, such as -k doubt]
set -euo pipefail
mkdir -p "${1:?expected the folder for the pictures}"
TANDEM_SCREENSHOTS=$(realpath "$1")
export TANDEM_SCREENSHOTS
shift
cd "$(dirname "$0")/.."
source scripts/tools.sh
scripts/setup.sh console
tools_ready
swift build --product tandem
"$TOOLS/python" -m pytest -p no:cacheprovider --quiet --tb=short Tests/Console/screenshots.py "$@"
