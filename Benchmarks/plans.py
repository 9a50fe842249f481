"""What the state database examines for a read: the plans that auto_explain writes to its log."""

import json
import re
import time
from collections import namedtuple
from pathlib import Path

from measurement import query

# Loaded into every session from its beginning; it writes nothing until `explaining` turns it on, which
# these settings, arguments of the server's, would override.
DEV_ARGUMENTS = [
    argument for setting in (
        "session_preload_libraries=auto_explain", "auto_explain.log_analyze=on",
        "auto_explain.log_timing=off", "auto_explain.log_format=json")
    for argument in ("--setting", setting)]
# A plan in the log: its lines are indented.
PLAN = re.compile(r"plan:\n((?:\t.*\n)+)")
SECONDS_MAX = 10

Examined = namedtuple("Examined", "rows scans")


def explaining(stack, is_on):
    """Has the sessions that there are log the plan of each statement, or none."""
    query(stack, "state", f"ALTER SYSTEM SET auto_explain.log_min_duration = {0 if is_on else -1}")
    query(stack, "state", "SELECT pg_reload_conf()")


def examined(stack, read):
    """The most rows of the transactions' table that one statement examined while `read` ran.

    Statements of the replica's own may be among them, so the true figure may be lower.
    """
    before = len(log(stack))
    deadline = time.monotonic() + SECONDS_MAX
    while time.monotonic() < deadline:
        read()
        plans = [json.loads(text) for text in PLAN.findall(log(stack)[before:])]
        found = [scans(plan["Plan"]) for plan in plans]
        if any(found):
            most = max(found, key=lambda scans: sum(rows for _, rows in scans))
            return Examined(sum(rows for _, rows in most), sorted({name for name, _ in most}))
        time.sleep(0.1)
    return Examined(0, ["no statement reads the table"])


def log(stack):
    """The log of the state database, which `tandem dev` keeps beside the data."""
    data = Path(query(stack, "state", "SHOW data_directory")[0][0])
    return (data.parent / "server.log").read_text(errors="replace")


def scans(node):
    """(index or kind of scan, rows examined) of each node of the plan that reads the table."""
    found = [scan for child in node.get("Plans", ()) for scan in scans(child)]
    if node.get("Relation Name") == "transactions" and "Scan" in node["Node Type"]:
        rows = sum(node.get(key, 0) for key in (
            "Actual Rows", "Rows Removed by Filter", "Rows Removed by Index Recheck"))
        name = node.get("Index Name") or index_below(node) or node["Node Type"]
        found.append((name, rows * node.get("Actual Loops", 1)))
    return found


def index_below(node):
    """The indexes of a bitmap scan."""
    names = [child.get("Index Name") or index_below(child) for child in node.get("Plans", ())]
    return " and ".join(name for name in names if name)
