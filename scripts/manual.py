#!/usr/bin/env python3
"""Writes the manual page and the reference of the commands from what the program says of itself.

    scripts/manual.py man PROGRAM        prints docs/tandem.1
    scripts/manual.py reference PROGRAM  prints the reference in docs/COMMAND-LINE.md
    scripts/manual.py write PROGRAM      writes both

A test compares both with the program, so they cannot differ from its --help.
"""

import json
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs/tandem.1"
ARTICLE = ROOT / "docs/COMMAND-LINE.md"
MARK = "<!-- The rest of this file is written by scripts/manual.py. -->\n"


# What every command that asks a replica says, and takes: it stands once, and not with each.
STATUSES = "Exit status: 0: done"
SHARED = {"url", "profile", "request-timeout"}


def commands(command, path=()):
    """The command and all below it, each with its whole name, without `help`."""
    path = (*path, command["commandName"])
    yield " ".join(path), command
    for child in command.get("subcommands", []):
        if child["commandName"] != "help" and child.get("shouldDisplay", True):
            yield from commands(child, path)


def arguments(command, shared=False):
    """What the command takes, without --help and --version; the shared options, or the others."""
    for argument in command.get("arguments", []):
        names = {name["name"] for name in argument.get("names", [])}
        if argument.get("shouldDisplay", True) and not {"help", "version"} & names:
            if bool(SHARED & names) == shared:
                yield argument


def discussion(command):
    """The paragraphs about the command, without the exit statuses that all have."""
    parts = [" ".join(part.split()) for part in (command.get("discussion") or "").split("\n\n")]
    return [part for part in (part.partition(STATUSES)[0].strip() for part in parts) if part]


def statuses(root):
    """The paragraph about the exit statuses, as `run` has it."""
    run = next(command for name, command in commands(root) if name == "tandem run")
    text = " ".join(run["discussion"].split())
    return text[text.index(STATUSES):]


def shared(root):
    """The options of every command that asks a replica, as `run` has them."""
    run = next(command for name, command in commands(root) if name == "tandem run")
    return list(arguments(run, shared=True))


def spelling(argument):
    value = argument.get("valueName", "value")
    if argument["kind"] == "positional":
        text = f"<{value}>"
    else:
        name = argument["preferredName"]
        text = ("--" if name["kind"] == "long" else "-") + name["name"]
        if argument["kind"] == "option":
            text += f" <{value}>"
    return text + (" ..." if argument["isRepeating"] else "")


def meaning(argument):
    parts = [argument.get("abstract", ""), argument.get("discussion", "")]
    if argument.get("allValues"):
        parts.append("One of " + ", ".join(argument["allValues"]) + ".")
    if argument.get("defaultValue"):
        parts.append(f"Default: {argument['defaultValue']}.")
    return " ".join(" ".join(part.split()) for part in parts if part)


def roff(text):
    """Text that roff takes as it is."""
    text = text.replace("\\", "\\e").replace("-", "\\-").replace('"', "\\(dq")
    return "\\&" + text if text[:1] in ".'" else text


def man(root):
    lines = [
        '.\\" Written by scripts/manual.py from the program\'s own help.',
        f'.TH TANDEM 1 "" "tandem {root["version"]}" "tandem"',
        ".SH NAME",
        "tandem \\- " + roff(root["abstract"].rstrip(".")),
        ".SH SYNOPSIS",
        ".B tandem",
        ".I command",
        "[options]",
        ".SH DESCRIPTION",
    ]
    for part in discussion(root):
        lines += [roff(part), ".PP"]
    lines += [".SH EXIT STATUS", "Of the commands that ask a replica:", ".PP"]
    lines += [roff(statuses(root).removeprefix("Exit status: "))]
    lines += [".SH OPTIONS", "Of every command that asks a replica:"]
    for argument in shared(root):
        lines += [".TP", f".B {roff(spelling(argument))}", roff(meaning(argument))]
    lines.append(".SH COMMANDS")
    for name, command in list(commands(root))[1:]:
        lines += [f".SS {roff(name)}", roff(command["abstract"])]
        for part in discussion(command):
            lines += [".PP", roff(part)]
        for argument in arguments(command):
            lines += [".TP", f".B {roff(spelling(argument))}", roff(meaning(argument))]
    lines += [
        ".SH ENVIRONMENT",
        ".TP", ".B TANDEM_URL", "The replica that commands ask.",
        ".TP", ".B TANDEM_TOKEN", "The bearer token for it.",
        ".TP", ".B NO_COLOR", "If it is set, nothing is coloured.",
        ".SH FILES",
        ".TP", ".I ~/.config/tandem/profiles.yaml", "Addresses and tokens for \\-\\-profile.",
    ]
    return "\n".join(lines) + "\n"


def reference(root):
    lines = ["## Reference", "", "Options of every command that asks a replica:", ""]
    lines += table(shared(root)) + [""]
    for name, command in list(commands(root))[1:]:
        lines += [f"### {name}", "", command["abstract"]]
        for part in discussion(command):
            lines += ["", part]
        found = list(arguments(command))
        if found:
            lines += [""] + table(found)
        lines.append("")
    return "\n".join(lines)


def table(arguments):
    rows = [f"| `{spelling(each)}` | {meaning(each)} |" for each in arguments]
    return ["| argument | meaning |", "|---|---|"] + rows


def main():
    if len(sys.argv) != 3 or sys.argv[1] not in ("man", "reference", "write"):
        sys.exit(__doc__)
    what, program = sys.argv[1:]

    def run(word):
        return subprocess.run([program, word], check=True, capture_output=True, text=True).stdout

    root = json.loads(run("--experimental-dump-help"))["command"]
    root["version"] = run("--version").strip()
    if what == "man":
        print(man(root), end="")
    elif what == "reference":
        print(reference(root), end="")
    else:
        PAGE.write_text(man(root))
        head, mark, _ = ARTICLE.read_text().partition(MARK)
        if not mark:
            sys.exit(f"{ARTICLE} lacks the line {MARK}")
        ARTICLE.write_text(head + MARK + "\n" + reference(root))


main()
