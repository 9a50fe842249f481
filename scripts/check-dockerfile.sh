#!/usr/bin/env bash
# hadolint's view of the Dockerfile, every rule on; and what the package names is copied into the image.
set -euo pipefail
cd "$(dirname "$0")/.."
source scripts/tools.sh
tools_ready
"$TOOLS/hadolint" --failure-threshold style Dockerfile

# No image is built here, and a folder that is missing in it would be noticed only there.
missing=0
while IFS= read -r path; do
    top=${path%%/*}
    if ! grep -qE "^COPY $top(/[^ ]*)? " Dockerfile || ! grep -qE "^!$top(/.*)?$" .dockerignore; then
        echo "check-dockerfile: Package.swift names $path, which the image's sources lack" >&2
        missing=1
    fi
done < <(printf '%s\n' Sources Tests; sed -nE 's/.*path: "([^"]+)".*/\1/p' Package.swift)
exit "$missing"
