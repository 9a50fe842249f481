#!/usr/bin/env bash
# hadolint's view of the Dockerfile, every rule on; and what the package names is copied into the image.
set -euo pipefail
cd "$(dirname "$0")/.."
source scripts/tools.sh
tools_ready
"$TOOLS/hadolint" --failure-threshold style Dockerfile

# CI builds no image, so nothing else would notice a folder that the image lacks.
is_copied() {
    local path=$1
    while [[ $path != . ]]; do
        if grep -qE "^COPY $path " Dockerfile && grep -qE "^!$path$" .dockerignore; then return; fi
        path=$(dirname "$path")
    done
    return 1
}

missing=0
while IFS= read -r path; do
    if ! is_copied "$path"; then
        echo "check-dockerfile: Package.swift names $path, which Dockerfile or .dockerignore leaves out" >&2
        missing=1
    fi
done < <(printf '%s\n' Sources Tests; sed -nE 's/.*path: "([^"]+)".*/\1/p' Package.swift)
exit "$missing"
