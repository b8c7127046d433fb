#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 dpdk-vfio-user contributors
"""Count what a read section must not contain, in the machine code.

    reader_check.py BUILD

Looks at reader_burst() of the lookup benchmark, into which the compiler has
inlined begin, lookup and end, and at every function of the library that it
reaches: atomic read-modify-write instructions, full fences, calls of the
thread library, and jumps that cannot be followed. Prints one row as the
other benchmarks do.
"""

import json
import pathlib
import platform
import re
import subprocess
import sys

START = "reader_burst"
NAME = "reader atomics"
LOOKUPS = ("lookup_any_cpu", "vfio_user_lookup_avx2")

FUNCTION = re.compile(r"^[0-9a-f]+ <([^>]+)>:$")
INSTRUCTION = re.compile(r"^ +[0-9a-f]+:\t(.+)$")
TARGET = re.compile(r"\b(call|j\w+) +[0-9a-f]+ <([^>+]+)(?:\+0x[0-9a-f]+)?>")
BAD = {
    "lock prefix": re.compile(r"^lock\b"),
    "xchg with memory": re.compile(r"^xchg\b.*\("),
    "full fence": re.compile(r"^mfence\b"),
    "thread library": re.compile(r"\b(call|jmp)\b.*<(pthread_|__?pthread)"),
    "indirect jump": re.compile(r"\b(call|jmp) +\*"),
}


def functions(path):
    """Function -> instructions of a program or a library."""
    out = subprocess.run(["objdump", "-d", "--no-show-raw-insn", str(path)], check=True,
                         stdout=subprocess.PIPE, text=True).stdout
    found = {}
    body = []
    for line in out.splitlines():
        head = FUNCTION.match(line)
        instruction = INSTRUCTION.match(line)
        if head:
            body = found.setdefault(head[1], [])
        elif instruction:
            body.append(instruction[1].strip())
    return found


def reached(start, code):
    """The functions that one reaches, itself included, and the names not in code."""
    seen, foreign, todo = [], set(), [start]
    while todo:
        name = todo.pop()
        if name in seen:
            continue
        if name not in code:
            foreign.add(name)
            continue
        seen.append(name)
        for instruction in code[name]:
            jump = TARGET.search(instruction)
            if jump:
                todo.append(jump[2].removesuffix("@plt"))
    return seen, foreign


def offences(names, code):
    """What is bad in these functions, as text."""
    return ["%s in %s: %s" % (what, name, " ".join(instruction.split()))
            for name in names for instruction in code[name]
            for what, pattern in BAD.items() if pattern.search(instruction)]


def check(build, start=START):
    """The row."""
    if platform.machine() != "x86_64":
        return {"name": NAME, "skipped": "knows the instructions of x86_64 only"}
    code = functions(build / "lib" / "librte_vfio_user.so")
    code.update(functions(build / "benchmarks" / "bench_dma_lookup"))
    # a stub that only jumps through the table: its function is in code
    code = {name: body for name, body in code.items() if not name.endswith("@plt")}
    names, foreign = reached(start, code)
    found = offences(names, code)
    if start == START:
        # the lookup is called through a pointer to one of these
        calls = [text for text in found if text.startswith("indirect jump in " + START)]
        lookups = [name for name in LOOKUPS if name in code]
        if len(calls) != 1 or not lookups:
            sys.exit("reader_check.py: %s calls %d functions by pointer" % (start, len(calls)))
        found.remove(calls[0])
        for lookup in lookups:
            more, unknown = reached(lookup, code)
            names += more
            foreign |= unknown
            found += offences(more, code)
    note = "%d instructions of %s" % (sum(len(code[n]) for n in names), ", ".join(names))
    if foreign:
        note += "; calls " + ", ".join(sorted(foreign))
    return {"name": NAME, "unit": "instructions", "value": len(found), "target": "value <= 0",
            "note": "; ".join([note, *found])}


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    print(json.dumps(check(pathlib.Path(sys.argv[1]))))


if __name__ == "__main__":
    main()
