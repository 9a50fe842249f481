"""The coordinator under callgrind, over throwaway servers that run as usual."""

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import callgrind

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from Reliability.stack import processes  # noqa: E402
from Reliability.stack.cluster import Cluster  # noqa: E402
from Reliability.stack.replica import request  # noqa: E402

CLOCK = Path(__file__).resolve().parent / "slow_clock.c"
# Above these sizes libc moves and sets memory by one repeated instruction, of which callgrind would
# count each byte.
NO_REPEATED_INSTRUCTIONS = ":".join(
    f"glibc.cpu.x86_rep_{name}_threshold=1000000000" for name in ("movsb", "stosb"))
READY_SECONDS_MAX = 300
COMMAND_SECONDS_MAX = 120
STOP_SECONDS_MAX = 60
PARTICIPANTS = {
    "users": "CREATE TABLE users (id text PRIMARY KEY, name text)",
    "orders": "CREATE TABLE orders (id text PRIMARY KEY, user_id text, amount numeric)",
}
TOOLS = ("valgrind", "vgdb", "strip", "clang")


def lacking():
    """The programs that this needs and the machine does not have."""
    return [name for name in TOOLS if not shutil.which(name)]


class Instrumented:
    """A context in which it all runs; at its end it stops what it started.

    `folder` is empty, and others may enter it: the servers have a user of their own.
    """

    def __init__(self, tandem, folder, has_journal):
        self._folder = folder
        self._tandem = tandem
        self._has_journal = has_journal
        self._clusters = {name: Cluster(name, folder) for name in ("state", *PARTICIPANTS)}
        self._process = None
        self.port = processes.free_port()

    def __enter__(self):
        try:
            for name, cluster in self._clusters.items():
                cluster.create()
                cluster.start()
                if name in PARTICIPANTS:
                    with cluster.session() as session:
                        session.query(PARTICIPANTS[name])
            self._start()
            self._becomes_ready()
        except BaseException:
            self._stop()
            raise
        return self

    def __exit__(self, *_):
        self._stop()

    def _start(self):
        # Valgrind 3.19 gives up at debugging information of DWARF 5. Names of functions stay.
        program, clock = self._folder / "tandem", self._folder / "slow_clock.so"
        subprocess.run(["strip", "--strip-debug", "-o", program, self._tandem], check=True)
        subprocess.run(["clang", "-shared", "-fPIC", "-O1", "-o", clock, CLOCK], check=True)
        environment = {
            key: value for key, value in os.environ.items() if not key.startswith("TANDEM_")}
        # With a random seed of its hashes the program would take another path in each run.
        environment |= {"LD_PRELOAD": str(clock), "SWIFT_DETERMINISTIC_HASHING": "1",
                        "GLIBC_TUNABLES": NO_REPEATED_INSTRUCTIONS}
        with (self._folder / "coordinator.log").open("wb") as log:
            self._process = subprocess.Popen(
                [*processes.DYING, "valgrind", "--tool=callgrind", "--demangle=no",
                 "--compress-strings=no", "--compress-pos=no",
                 f"--vgdb-prefix={self._folder}/vgdb",
                 f"--callgrind-out-file={self._folder}/profile", str(program),
                 "serve", "--config", str(self._configuration())],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environment,
                start_new_session=True)

    def _configuration(self):
        def conninfo(name):
            port = self._clusters[name].port
            return f'conninfo: "host=127.0.0.1 port={port} user=postgres dbname=postgres"'

        journal = ", journal: true" if self._has_journal else ""
        path = self._folder / "tandem.yaml"
        path.write_text("\n".join([
            f"state: {{ {conninfo('state')}, allowFsyncOff: true, allowPrivilegedRole: true }}",
            f"listen: {{ port: {self.port} }}",
            "participants:",
            *(f"  - {{ name: {name}, {conninfo(name)}, allowPrivilegedRole: true{journal} }}" for name in PARTICIPANTS),
        ]) + "\n")
        return path

    def _becomes_ready(self):
        deadline = time.monotonic() + READY_SECONDS_MAX
        while not self._is_ready():
            if time.monotonic() > deadline:
                raise RuntimeError(f"the coordinator was not ready in {READY_SECONDS_MAX} s")
            time.sleep(0.1)

    def _is_ready(self):
        if self._process.poll() is not None:
            log = (self._folder / "coordinator.log").read_text(errors="replace")
            raise RuntimeError(f"the coordinator ended before it was ready:\n{log[-3000:]}")
        answer = request(self.port, "GET", "/v1/participants", timeout=60)
        states = [one["state"] for one in answer.body.get("participants", [])]
        return len(states) == len(PARTICIPANTS) and "connecting" not in states

    def profile(self):
        """What it has executed since the last profile, or since the start."""
        earlier = set(self._folder.glob("profile.*"))
        subprocess.run(
            ["vgdb", f"--vgdb-prefix={self._folder}/vgdb", f"--pid={self._process.pid}", "dump"],
            check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            timeout=COMMAND_SECONDS_MAX)
        [path] = set(self._folder.glob("profile.*")) - earlier
        return callgrind.read(path, without="slow_clock.so")

    def _stop(self):
        # What it would write at an orderly end is of no use, and takes long.
        if self._process and self._process.poll() is None:
            self._process.kill()
            self._process.wait(STOP_SECONDS_MAX)
        for cluster in self._clusters.values():
            cluster.stop()
