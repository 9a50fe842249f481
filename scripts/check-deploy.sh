#!/usr/bin/env bash
# The files of deploy/: systemd's view of the unit, HAProxy's of its configuration, and whether the YAML fits
# the schemas of Kubernetes. A tool that this machine cannot have is skipped, with a message.
set -euo pipefail
cd "$(dirname "$0")/.."
source scripts/tools.sh
tools_ready
export PATH=$PATH:/usr/sbin

# systemd's scores are tenths here.
EXPOSURE_MAX=20
KUBERNETES=1.37

skipped() { echo "check-deploy: skipped $1: there is no $2; install Debian's package $3." >&2; }

if command -v systemd-analyze >/dev/null; then
    for unit in deploy/systemd/*.service; do
        systemd-analyze security --offline=true --no-pager --threshold="$EXPOSURE_MAX" "$unit" | tail -n 1
    done
else
    skipped "the sandbox of the systemd unit" systemd-analyze systemd
fi

if command -v haproxy >/dev/null; then
    # Names of hosts are resolved here: give it addresses.
    TANDEM_ONE=127.0.0.1:1 TANDEM_TWO=127.0.0.1:2 haproxy -c -q -f deploy/haproxy/haproxy.cfg
    echo "haproxy.cfg: valid"
else
    skipped "haproxy.cfg" haproxy haproxy
fi

"$TOOLS/yamllint" --strict --config-file deploy/yamllint.yaml \
    deploy/compose deploy/kubernetes deploy/helm/tandem/Chart.yaml deploy/helm/tandem/values.yaml
"$TOOLS/kubernetes-validate" --strict --kubernetes-version "$KUBERNETES" deploy/kubernetes/*.yaml

if command -v helm >/dev/null; then
    helm lint --strict deploy/helm/tandem
    helm template tandem deploy/helm/tandem \
        | "$TOOLS/kubernetes-validate" --strict --kubernetes-version "$KUBERNETES" -
else
    echo "check-deploy: skipped the Helm chart's templates: there is no helm, which Debian does not have." >&2
fi
