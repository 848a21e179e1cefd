"""Measures vector indexes side by side: same files, same run, interleaved.

Every peer runs in a process of its own, peer after peer, and the round is
repeated; so a slow minute of the machine falls on all of them. The figures of
all runs are kept in the result file beside their medians and spreads.
"""

from __future__ import annotations

import argparse
import datetime
import fcntl
import json
import os
import platform
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import report
from dataset import METRICS, load
from engines import ENGINES

WORKER = Path(__file__).with_name("worker.py")
OWN = "own"
THREAD_VARIABLES = ("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", required=True, type=Path, help="folder of .npy files")
    parser.add_argument("--out", required=True, type=Path, help="result, .json")
    parser.add_argument("--peers", nargs="*", default=list(ENGINES), choices=list(ENGINES))
    parser.add_argument("--own", action="append", default=[], help="command, see README.md")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--builds", type=int, help="runs that build; later ones load (all)")
    parser.add_argument("--k", type=int, default=10)
    parser.add_argument("--threads", type=int, default=2, help="threads of a build")
    parser.add_argument("--metric", choices=METRICS, help="guessed when left out")
    parser.add_argument("--quiet", type=float, default=0.1, help="most others_cpu of a good run")
    parser.add_argument("--attempts", type=int, default=3, help="at one run, until it is quiet")
    parser.add_argument("--lock", type=Path, help="file to lock while measuring")
    parser.add_argument("--wrap", default="", help="put before each measured command")
    return parser.parse_args()


def main() -> None:
    args = parse()
    data = load(args.data, args.metric)
    result: dict[str, Any] = {
        "started": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "machine": machine(),
        "data": data.describe(),
        "settings": {
            "k": args.k,
            "runs": args.runs,
            "builds": args.builds or args.runs,
            "build_threads": args.threads,
            "quiet": args.quiet,
            "own": args.own,
        },
        "runs": [],
    }
    del data
    with tempfile.TemporaryDirectory(prefix="peers-") as scratch:
        for run in range(args.runs):
            measure_round(args, run, Path(scratch), result)
    print(report.markdown(result["summary"]))


def measure_round(
    args: argparse.Namespace, run: int, scratch: Path, result: dict[str, Any]
) -> None:
    """One run of every peer; the result file is whole after each of them.

    The lock is held for one build at a time, but for a whole round of searches.
    """
    commands = [(peer, peer_command(args, peer, run, scratch)) for peer in args.peers]
    for own in args.own:
        fields = {"data": str(args.data), "k": str(args.k), "run": str(run)}
        commands.append((OWN, [fill(word, fields) for word in shlex.split(own)]))
    builds = run < (args.builds or args.runs)
    with held(None if builds else args.lock):
        for peer, command in commands:
            with held(args.lock if builds else None):
                attempt_until_quiet(args, result, run, peer, command)


@contextmanager
def held(path: Path | None) -> Iterator[None]:
    """Holds the file's exclusive lock, as `flock FILE` does; nothing without a path."""
    if path is None:
        yield
        return
    with path.open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def attempt_until_quiet(
    args: argparse.Namespace, result: dict[str, Any], run: int, peer: str, command: list[str]
) -> None:
    """Repeats a run that other processes disturbed; keeps it too, marked so."""
    for _ in range(args.attempts):
        found = execute(args, peer, command)
        disturbed = any((one.get("others_cpu") or 0.0) > args.quiet for one in found)
        marked = [one | {"disturbed": True} for one in found] if disturbed else found
        keep(args, result, run, marked)
        if not disturbed:
            return


def peer_command(args: argparse.Namespace, peer: str, run: int, scratch: Path) -> list[str]:
    """A run that builds empties its folder; a later one loads what is there."""
    folder = scratch / peer
    folder.mkdir(exist_ok=True)
    command = [sys.executable, str(WORKER), "--peer", peer, "--data", str(args.data)]
    command += ["--k", str(args.k), "--threads", str(args.threads), "--folder", str(folder)]
    command += ["--metric", args.metric] if args.metric else []
    return command + ([] if run < (args.builds or args.runs) else ["--reuse"])


def fill(word: str, fields: dict[str, str]) -> str:
    for name, value in fields.items():
        word = word.replace("{" + name + "}", value)
    return word


def execute(args: argparse.Namespace, peer: str, command: list[str]) -> list[report.Run]:
    """Runs the command; a failure becomes a result with an error and no point."""
    environment = os.environ | dict.fromkeys(THREAD_VARIABLES, "1")
    done = subprocess.run(
        shlex.split(args.wrap) + command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
        check=False,
    )
    found = parse_lines(peer, done.stdout)
    if done.returncode == 0 and found:
        return found
    problem = done.stderr.strip()[-2000:] or "no result line"
    return [{"peer": peer, "points": [], "error": f"exit {done.returncode}: {problem}"}]


def parse_lines(peer: str, text: str) -> list[report.Run]:
    """Result lines are JSON objects with "points"; all other output is passed over."""
    found = []
    for line in text.splitlines():
        try:
            value = json.loads(line)
        except ValueError:
            continue
        if isinstance(value, dict) and isinstance(value.get("points"), list):
            found.append({"peer": peer} | value | {"points": usable(value["points"])})
    return found


def usable(points: list[Any]) -> list[dict[str, Any]]:
    """Points that carry numbers for ef, recall and qps, extra fields kept."""
    return [
        point
        for point in points
        if isinstance(point, dict)
        and all(isinstance(point.get(key), (int, float)) for key in ("ef", "recall", "qps"))
        and point["qps"] > 0
    ]


def keep(
    args: argparse.Namespace, result: dict[str, Any], run: int, found: list[report.Run]
) -> None:
    for one in found:
        result["runs"].append({"run": run} | one)
        note = one.get("error") or f"{len(one['points'])} points"
        note += ", disturbed" if one.get("disturbed") else ""
        print(f"run {run + 1} of {args.runs}: {one['peer']}: {note}", file=sys.stderr)
    result["summary"] = report.summarise(result["runs"])
    args.out.parent.mkdir(parents=True, exist_ok=True)
    args.out.write_text(json.dumps(result, indent=1) + "\n")


def machine() -> dict[str, Any]:
    cpu = Path("/proc/cpuinfo").read_text()
    fields = dict(
        (part.strip() for part in line.split(":", 1))
        for line in cpu.split("\n\n")[0].splitlines()
        if ":" in line
    )
    wide = ("avx2", "fma", "f16c", "avx512f", "avx512_vnni", "avx_vnni", "amx_int8")
    flags = fields.get("flags", "").split()
    return {
        "cpu": fields.get("model name", platform.processor()),
        "cpu_family": f"{fields.get('cpu family')}/{fields.get('model')}",
        "vector_features": [name for name in wide if name in flags],
        "cores": os.cpu_count(),
        "memory_bytes": os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "load": os.getloadavg(),
    }


if __name__ == "__main__":
    main()
