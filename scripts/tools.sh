# shellcheck shell=bash
# The Python tools of the checks, each pinned, in .tools/venv; made when first asked for.
# Source it from the root of the repository, then call `tools_ready` and run "$TOOLS/NAME".
# `tools_ready PINS FOLDER` makes another set, in another folder.

TOOLS=.tools/venv/bin

tools_ready() {
    local pins=${1:-scripts/tools.txt} folder=${2:-.tools/venv}
    if cmp -s "$pins" "$folder/installed.txt"; then return; fi
    if ! python3 -c 'import ensurepip, venv' 2>/dev/null; then
        echo "checks: expected python3 with its venv module to be installed." >&2
        if [[ $EUID -eq 0 ]] && command -v apt-get >/dev/null; then
            apt-get update -q && apt-get install -qy --no-install-recommends python3-venv
        elif command -v sudo >/dev/null && command -v apt-get >/dev/null; then
            sudo apt-get update -q && sudo apt-get install -qy --no-install-recommends python3-venv
        else
            echo "checks: install python3-venv." >&2
            return 1
        fi
    fi
    rm -rf "$folder"
    python3 -m venv "$folder"
    "$folder/bin/pip" install --quiet --disable-pip-version-check --requirement "$pins"
    cp "$pins" "$folder/installed.txt"
}
