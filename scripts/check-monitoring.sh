#!/usr/bin/env bash
# What Prometheus and Grafana are given: promtool checks the metrics of a real replica, the alert rules
# and their tests, and the queries of the dashboard. Where promtool cannot be had, it fails.
set -euo pipefail
cd "$(dirname "$0")/.."

promtool="$(scripts/promtool.sh)"
"$promtool" check rules monitoring/alerts.yaml
"$promtool" test rules monitoring/alerts.test.yaml

folder="$(mktemp -d)"
replica=
cleanup() {
    if [[ -n "$replica" ]]; then
        kill -TERM "$replica" 2>/dev/null || true
        wait "$replica" 2>/dev/null || true
    fi
    rm -rf "$folder"
}
trap cleanup EXIT
trap 'exit 130' INT TERM

# The dashboard's queries, as rules: promtool parses them.
python3 - "$folder/dashboard.rules.yaml" <<'PYTHON'
import json
import sys

with open("monitoring/dashboard.json") as file:
    panels = json.load(file)["panels"]
queries = [target["expr"] for panel in panels for target in panel.get("targets", [])]
assert len(queries) > 20, "the dashboard has hardly any queries"
with open(sys.argv[1], "w") as file:
    file.write("groups:\n  - name: dashboard\n    rules:\n")
    for number, query in enumerate(queries):
        query = query.replace("$__rate_interval", "1m").replace("$job", "j").replace("$instance", "i")
        file.write(f"      - record: query:{number}\n        expr: {json.dumps(query)}\n")
PYTHON
"$promtool" check rules "$folder/dashboard.rules.yaml"

swift build --product tandem
# The server says one line when it is ready; a closed pipe means that it never will be.
mkfifo "$folder/ready"
.build/debug/tandem dev --port 0 --json >"$folder/ready" &
replica=$!
exec 3<"$folder/ready"
if ! IFS= read -r -t 120 line <&3; then
    echo "check-monitoring: the replica did not become ready" >&2
    exit 1
fi
url=$(python3 -c 'import json, sys; print(json.loads(sys.argv[1])["url"])' "$line")
for number in 1 2; do
    # The second one violates the primary key: an abort has metrics as well.
    curl -sS -o /dev/null -H 'Content-Type: application/json' "$url/v1/transactions" -d '{"branches": [
        {"participant": "users", "statements": [{"sql": "INSERT INTO users VALUES ('"'u'"', '"'$number'"')"}]},
        {"participant": "orders", "statements": [{"sql": "INSERT INTO orders VALUES ('"'o$number'"', '"'u'"', 1)"}]}]}'
done
curl -sSf "$url/metrics" >"$folder/metrics"
grep -q '^tandem_transactions_total{commit_mode="two_phase",outcome="committed"} [1-9]' "$folder/metrics"
"$promtool" check metrics <"$folder/metrics"
echo "promtool: $(grep -c '^# TYPE' "$folder/metrics") metrics, clean"
