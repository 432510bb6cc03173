"""What the end-to-end tests share: a cluster of their own by `dspm dev`, programs with a bound, checks.

Each test is a program: it prints what it checked and ends with 0 where all was good. By default it
runs for seconds; DSPM_LONG=1 (or DSPM_TEST_MODE=long) runs the figures of the acceptance, --short (or
DSPM_TEST_MODE=quick) the fewest that make sense.
"""
import contextlib
import glob
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BIN = os.environ.get("DSPM_BIN", os.path.join(ROOT, "build/release/bin"))
DSPM = os.path.join(BIN, "dspm")
MODE = os.environ.get("DSPM_TEST_MODE", "full")
LONG = os.environ.get("DSPM_LONG") == "1" or MODE == "long" or "--long" in sys.argv
SHORT = not LONG and (MODE == "quick" or "--short" in sys.argv)

_failures = []


def pick(short, normal, long):
    return short if SHORT else long if LONG else normal


LIMIT = pick(100, 390, 1700)  # seconds; whoever runs the tests allows a little more


def say(text):
    print(text, flush=True)


def check(good, what, detail=""):
    say(("ok    " if good else "WRONG ") + what + (f": {detail}" if detail and not good else ""))
    if not good:
        _failures.append(what)
    return good


class Result:
    def __init__(self, code, output, errors, timed_out, seconds):
        self.code, self.output, self.errors = code, output, errors
        self.timed_out, self.seconds = timed_out, seconds
        self.ok = code == 0 and not timed_out

    def __str__(self):
        how = "HANG" if self.timed_out else f"exit code {self.code}"
        return f"{how} after {self.seconds:.1f} s: {(self.output + self.errors).strip()[-1500:]}"


def run(command, limit, cwd=None, env=None, stdin=None):
    """Runs a program to its end or to the bound; never waits for one that cannot be killed."""
    start = time.monotonic()
    with tempfile.TemporaryFile("w+", errors="replace") as out, \
            tempfile.TemporaryFile("w+", errors="replace") as err:
        process = subprocess.Popen(command, stdout=out, stderr=err, cwd=cwd, env=env,
                                   stdin=stdin or subprocess.DEVNULL, start_new_session=True)
        timed_out = False
        try:
            process.wait(limit)
        except subprocess.TimeoutExpired:
            timed_out = True
            show_stacks(process.pid)
            end_group(process)
        out.seek(0)
        err.seek(0)
        return Result(process.returncode, out.read(), err.read(), timed_out,
                      time.monotonic() - start)


def end_group(process):
    """Ends a process that we started with its group; what hangs in the kernel is left behind."""
    for sig in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, sig)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(2)


def show_stacks(pid, most=8):
    """Where the threads of a process and its children are in the kernel."""
    pids = [pid]
    for path in glob.glob("/proc/[0-9]*/stat"):
        with contextlib.suppress(OSError, IndexError, ValueError):
            with open(path, encoding="ascii", errors="replace") as stat:
                fields = stat.read().rpartition(")")[2].split()
            if int(fields[3]) == pid:
                pids.append(int(path.split("/")[2]))
    shown = 0
    for one in dict.fromkeys(pids):
        for task in sorted(glob.glob(f"/proc/{one}/task/*")):
            if shown >= most:
                return
            with contextlib.suppress(OSError):
                with open(task + "/stack", encoding="ascii", errors="replace") as stack:
                    say(f"  hang: {task} is at\n    " + stack.read().strip().replace("\n", "\n    "))
                shown += 1


class Cluster:
    """A development cluster in a directory of its own."""

    def __init__(self, nodes=3, parent=None, wishes=()):
        self.count = nodes
        self.wishes = wishes
        self.dir = tempfile.mkdtemp(prefix="dspm-e2e-", dir=parent)

    def mount(self, node):
        return os.path.join(self.dir, f"n{node}", "mnt")

    @property
    def mounts(self):
        return [self.mount(node) for node in range(1, self.count + 1)]

    def socket(self, node):
        return os.path.join(self.dir, f"n{node}", "status.sock")

    def dev(self, *arguments, limit=90):
        return run([DSPM, "dev", *arguments, "--dir", self.dir], limit)

    def up(self):
        result = self.dev("up", "--nodes", str(self.count), *self.wishes)
        if not result.ok:
            raise RuntimeError(f"dspm dev up: {result}")
        return result

    def down(self):
        return self.dev("down")

    def states(self):
        """The nodes as `dspm dev status --json` has them, by number."""
        result = self.dev("status", "--json", limit=20)
        if not result.ok:
            raise RuntimeError(f"dspm dev status: {result}")
        return {node["node"]: node for node in json.loads(result.output)["nodes"]}

    def status(self, node):
        result = run([DSPM, "status", "--json", "--socket", self.socket(node)], 20)
        if not result.ok:
            raise RuntimeError(f"dspm status: {result}")
        return json.loads(result.output)

    def app(self, name, *arguments, limit=120, nodes=3):
        """Runs bin/e2e-<name> on the mounts; prints what it says."""
        program = os.path.join(BIN, "e2e-" + name)
        result = run([program, *self.mounts[:nodes], *map(str, arguments)], limit)
        for line in (result.output + result.errors).splitlines():
            say(f"  {name}: {line}")
        return check(result.ok, f"e2e-{name} {' '.join(map(str, arguments))} "
                     f"({result.seconds:.1f} s)", "HANG" if result.timed_out else result.code)

    def logs(self, lines=15):
        for node in range(1, self.count + 1):
            with contextlib.suppress(OSError):
                path = os.path.join(self.dir, f"n{node}", "log")
                with open(path, encoding="utf-8", errors="replace") as log:
                    for line in log.read().splitlines()[-lines:]:
                        say(f"  log of node {node}: {line[:300]}")


@contextlib.contextmanager
def cluster(nodes=3, parent=None, wishes=()):
    """A cluster that is up; taken down and removed whatever happens. `parent`: where its directory
    is made; `wishes`: more words for `dspm dev up`."""
    one = Cluster(nodes, parent, wishes)
    # Should this process hang in the kernel or be killed, its cluster ends all the same.
    guardian = subprocess.Popen(
        ["sh", "-c", 'sleep "$1"; "$2" dev down --dir "$3"; rm -rf --one-file-system "$3"', "guardian",
         str(LIMIT + 15), DSPM, one.dir], start_new_session=True, stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        one.up()
        yield one
    except (RuntimeError, OSError, subprocess.SubprocessError) as error:
        check(False, "the test itself", repr(error))
    finally:
        if _failures:
            one.logs()
        result = one.down()
        if check(result.ok, "dspm dev down", result):
            still = [line for line in open("/proc/self/mounts", encoding="utf-8") if one.dir in line]
            if check(not still, "nothing is mounted any more", still):
                shutil.rmtree(one.dir, ignore_errors=True)
        end_group(guardian)


def main(test):
    """Runs `test`, a function; the process's exit code says how it went."""
    def alarm(_signal, _frame):
        raise RuntimeError("the test takes too long")
    signal.signal(signal.SIGALRM, alarm)
    signal.signal(signal.SIGTERM, alarm)
    signal.alarm(LIMIT)
    if not os.access(DSPM, os.X_OK):
        say(f"{DSPM} is not built")
        return 1
    start = time.monotonic()
    try:
        test()
    except RuntimeError as error:
        check(False, "the test itself", repr(error))
    for what in _failures:
        say(f"WRONG: {what}")
    say(f"{os.path.basename(sys.argv[0])}: {len(_failures)} wrong, "
        f"{time.monotonic() - start:.0f} s")
    return 1 if _failures else 0
