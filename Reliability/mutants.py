"""Planted bugs: each is a patch that makes a named test fail.

The patches are applied to a copy of the sources, built there, and reverted. The copy stays in
`.build/mutants`, so that only its first build is long. If this process may mount, the build sees
the copy at the path of the original, whose build products it reuses.
"""

import os
import shlex
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from stack.stack import ROOT

TREE = ROOT / ".build/mutants/tree"
PATCHES = ROOT / "Reliability/mutants"
TEST_SECONDS_MAX = 900
# The exit statuses of a failed test; any other is a failure of another kind.
FOUND_BY_SWIFT, FOUND_BY_PROOF = 1, 3


@dataclass
class Mutant:
    """A patch and its head."""

    name: str
    bug: str
    test: str
    patch: str

    @classmethod
    def read(cls, file):
        head, patch = file.read_text().split("\n\n", 1)
        lines = dict(line.split(": ", 1) for line in head.splitlines())
        return cls(file.stem, lines["Bug"], lines["Caught by"], patch)


def mutants(only=None):
    found = [Mutant.read(file) for file in sorted(PATCHES.glob("*.patch"))]
    return [mutant for mutant in found if not only or mutant.name in only]


def run(only=None, output=None):
    """Prints a table; returns the mutants that were not caught."""
    shell = prepare()
    escaped, sound = [], {}
    print("| planted bug | caught by | verdict | seconds |\n|---|---|---|---|", flush=True)
    for mutant in mutants(only):
        began = time.monotonic()
        if mutant.test not in sound:
            # A test that fails without the bug catches nothing.
            sound[mutant.test] = build_and_test(mutant, shell, output) == "passes"
        verdict = (play(mutant, shell, output) if sound[mutant.test]
                   else "fails without the bug, too")
        print(f"| {mutant.bug} | `{mutant.test}` | {verdict} "
              f"| {time.monotonic() - began:.0f} |", flush=True)
        if verdict != "caught":
            escaped.append(f"{mutant.name}: {verdict}")
    return escaped


def prepare():
    """Updates the copy; returns the prefix of commands that run in it."""
    TREE.mkdir(parents=True, exist_ok=True)
    if not (TREE / ".build").exists() and may_mount():
        shutil.copytree(ROOT / ".build", TREE / ".build", symlinks=True,
                        ignore=shutil.ignore_patterns("mutants", "index-build"))
    listed = subprocess.run(["git", "ls-files", "-z", "--cached", "--others",
                             "--exclude-standard"], cwd=ROOT, check=True, capture_output=True)
    wanted = {name for name in listed.stdout.decode().split("\0") if name}
    for name in wanted:
        update(ROOT / name, TREE / name)
    for folder in ("Sources", "Tests"):
        for file in (TREE / folder).rglob("*"):
            if file.is_file() and str(file.relative_to(TREE)) not in wanted:
                file.unlink()
    if not may_mount():
        return ["bash", "-c", 'cd "$0" && exec "$@"', str(TREE)]
    return ["unshare", "--mount", "bash", "-c",
            'mount --bind "$0" "$1" && cd "$1" && shift && exec "$@"', str(TREE), str(ROOT)]


def update(source, target):
    """Copies a file if it differs; an unchanged file keeps its time and is not compiled again."""
    if not source.exists():
        return
    if target.exists() and target.read_bytes() == source.read_bytes():
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy2(source, target)
    # A time later than any build of the copy.
    os.utime(target)


def may_mount():
    return subprocess.run(["unshare", "--mount", "true"], capture_output=True,
                          check=False).returncode == 0


def play(mutant, shell, output):
    if not patch(mutant, []):
        return "the patch does not apply"
    try:
        said = build_and_test(mutant, shell, output)
        return {"passes": "NOT CAUGHT", "fails": "caught"}.get(said, said)
    finally:
        if not patch(mutant, ["--reverse"]):
            sys.exit(f"{mutant.name} cannot be reverted: remove {TREE}")


def build_and_test(mutant, shell, output):
    built = subprocess.run([*shell, "swift", "build", *what(mutant)], stdout=output,
                           stderr=output, check=False)
    if built.returncode != 0:
        return "does not build"
    words = shlex.split(mutant.test)
    failure = FOUND_BY_SWIFT if words[0] == "swift" else FOUND_BY_PROOF
    if words[0] == "swift":
        words.insert(2, "--skip-build")
    test = subprocess.run([*shell, *words], stdout=output, stderr=output, check=False,
                          timeout=TEST_SECONDS_MAX)
    return {0: "passes", failure: "fails"}.get(test.returncode, f"exits {test.returncode}")


def what(mutant):
    return ["--build-tests"] if mutant.test.startswith("swift") else ["--product", "tandem"]


def patch(mutant, options):
    return subprocess.run(["patch", "--strip=1", "--silent", "--no-backup-if-mismatch", *options],
                          input=mutant.patch, text=True, cwd=TREE, check=False).returncode == 0
