#!/usr/bin/env bash
# REDbot on every GET of the contract and on the operators' pages; its tools are a venv of their own.
set -euo pipefail
cd "$(dirname "$0")/.."
source scripts/tools.sh
tools_ready scripts/redbot.txt .tools/redbot
swift build --product tandem
.tools/redbot/bin/python scripts/examine_gets.py
