#!/usr/bin/env python3
"""The public interface of the Swift library, as its compiled modules have it.

`list` prints it, a declaration a line; docs/public-api.txt is kept equal to that. `undocumented`
names public declarations without a documentation comment. `compare OLD NEW` says what a program
that was written against OLD would miss in NEW; status 1 if there is anything. `graphs FOLDER`
writes the symbol graphs, for DocC. `flags` prints what a compiler has to be told to import the
module.
"""

import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
MODULE = "TwoPhaseCommit"
# The other product, for the tests of programs; it has no articles of its own.
TESTING = "TwoPhaseCommitTesting"


def run(*command):
    return subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout


def module_maps():
    """What the compiler has to be told of the C modules that lie below, and never show."""
    for name in ("libpq", "libmicrohttpd"):
        for flag in run("pkg-config", "--cflags-only-I", name).split():
            yield from ("-Xcc", flag)
    for folder in sorted((ROOT / "Sources").glob("C*/module.modulemap")):
        yield from ("-Xcc", f"-fmodule-map-file={folder}")
    build = Path(run("swift", "build", "--show-bin-path").strip())
    for found in sorted(build.glob("*.build/module.modulemap")):
        yield from ("-Xcc", f"-fmodule-map-file={found}")


def extract(folder, module=MODULE):
    """Writes the symbol graphs of a module as it was built last."""
    build = Path(run("swift", "build", "--show-bin-path").strip())
    target = json.loads(run("swift", "-print-target-info"))["target"]["triple"]
    subprocess.run(
        ["swift-symbolgraph-extract", "-module-name", module, "-target", target,
         "-I", str(build / "Modules"), "-minimum-access-level", "public",
         "-skip-synthesized-members", "-emit-extension-block-symbols",
         "-output-dir", folder, *module_maps()],
        cwd=ROOT, check=True)


def symbols():
    with tempfile.TemporaryDirectory() as folder:
        extract(folder)
        extract(folder, TESTING)
        for file in sorted(Path(folder).glob(f"{MODULE}*.symbols.json")):
            yield from json.loads(file.read_text())["symbols"]


def own(symbol):
    """Whether somebody wrote the declaration: what the compiler derives has no place in a file."""
    return "location" in symbol and symbol["kind"]["identifier"] != "swift.extension"


def declaration(symbol):
    text = "".join(part["spelling"] for part in symbol["declarationFragments"])
    # Isolation and unstable attributes apart, a declaration is one line.
    text = re.sub(r"\s+", " ", text).strip()
    return f"{'.'.join(symbol['pathComponents'])}: {text}"


def listing():
    return sorted({declaration(symbol) for symbol in symbols() if own(symbol)})


def main():
    match sys.argv[1:]:
        case ["list"]:
            print("\n".join(listing()))
        case ["undocumented"]:
            found = [symbol for symbol in symbols() if own(symbol)]
            bare = sorted(declaration(one) for one in found if not one.get("docComment"))
            print("\n".join(bare), end="\n" if bare else "")
            print(f"{len(found) - len(bare)} of {len(found)} documented", file=sys.stderr)
            sys.exit(1 if bare or not found else 0)
        case ["graphs", folder]:
            extract(folder)
        case ["flags"]:
            build = Path(run("swift", "build", "--show-bin-path").strip())
            print(" ".join(["-I", str(build / "Modules"), *module_maps()]))
        case ["compare", old, new]:
            before, now = (set(Path(name).read_text().splitlines()) for name in (old, new))
            for line in sorted(before - now):
                print(f"- {line}")
            for line in sorted(now - before):
                print(f"+ {line}")
            sys.exit(1 if before - now else 0)
        case _:
            sys.exit(__doc__)


if __name__ == "__main__":
    main()
