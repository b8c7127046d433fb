#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 dpdk-vfio-user contributors
"""Run the benchmarks, print their table, and write it as JSON.

Every program is run five times, all of them in turn; a figure is the median
of its five. A figure is compared with its floor or peer, which was measured
in the same run, and with a target. A missed target is shown, it is no
failure: the exit status is 1 only if a program cannot be run.
"""

import argparse
import json
import operator
import os
import pathlib
import platform
import re
import statistics
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[1]
RUNS = 5
TIMEOUT = 120  # seconds, for one program

#: Program -> the rows it prints.
PROGRAMS = {
    "rtt": 5,
    "own_cost": 5,
    "syscalls": 4,
    "irq": 2,
    "stream": 5,
    "dma_map": 7,
    "dma_lookup": 8,
    "reader_check": 1,
    "ring": 7,
    "attach": 2,
    "many": 3,
    "trace": 2,
}

TARGET = re.compile(r"(value|ratio) (<=|>=|<) ([\d.e+]+)$")
COMPARE = {"<=": operator.le, ">=": operator.ge, "<": operator.lt}
SCALES = {"ns": ((1e6, "ms"), (1e3, "us")), "bit/s": ((1e9, "Gbit/s"), (1e6, "Mbit/s")),
          "1/s": ((1e6, "M/s"), (1e3, "k/s")),
          "bytes": ((1024, "KiB"),)}


def command(program, args):
    """The words that run a program once."""
    if program == "reader_check":
        return [sys.executable, ROOT / "benchmarks" / "reader_check.py", args.build]
    words = [args.build / "benchmarks" / ("bench_" + program), "--cpus", args.cpus]
    return words + ["--quick"] * args.quick


def run(program, args):
    """The rows that a program prints, or None if it did not run as it should."""
    words = [str(word) for word in command(program, args)]
    try:
        done = subprocess.run(words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              timeout=TIMEOUT, text=True, check=True)
        rows = [json.loads(line) for line in done.stdout.splitlines()]
    except (OSError, subprocess.SubprocessError, ValueError) as error:
        print("run.py: %s: %s" % (program, error), file=sys.stderr)
        return None
    if len({row["name"] for row in rows}) != PROGRAMS[program]:
        print("run.py: %s printed %d rows instead of %d"
              % (program, len(rows), PROGRAMS[program]), file=sys.stderr)
        return None
    return [{**row, "program": program} for row in rows]


def merge(rows):
    """One row out of those of the same name, of all runs."""
    merged = dict(rows[-1])
    skipped = [row for row in rows if "skipped" in row]
    if skipped:
        return skipped[0]
    for key in ("value", "base", "ratio"):
        if key in merged:
            merged[key] = statistics.median(row[key] for row in rows)
    merged["values"] = [row["value"] for row in rows]
    merged["met"] = met(merged)
    return merged


def met(row):
    """Whether a row meets its target; None without one."""
    if "target" not in row:
        return None
    what, comparison, limit = TARGET.match(row["target"]).groups()
    return COMPARE[comparison](row[what], float(limit))


def measure(args):
    """The merged rows, or None if something could not be run."""
    found = {}
    for number in range(1, args.runs + 1):
        for program in args.programs:
            print("run %d of %d: %s" % (number, args.runs, program), file=sys.stderr)
            rows = run(program, args)
            if rows is None:
                return None
            for row in rows:
                found.setdefault(row["name"], []).append(row)
    return [merge(rows) for rows in found.values()]


def figure(value, unit):
    """A value with its unit, in a size that can be read."""
    for factor, name in SCALES.get(unit, ()):
        if abs(value) >= factor:
            return "%.3g %s" % (value / factor, name)
    return ("%.3g %s" if abs(value) < 1000 else "%.0f %s") % (value, unit)


def cells(row):
    """The columns of a row."""
    if "skipped" in row:
        return [row["name"], "n/a", "", "", "", row["skipped"]]
    base = "base" in row
    return [row["name"], figure(row["value"], row["unit"]),
            figure(row["base"], row["unit"]) if base else "",
            "%.2f" % row["ratio"] if base else "", row.get("target", ""),
            {True: "met", False: "MISSED", None: ""}[row["met"]]]


HEAD = ["what", "figure", "compared with", "ratio", "target", "result"]


def print_table(rows):
    """For people."""
    lines = [HEAD] + [cells(row) for row in rows]
    widths = [max(len(line[i]) for line in lines) for i in range(len(HEAD) - 1)]
    for line in lines:
        print("  ".join([line[0].ljust(widths[0])] +
                        [c.rjust(w) for c, w in zip(line[1:-1], widths[1:])] + [line[-1]]))
    for row in rows:
        if "note" in row:
            print("%s: %s" % (row["name"], row["note"]))


def print_rst(rows):
    """For the guide."""
    print(".. list-table::\n   :header-rows: 1\n")
    for line in [HEAD] + [cells(row) for row in rows]:
        for i, cell in enumerate(line):
            print((("     - " if i else "   * - ") + cell).rstrip())


def cpu_model():
    """What the machine says about its processor."""
    for line in pathlib.Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def options():
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", type=pathlib.Path, default=ROOT / "build",
                        help="a finished build of the tree (default: build)")
    parser.add_argument("--json", type=pathlib.Path, help="default: BUILD/bench.json")
    parser.add_argument("--cpus", metavar="A,B", help="the two cpus to use")
    parser.add_argument("--runs", type=int, help="default: %d" % RUNS)
    parser.add_argument("--quick", action="store_true",
                        help="once, and only as long as it takes to see that all run")
    parser.add_argument("--rst", action="store_true",
                        help="print what the JSON file has as a table for the guide")
    parser.add_argument("programs", nargs="*", metavar="PROGRAM",
                        help="run these only: " + ", ".join(PROGRAMS))
    args = parser.parse_args()
    unknown = set(args.programs) - set(PROGRAMS)
    if unknown:
        parser.error("no such program: " + ", ".join(sorted(unknown)))
    args.programs = args.programs or list(PROGRAMS)
    args.runs = args.runs or (1 if args.quick else RUNS)
    args.json = args.json or args.build / "bench.json"
    if args.cpus is None:
        cpus = sorted(os.sched_getaffinity(0))
        if len(cpus) < 2:
            parser.error("two cpus are needed")
        args.cpus = "%d,%d" % tuple(cpus[:2])
    return args


def main():
    args = options()
    if args.rst:
        print_rst(json.loads(args.json.read_text(encoding="utf-8"))["rows"])
        return 0
    rows = measure(args)
    if rows is None:
        return 1
    args.json.write_text(json.dumps({"cpu": cpu_model(), "kernel": platform.release(),
                                     "runs": args.runs, "quick": args.quick,
                                     "rows": rows}, indent=1) + "\n", encoding="utf-8")
    print_table(rows)
    return 0


if __name__ == "__main__":
    sys.exit(main())
