#!/usr/bin/env bash
# openapi.yaml is a valid OpenAPI 3.1 document, and its examples follow its schemas.
set -euo pipefail
cd "$(dirname "$0")/.."
source scripts/tools.sh
tools_ready
timeout 300 "$TOOLS/openapi-spec-validator" --schema 3.1 openapi.yaml
timeout 300 "$TOOLS/python" scripts/contract_examples.py
