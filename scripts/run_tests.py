#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 dpdk-vfio-user contributors
"""Build the tree and run its tests, part by part, two parts at a time.

Every part is run, whatever became of the others, unless it needs a build that
failed. A row is printed when a part ends; then the reasons of skipped tests, the
end of the log of each part that failed, and as the last line the sum:

    N passed, N failed[, N skipped]

A build, the documentation, the demo and the benchmarks (whose speed is not judged)
count as one test each. A part that ends without having counted anything has failed.
The logs are in build/test-logs.
"""

import argparse
import concurrent.futures
import dataclasses
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from xml.etree import ElementTree

ROOT = pathlib.Path(__file__).resolve().parents[1]
LOGS = ROOT / "build" / "test-logs"
TAIL_LINES = 60
LANES = 2  # parts at a time: many tests wait more than they work

COUNTS = re.compile(r"(\d+) passed, (\d+) failed(?:, \d+ skipped)?$")
SKIPPED = re.compile(r"^ \+ (\S+) +skipped$")
PROGRESS = re.compile(r"^[.sxFE]+ +\[ *\d+%\]$")
SANITIZER = re.compile(r"ERROR: \w+Sanitizer|WARNING: \w+Sanitizer|: runtime error: ")

SANITIZED = {
    "ASAN_OPTIONS": "detect_leaks=1:detect_stack_use_after_return=1:strict_string_checks=1:"
                    "check_initialization_order=1:allocator_may_return_null=1",
    "UBSAN_OPTIONS": "halt_on_error=1:print_stacktrace=1",
    "LSAN_OPTIONS": "print_suppressions=0",
}
#: All races of a run are reported; each is a failure, also by the exit status.
THREAD_SANITIZED = {"TSAN_OPTIONS": "halt_on_error=0:exitcode=66:second_deadlock_stack=1"}
LONG = {"WIRE_LONG": "1", "VFIO_USER_VM_REQUIRED": "1", "VFIO_USER_TEST_LONG": "1"}


@dataclasses.dataclass
class Result:
    """What a part counted."""
    passed: int = 0
    failed: int = 0
    reasons: list = dataclasses.field(default_factory=list)  # one for each skipped test
    problem: str = ""  # why it counts as failed besides

    def checked(self, status):
        """The same, with a failure added for what the counts do not show."""
        if not self.problem and status < 0:
            self.problem = "ended by signal %d" % -status
        if not self.problem and status != 0 and self.failed == 0:
            self.problem = "exit status %d" % status
        if not self.problem and self.passed + self.failed + len(self.reasons) == 0:
            self.problem = "no test was run"
        if self.problem:
            self.failed += 1
        return self


class Runner:
    """Runs the commands of one part into its log."""

    groups = set()  # of the processes of all parts
    stopped = False

    def __init__(self, name, timeout, env):
        self.log = LOGS / (name + ".log")
        self.timeout = timeout
        self.env = {**os.environ, **env}
        self.log.write_bytes(b"")

    def __call__(self, *command):
        """Run a command; return its exit status, negative for a signal."""
        if self.stopped:
            return -signal.SIGINT
        with open(self.log, "ab") as log:
            log.write(("+ %s\n" % " ".join(map(str, command))).encode())
            log.flush()
            with subprocess.Popen([str(c) for c in command], cwd=ROOT, env=self.env,
                                  stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                  start_new_session=True) as process:
                self.groups.add(process.pid)
                try:
                    return process.wait(self.timeout)
                except subprocess.TimeoutExpired:
                    log.write(b"run_tests.py: no end within %d s\n" % self.timeout)
                    return -signal.SIGKILL
                finally:
                    self.groups.discard(process.pid)
                    end_group(process.pid)


    @classmethod
    def stop(cls):
        """End all that runs, and run nothing more."""
        cls.stopped = True
        for group in tuple(cls.groups):
            end_group(group)


def end_group(group):
    """End what a command left running: all of it is in its process group."""
    try:
        os.killpg(group, signal.SIGKILL)
    except ProcessLookupError:
        pass


def build(folder, compiler, *options):
    """A part that builds into a folder, with warnings as errors."""
    def run(runner):
        path = ROOT / folder
        runner.env["CC"] = compiler
        setup = ["meson", "setup", "--werror", *options]
        status = 1
        if (path / "build.ninja").exists():
            status = runner(*setup, "--reconfigure", path)
        if status != 0:
            empty(path)
            status = runner(*setup, path)
        if status == 0:
            # -k0: all errors at once
            status = runner("meson", "compile", "-C", path, "-j", os.cpu_count(),
                            "--ninja-args=-k0")
        return Result(passed=int(status == 0)).checked(status)
    return run


def empty(folder):
    """Remove what is in a build folder, but not the logs."""
    for path in folder.glob("*"):
        if path != LOGS:
            shutil.rmtree(path) if path.is_dir() else path.unlink()


def command(*words):
    """A part that is one command, and one test."""
    def run(runner):
        status = runner(*words)
        return Result(passed=int(status == 0)).checked(status)
    return run


def pytest(folder, build_dir, *options):
    """A part of pytest tests."""
    def run(runner):
        junit = runner.log.with_suffix(".xml")
        junit.unlink(missing_ok=True)
        status = runner(sys.executable, "-m", "pytest", "-q", "-rfE", "--tb=short",
                        "-p", "no:cacheprovider", "--junit-xml", junit,
                        ROOT / folder, "--build-dir", ROOT / build_dir, *options)
        return read_junit(junit).checked(status)
    return run


def read_junit(path):
    """Counts of a JUnit file; a missing one counts nothing."""
    result = Result()
    if not path.exists():
        return result
    for case in ElementTree.parse(path).iter("testcase"):
        skip = case.find("skipped")
        if case.find("failure") is not None or case.find("error") is not None:
            result.failed += 1
        elif skip is not None:
            result.reasons.append("%s: %s" % (case.get("name"), skip.get("message")))
        else:
            result.passed += 1
    return result


def unit(build_dir, program="vfio-user-test"):
    """The part of the unit tests: a program that prints its counts."""
    def run(runner):
        status = runner(ROOT / build_dir / "app" / "test" / program)
        return read_unit_log(read_log(runner.log)).checked(status)
    return run


def read_unit_log(lines):
    """Counts of the last line; the reason of a skip stands before its line."""
    result = Result()
    counts = COUNTS.match(lines[-1]) if lines else None
    if counts:
        result.passed, result.failed = int(counts[1]), int(counts[2])
    for before, line in zip(lines, lines[1:]):
        skipped = SKIPPED.match(line)
        if skipped:
            reason = "no reason given"
            if not before.startswith(" + "):
                reason = before.strip().removeprefix("skipped: ")
            result.reasons.append("%s: %s" % (skipped[1], reason))
    if any(map(SANITIZER.search, lines)):
        result.problem = "a sanitizer reported"
    return result


def series(build_dir):
    """The part of the two autotests that meet at a socket, each in a process."""
    def run(runner):
        program = ROOT / build_dir / "app" / "test" / "vfio-user-test"
        halves = [Runner("%s-%s" % (runner.log.stem, name), runner.timeout, {})
                  for name in ("server", "client")]
        with tempfile.TemporaryDirectory() as folder, \
                concurrent.futures.ThreadPoolExecutor() as pool:
            for half in halves:
                half.env = {**runner.env, "VFIO_USER_TEST_SOCKET": folder + "/sock"}
            statuses = list(pool.map(
                lambda half: half(program, "vfio_user_autotest_" + half.log.stem.split("-")[-1]),
                halves))
        result = Result()
        for half, status in zip(halves, statuses):
            part = read_unit_log(read_log(half.log)).checked(status)
            result.passed += part.passed
            result.failed += part.failed
            result.problem = result.problem or part.problem
            runner.log.write_bytes(runner.log.read_bytes() + half.log.read_bytes())
        return result
    return run


@dataclasses.dataclass
class Part:
    """One row of the table."""
    name: str
    run: object
    needs: tuple = ()  # parts that have to end first
    anyway: bool = False  # run it even if what it needs failed
    alone: bool = False  # nothing else may run meanwhile
    timeout: int = 600
    env: dict = dataclasses.field(default_factory=dict)
    result: Result = None


SANITIZERS = ("-Db_sanitize=address,undefined", "-Db_lundef=false", "-Dbuildtype=debugoptimized")
THREAD_SANITIZER = ("-Db_sanitize=thread", *SANITIZERS[1:])

#: They begin in this order, as far as what they need has ended: the longest ones early,
#: so that none is left at the end to run with nothing beside it.
PARTS = (
    Part("build", build("build", "gcc")),
    Part("build-asan", build("build-asan", "gcc", *SANITIZERS)),
    # the first run of these fetches what they need: one of them, while the others wait
    Part("style", pytest("tests/style", "build"), ("build",), anyway=True, timeout=1800),
    # below build/, which a build may have to empty
    Part("docs", command("scripts/build-docs.sh", "build/doc"), ("build",), anyway=True),
    Part("demo", command("scripts/demo.sh", "build"), ("build",), timeout=1800),
    Part("unit", unit("build"), ("build",)),
    Part("pmd", unit("build", "pmd/vfio-user-test-pmd"), ("build",)),
    Part("series", series("build"), ("build",), timeout=120),
    Part("vm", pytest("tests/vm", "build"), ("build",), timeout=1800),
    Part("wire", pytest("tests/wire", "build"), ("build",), timeout=1200),
    Part("tool", pytest("tests/tool", "build"), ("build",), timeout=1200),
    Part("wire-trace", pytest("tests/wire", "build", "--through",
                              ROOT / "build" / "app" / "vfio-user" / "dpdk-vfio-user"),
         ("build",), timeout=1200),
    Part("virtio", pytest("tests/virtio", "build"), ("build",)),
    Part("build-tsan", build("build-tsan", "gcc", *THREAD_SANITIZER)),
    Part("unit-tsan", unit("build-tsan"), ("build-tsan",), timeout=1200, env=THREAD_SANITIZED),
    Part("pmd-tsan", unit("build-tsan", "pmd/vfio-user-test-pmd"), ("build-tsan",), timeout=1200,
         env=THREAD_SANITIZED),
    Part("unit-asan", unit("build-asan"), ("build-asan",), env=SANITIZED),
    Part("pmd-asan", unit("build-asan", "pmd/vfio-user-test-pmd"), ("build-asan",),
         env=SANITIZED),
    Part("series-asan", series("build-asan"), ("build-asan",), timeout=120, env=SANITIZED),
    Part("wire-asan", pytest("tests/wire", "build-asan"), ("build-asan",), timeout=1200,
         env=SANITIZED),
    Part("tool-asan", pytest("tests/tool", "build-asan"), ("build-asan",), timeout=1200,
         env=SANITIZED),
    Part("virtio-asan", pytest("tests/virtio", "build-asan"), ("build-asan",), timeout=1200,
         env=SANITIZED),
    Part("build-clang", build("build-clang", "clang")),
    # what polls takes both cpus: a testpmd, and a guest or another application
    Part("nic", pytest("tests/nic", "build"), ("build",), alone=True, timeout=1800),
    Part("apps", pytest("tests/apps", "build"), ("build",), alone=True, timeout=1800),
    Part("bench-pmd", command("/usr/bin/python3", "benchmarks/pmd.py", "--build", "build", "--quick",
                              "--layout", "packed", "--direction", "loop", "--json",
                              "build/test-logs/bench-pmd.json"), ("build",), alone=True),
    Part("bench", command("benchmarks/run.py", "--build", "build", "--quick", "--json",
                          "build/test-logs/bench.json"), ("build",), alone=True),
)


def run_part(part, ended, env):
    """Run a part, unless it needs one that failed."""
    lacking = [name for name in part.needs if ended[name].failed]
    (LOGS / (part.name + ".log")).unlink(missing_ok=True)
    if lacking and not part.anyway:
        return Result(problem="%s failed" % lacking[0]).checked(0)
    try:
        return part.run(Runner(part.name, part.timeout * (6 if env else 1), {**part.env, **env}))
    except OSError as error:
        return Result(problem=str(error)).checked(0)


def row(name, *columns):
    """Print a line of the table."""
    print("%-12s %8s %8s %8s %8s" % (name, *columns), flush=True)


def report(parts):
    """Print what the table has no room for."""
    for part in parts:
        for reason in part.result.reasons:
            print("skipped: %s: %s" % (part.name, " ".join(reason.split())))
        for line in read_log(LOGS / (part.name + ".log")):
            if line.startswith("note: "):  # meant for the reader of the table
                print("%s: %s" % (part.name, line))
    for part in parts:
        if part.result.failed:
            print("\nFAILED: %s: %s" % (part.name, part.result.problem or
                                        "%d tests" % part.result.failed))
            print_tail(LOGS / (part.name + ".log"))


def read_log(log):
    """The lines of a log; none if its part was not run."""
    if not log.exists():
        return []
    return log.read_text(encoding="utf-8", errors="replace").splitlines()


def print_tail(log):
    """Print the end of a log, indented so that no line looks like ours."""
    lines = [line for line in read_log(log) if not PROGRESS.match(line)]
    if lines:
        print("the end of %s:" % log.relative_to(ROOT))
    for line in lines[-TAIL_LINES:]:
        print("    | " + line)


def options():
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    names = [part.name for part in PARTS]
    parser.add_argument("--long", action="store_true", help="full counts and durations")
    parser.add_argument("parts", nargs="*", metavar="PART",
                        help="run these only, and what they need: " + ", ".join(names))
    args = parser.parse_args()
    unknown = set(args.parts) - set(names)
    if unknown:
        parser.error("no such part: " + ", ".join(sorted(unknown)))
    return args


def selected(names):
    """The parts of these names with what they need, or all."""
    wanted = set(names) | {need for part in PARTS if part.name in names for need in part.needs}
    return [part for part in PARTS if not names or part.name in wanted]


def run_timed(part, ended, env):
    """The same; also the seconds it took."""
    start = time.monotonic()
    return run_part(part, ended, env), time.monotonic() - start


def next_part(waiting, running, ended):
    """The first part that may begin now, or None."""
    for part in waiting:
        if not all(need in ended for need in part.needs):
            continue
        if not running or not (part.alone or any(other.alone for other in running)):
            return part
    return None


def run_all(parts, env):
    """Run the parts, as many at a time as there are lanes."""
    waiting, running, ended = list(parts), {}, {}
    with concurrent.futures.ThreadPoolExecutor(LANES) as lanes:
        try:
            while waiting or running:
                while len(running) < LANES and (
                        part := next_part(waiting, running.values(), ended)):
                    waiting.remove(part)
                    running[lanes.submit(run_timed, part, ended, env)] = part
                for future in concurrent.futures.wait(
                        running, return_when=concurrent.futures.FIRST_COMPLETED).done:
                    part = running.pop(future)
                    ended[part.name], seconds = future.result()
                    part.result = ended[part.name]
                    row(part.name, part.result.passed, part.result.failed,
                        len(part.result.reasons), "%.0f s" % seconds)
        except BaseException:  # Ctrl-C, for one: the lanes are waited for
            Runner.stop()
            raise


def main():
    args = options()
    parts = selected(args.parts)
    LOGS.mkdir(parents=True, exist_ok=True)
    row("part", "passed", "failed", "skipped", "time")
    run_all(parts, LONG if args.long else {})
    report(parts)

    passed, lost, skipped = (sum(p.result.passed for p in parts),
                             sum(p.result.failed for p in parts),
                             sum(len(p.result.reasons) for p in parts))
    tail = ", %d skipped" % skipped if skipped else ""
    print("\n%d passed, %d failed%s" % (passed, lost, tail))
    return lost > 0


if __name__ == "__main__":
    sys.exit(main())
