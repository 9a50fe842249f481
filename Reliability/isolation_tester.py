"""PostgreSQL's own isolation tester: sessions interleaved with the SQL of tandem's branches.

Each file in `isolation/` describes sessions, steps and the orders in which the steps run; beside it is
what the tester must print. It comes with PostgreSQL's server packages for extensions.
"""

import difflib
import os
import subprocess
import tempfile
from pathlib import Path

from stack import processes
from stack.cluster import Cluster, programs
from stack.stack import conninfo

FOLDER = Path(__file__).resolve().parent / "isolation"
SECONDS_MAX = 300


class Missing(Exception):
    """There is no isolation tester."""


def tester():
    """The program, of the same version as the server."""
    folder = subprocess.run([programs() / "pg_config", "--pkglibdir"], check=True,
                            capture_output=True, text=True).stdout.strip()
    program = Path(folder) / "pgxs/src/test/isolation/isolationtester"
    if not program.exists():
        raise Missing(f"there is no {program}: install Debian's postgresql package of that version")
    return program


def run(only=None, accept=False):
    """Returns what differs from what is expected; with `accept`, that becomes what was printed."""
    program, faults = tester(), []
    folder = Path(tempfile.mkdtemp(prefix="tandem-isolation-"))
    folder.chmod(0o755)
    cluster = Cluster("isolated", folder)
    try:
        cluster.create()
        cluster.start()
        for file in sorted(FOLDER.glob("*.spec")):
            if not only or file.stem in only:
                faults += play(program, cluster, file, accept)
    finally:
        cluster.stop()
        subprocess.run(["rm", "-rf", str(folder)], check=False)
    return faults


def play(program, cluster, file, accept):
    """Runs the permutations of one file."""
    said = subprocess.run(
        [*processes.DYING, str(program), conninfo(cluster.port)], input=file.read_text(), text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=SECONDS_MAX, check=False,
        env=os.environ | {"LC_ALL": "C"})
    expected = file.with_suffix(".out")
    if accept:
        expected.write_text(said.stdout)
    right = expected.read_text() if expected.exists() else ""
    with cluster.session() as session:
        # What a file that failed has left does not fail the next one.
        left = [gid for (gid,) in session.query("SELECT gid FROM pg_prepared_xacts")]
        for gid in left:
            session.query(f"ROLLBACK PREPARED '{gid}'")
        session.query("DROP SCHEMA public CASCADE")
        session.query("CREATE SCHEMA public")
    differences = list(difflib.unified_diff(
        right.splitlines(), said.stdout.splitlines(), expected.name, "now", lineterm="", n=2))
    faults = [f"{file.stem}: {gid} is left" for gid in left]
    if said.returncode:
        faults.append(f"{file.stem}: the tester exits with {said.returncode}")
    if differences:
        faults.append("\n".join([f"{file.stem} differs from {expected.name}:", *differences]))
    print(f"{file.stem}: {said.stdout.count('starting permutation')} permutations, "
          f"{'as expected' if not faults else 'NOT as expected'}", flush=True)
    return faults
