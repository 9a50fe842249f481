#!/usr/bin/env bash
# The unit tests under the thread sanitizer and the address sanitizer, each built in a folder of
# its own. TANDEM_UNIT leaves the program and what it alone needs out of the package; the tests
# that start PostgreSQL are passed over.
set -euo pipefail
cd "$(dirname "$0")/.."

export TANDEM_UNIT=1
sanitizers=("$@")
if [[ ${#sanitizers[@]} -eq 0 ]]; then sanitizers=(thread address); fi
for name in "${sanitizers[@]}"; do
    echo "    $name sanitizer"
    swift test --disable-xctest --sanitize="$name" --scratch-path ".build-$name-sanitizer" \
        --skip TandemTests --skip PostgresClustersTests --skip TidyTests
done
