"""Plays the scenes on one stack; each leaves it intact for the next."""

import subprocess
from pathlib import Path

from stack.cluster import programs
from stack.stack import Stack
from traps.scene import TABLES, Broken, Scene
from traps.traps import NEEDS_AUTO_EXPLAIN, TRAPS

# Room for a thousand foreign transactions.
LEDGER = {"max_prepared_transactions": "1200"}
# Logs every plan with its execution.
AUTO_EXPLAIN = {"session_preload_libraries": "auto_explain", "auto_explain.log_min_duration": "0",
                "auto_explain.log_analyze": "on"}


def run(binary=None, only=None):
    """Returns the faults, by scene."""
    faults = []
    wanted = [trap for trap in TRAPS if only is None or trap.__name__ in only]
    explains = has_auto_explain()
    if not explains:
        for trap in NEEDS_AUTO_EXPLAIN.intersection(wanted):
            print(f"{trap.__name__}: skipped, these servers have no auto_explain", flush=True)
        wanted = [trap for trap in wanted if trap not in NEEDS_AUTO_EXPLAIN]
    settings = {"ledger": LEDGER, "state": AUTO_EXPLAIN if explains else {}}
    with Stack(binary, TABLES, settings) as stack:
        replica = stack.add_replica("played")
        stack.add_replica("other")
        for trap in wanted:
            scene = Scene(stack, replica, trap.__name__)
            try:
                trap(scene)
                print(f"{trap.__name__}: held", flush=True)
            except (Broken, OSError, RuntimeError, TimeoutError) as error:
                faults.append(f"{trap.__name__}: {error}")
                print(f"{trap.__name__}: BROKEN: {error}", flush=True)
            finally:
                repair(stack)
    return faults


def has_auto_explain():
    """Whether PostgreSQL's own extensions were installed with the server."""
    folder = subprocess.run([programs() / "pg_config", "--pkglibdir"], check=True,
                            capture_output=True, text=True).stdout.strip()
    return (Path(folder) / "auto_explain.so").exists()


def repair(stack):
    for proxies in stack.proxies.values():
        for proxy in proxies.values():
            proxy.heal()
    for replica in stack.replicas.values():
        if replica.is_running:
            replica.thaw()
