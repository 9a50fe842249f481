#!/usr/bin/env bash
# hadolint's view of the Dockerfile, every rule on.
set -euo pipefail
cd "$(dirname "$0")/.."
source scripts/tools.sh
tools_ready
exec "$TOOLS/hadolint" --failure-threshold style Dockerfile
