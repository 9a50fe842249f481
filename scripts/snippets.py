#!/usr/bin/env python3
"""The Swift snippets of the README, the library's articles and its comments, as one file.

Each becomes the body of a function of its own, whose parameters are what snippets take for
granted; a snippet may declare any of these anew. The compiler names the document's own lines.
"""

import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LIBRARY = ROOT / "Sources" / "TwoPhaseCommit"
TESTING = ROOT / "Sources" / "TwoPhaseCommitTesting"

PREAMBLE = """\
import Foundation
import Logging
import ServiceLifecycle
import TwoPhaseCommit
import TwoPhaseCommitTesting

struct SoldOut: Error {}
struct Line: Sendable { let article: String, count: Int }
struct Server: Service { func run() async throws {} }

"""

PARAMETERS = """\
    _ users: Database, _ orders: Database, _ usersDatabase: Database,
    _ state: LogLocation.StateDatabase, _ coordinator: Coordinator,
    _ configuration: inout Coordinator.Configuration, _ tx: Transaction,
    _ user: Participant<Int>, _ stock: Participant<Int>, _ server: Server, _ logger: Logger,
    _ id: UUID, _ userID: UUID, _ orderID: UUID, _ name: String, _ amount: Decimal,
    _ article: String, _ lines: [Line]
"""


def documents():
    yield ROOT / "README.md"
    yield from sorted((ROOT / "docs").glob("*.md"))
    yield from sorted(LIBRARY.rglob("*.md"))
    yield from sorted(LIBRARY.rglob("*.swift"))
    yield from sorted(TESTING.rglob("*.swift"))


def snippets(document):
    """The snippets of a document, each as (number of its first line, lines)."""
    lines = document.read_text().splitlines()
    if document.suffix == ".swift":
        # Only what is in documentation comments; elsewhere there are no fences.
        lines = [re.sub(r"^\s*/// ?", "", line) for line in lines]
    found = None
    for number, line in enumerate(lines, 1):
        if line.strip() == "```swift":
            found = (number + 1, [])
        elif line.strip() == "```" and found:
            yield found
            found = None
        elif found:
            found[1].append(line)


def main():
    print(PREAMBLE)
    count = 0
    for document in documents():
        for number, lines in snippets(document):
            count += 1
            print(f"func snippet{count}(\n{PARAMETERS}) async throws {{")
            print(f'#sourceLocation(file: "{document.relative_to(ROOT)}", line: {number})')
            # What a manifest has, or an import, has no place in a function.
            print("\n".join("" if line.startswith("import ") else line for line in lines))
            print("#sourceLocation()\n}\n")
    if not count:
        sys.exit("no snippets were found")
    print(f"{count} snippets", file=sys.stderr)


if __name__ == "__main__":
    main()
