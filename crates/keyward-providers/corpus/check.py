#!/usr/bin/env python3
"""Asks a classifier about every answer of the corpus, and compares.

    python3 check.py [--provider NAME]... [--unknown-is-right] -- COMMAND [ARGUMENT]...

The command gets one JSON object a line on standard input: provider, status, headers, body. For each it writes one
line: the class. Python 3.9 or later, standard library only.

Ends with 0 when every class is right, 1 when not, 2 when the command cannot be asked.
"""

import argparse
import collections
import json
import pathlib
import subprocess
import sys

CONVICTS = {"credential_rejected", "expired"}


def entries(providers):
    for path in sorted(pathlib.Path(__file__).resolve().parent.glob("*.json")):
        if path.name == "schema.json":
            continue
        corpus = json.loads(path.read_text(encoding="utf-8"))
        if corpus["version"] != 1:
            raise SystemExit(f"{path.name}: version {corpus['version']} is not known here")
        if not providers or corpus["provider"] in providers:
            for entry in corpus["entries"]:
                yield corpus["provider"], entry


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--provider", action="append", default=[], help="only this one; may be repeated")
    parser.add_argument("--unknown-is-right", action="store_true", help="`unknown` counts as right, whatever the entry")
    parser.add_argument("command", nargs="+", help="the classifier, after `--`")
    options = parser.parse_args()

    asked = list(entries(set(options.provider)))
    if not asked:
        print("no entry is asked about", file=sys.stderr)
        return 2
    lines = [
        json.dumps({
            "provider": provider,
            "status": entry["status"],
            "headers": entry.get("headers", {}),
            "body": entry["body"],
        })
        for provider, entry in asked
    ]
    try:
        ended = subprocess.run(
            options.command, input="\n".join(lines) + "\n", stdout=subprocess.PIPE, encoding="utf-8", check=False
        )
    except OSError as error:
        print(f"cannot start {options.command[0]}: {error}", file=sys.stderr)
        return 2
    told = ended.stdout.splitlines()
    if ended.returncode != 0 or len(told) != len(asked):
        print(f"the command ended with {ended.returncode}, {len(told)} lines for {len(asked)}", file=sys.stderr)
        return 2

    count = collections.Counter()
    for (provider, entry), said in zip(asked, told):
        said, wanted = said.strip(), entry["class"]
        if said == wanted:
            count["right"] += 1
            continue
        if said == "unknown":
            count["unknown"] += 1
        elif said in CONVICTS and wanted not in CONVICTS:
            count["false convictions"] += 1
        else:
            count["wrong"] += 1
        print(f"{provider}/{entry['id']}: {said}, not {wanted} ({entry['source']})")
    names = ["right", "unknown", "wrong", "false convictions"]
    print(f"{len(asked)} entries: " + ", ".join(f"{count[name]} {name}" for name in names))
    right = count["right"] + (count["unknown"] if options.unknown_is_right else 0)
    return 0 if right == len(asked) else 1


if __name__ == "__main__":
    sys.exit(main())
