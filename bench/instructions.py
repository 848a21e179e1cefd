#!/usr/bin/env python3
"""Instructions of one reservation and its release: bench/instructions.py [PROGRAM].

PROGRAM is the example `instructions` of vectorizer-memory, built with optimisation; without it the
example is built. Instructions are counted by callgrind, else by perf: those of many pairs less
those of few, so that neither start nor warming up counts.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
FEW, MANY = 2_000, 12_000


def build() -> str:
    command = ["cargo", "build", "--release", "-p", "vectorizer-memory", "--example", "instructions"]
    built = subprocess.run(
        [*command, "--message-format=json"], cwd=ROOT, check=True, text=True, stdout=subprocess.PIPE
    )
    messages = map(json.loads, built.stdout.splitlines())
    return [found for message in messages if (found := message.get("executable"))][-1]


def by_callgrind(command: list[str]) -> int:
    with tempfile.TemporaryDirectory() as folder:
        counted = subprocess.run(
            ["valgrind", "--tool=callgrind", f"--callgrind-out-file={folder}/out", *command],
            check=True, text=True, capture_output=True,
        )
    found = re.search(r"Collected : (\d+)", counted.stderr)
    if found is None:
        sys.exit(f"callgrind says no count:\n{counted.stderr}")
    return int(found[1])


def by_perf(command: list[str]) -> int:
    counted = subprocess.run(
        ["perf", "stat", "-x", ",", "-e", "instructions:u", *command],
        check=True, text=True, capture_output=True,
    )
    found = re.search(r"^(\d+),", counted.stderr, re.MULTILINE)
    if found is None:
        sys.exit(f"perf says no count:\n{counted.stderr}")
    return int(found[1])


def main() -> None:
    program = sys.argv[1] if len(sys.argv) > 1 else build()
    if shutil.which("valgrind"):
        tool, count = "callgrind", by_callgrind
    elif shutil.which("perf"):
        tool, count = "perf", by_perf
    else:
        sys.exit("neither valgrind nor perf is installed")
    ways = subprocess.check_output([program], text=True).split()
    for way in ways:
        few, many = (count([program, way, str(pairs)]) for pairs in (FEW, MANY))
        pair = round((many - few) / (MANY - FEW), 1)
        print(json.dumps({"what": way, "instructions_per_pair": pair, "counted_by": tool}))


if __name__ == "__main__":
    main()
