#!/usr/bin/env bash
# openapi.yaml is a valid OpenAPI 3.1 document.
set -euo pipefail
cd "$(dirname "$0")/.."
source scripts/tools.sh
tools_ready
exec "$TOOLS/openapi-spec-validator" --schema 3.1 openapi.yaml
