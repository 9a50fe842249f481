"""Asks Porcupine for its verdict on the same histories, and on ones that were spoilt.

Porcupine comes from a checkout of https://github.com/anishathalye/porcupine that the caller names,
so that the proof needs neither Go nor a network where nobody asks for a second opinion.
"""

import json
import shutil
import subprocess
import tempfile
from pathlib import Path

from linearizability.checker import first_open, is_linearizable
from linearizability.history import operations
from linearizability.run import planted

PROGRAM = Path(__file__).resolve().parent / "main.go"
MODULE = """module tandem/porcupine

go 1.19

require github.com/anishathalye/porcupine v0.0.0

replace github.com/anishathalye/porcupine => {checkout}
"""


def disagreements(history, checkout):
    """Where Porcupine and the checker of our own differ; empty if they agree."""
    if not shutil.which("go"):
        return ["there is no go: install Debian's golang-go for a verdict of Porcupine's"]
    if not (checkout / "porcupine.go").exists():
        return [f"expected a checkout of Porcupine in {checkout}, found no porcupine.go there"]
    cases = {}
    for key, exchanges in history.by_key().items():
        # Without those open operations that can do nothing new, of which it would try every choice.
        cases[key] = first_open(operations(exchanges))
        for name, wrong in planted(exchanges).items():
            cases[f"{key} with {name}"] = first_open(operations(wrong))
    asked = json.dumps([[{"kind": operation.kind, "call": operation.call,
                          "returned": operation.returned} for operation in case]
                        for case in cases.values()])
    verdicts = json.loads(answer(asked, checkout))
    found = [f"{name}: Porcupine says {verdict}, and the checker {'Ok' if own else 'Illegal'}"
             for (name, case), verdict in zip(cases.items(), verdicts, strict=True)
             if (own := is_linearizable(case)) != (verdict == "Ok")]
    print(f"Porcupine: {len(cases)} histories, {verdicts.count('Ok')} Ok, "
          f"{verdicts.count('Illegal')} Illegal, {verdicts.count('Unknown')} Unknown; "
          f"{len(found)} verdicts differ from those of the checker")
    return found


def answer(asked, checkout):
    """What the program says to the histories; it is built anew each time."""
    with tempfile.TemporaryDirectory(prefix="tandem-porcupine-") as folder:
        shutil.copy(PROGRAM, folder)
        (Path(folder) / "go.mod").write_text(MODULE.format(checkout=checkout.resolve()))
        return subprocess.run(["go", "run", "."], input=asked, text=True, cwd=folder, check=True,
                              stdout=subprocess.PIPE).stdout
