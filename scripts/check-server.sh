#!/usr/bin/env bash
# schemathesis against a live server over throwaway databases: every operation of openapi.yaml,
# good and bad requests, every check on. The seed is fixed, so that a failure comes again.
#
#   scripts/check-server.sh [schemathesis options, such as --include-path /v1/transactions]
set -euo pipefail
cd "$(dirname "$0")/.."
source scripts/tools.sh
tools_ready
swift build --product tandem

folder=$(mktemp -d)
server=
cleanup() {
    if [[ -n $server ]]; then
        kill -TERM "$server" 2>/dev/null || true
        wait "$server" 2>/dev/null || true
    fi
    rm -rf "$folder"
}
trap cleanup EXIT
trap 'exit 130' INT TERM

# A caller who may do everything: without the token, requests are refused.
token=tandem-check-server
cat >"$folder/access.yaml" <<END
principals:
  - name: checker
    scopes: ["transactions:run", operate]
    participants: ["*"]
    tokens:
      - { sha256: $(printf %s "$token" | sha256sum | cut -d" " -f1), expires: 2999-01-01T00:00:00Z }
END

# The server says one line when it is ready; a closed pipe means that it never will be.
mkfifo "$folder/ready"
TANDEM_TOKEN=$token TANDEM_ACCESS_FILE="$folder/access.yaml" .build/debug/tandem dev --port 0 --json >"$folder/ready" &
server=$!
exec 3<"$folder/ready"
if ! IFS= read -r -t 120 line <&3; then
    echo "check-server: the server did not become ready" >&2
    exit 1
fi
url=$(python3 -c 'import json, sys; print(json.loads(sys.argv[1])["url"])' "$line")

"$TOOLS/st" --config-file scripts/schemathesis.toml run openapi.yaml --url "$url" \
    --header "Authorization: Bearer $token" "$@"
curl --fail --silent --show-error --output /dev/null "$url/readyz"
