"""Counts checks, keeps a log of every command, prints the tail of what failed."""
import os
import re
import resource
import signal
import subprocess
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
LOGS = os.path.join(ROOT, "build", "test-logs")


class Result:
    def __init__(self, code, output, seconds, timed_out, log):
        self.code, self.output, self.seconds = code, output, seconds
        self.timed_out, self.log = timed_out, log

    @property
    def ok(self):
        return self.code == 0 and not self.timed_out

    def why(self, limit):
        if self.timed_out:
            return f"no end after {limit:.0f} s"
        if self.code < 0:
            return f"signal {signal.Signals(-self.code).name}"
        return f"exit {self.code}"


class Report:
    def __init__(self, kind):
        self.kind = kind
        self.passed = 0
        self.failed = 0
        self.failures = []
        self.current = ""
        self.began = time.monotonic()
        self.times = []  # (step, seconds since the start, processor seconds of its children)
        os.makedirs(LOGS, exist_ok=True)

    def step(self, name):
        self.current = name
        self._mark(name)
        print(f"== {name} ({time.monotonic() - self.began:.0f} s)", flush=True)

    def _mark(self, name):
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        self.times.append((name, time.monotonic() - self.began, used.ru_utime + used.ru_stime))

    def check(self, good, what, result=None, limit=0):
        """One check; of a failed one with a result the log's tail is shown."""
        if good:
            self.passed += 1
            return True
        self.failed += 1
        if result is not None:
            what += f": {result.why(limit)}"
        self.failures.append(f"{self.current}: {what}")
        print(f"FAILED {what}", flush=True)
        if result is not None:
            for line in result.output.splitlines()[-25:]:
                print(f"    {line[:300]}")
            print(f"    (all of it: {os.path.relpath(result.log, ROOT)})", flush=True)
        return False

    def note(self, text):
        print(f"   {text}", flush=True)

    def run(self, name, command, limit, env=None, cwd=ROOT, nice=0):
        """Runs a command in a session of its own, so that a timeout ends all of it."""
        log = os.path.join(LOGS, re.sub(r"[^\w.-]+", "_", name) + ".log")
        began = time.monotonic()
        timed_out = False
        with open(log, "wb") as out:
            out.write(("$ " + " ".join(command) + "\n").encode())
            out.flush()
            try:
                process = subprocess.Popen(
                    command, cwd=cwd, env={**os.environ, **(env or {})}, stdout=out,
                    stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, start_new_session=True,
                    preexec_fn=(lambda: os.nice(nice)) if nice else None)
            except OSError as error:
                out.write(f"{error}\n".encode())
                return Result(127, str(error), 0, False, log)
            try:
                code = process.wait(timeout=limit)
            except subprocess.TimeoutExpired:
                timed_out = True
                code = self._end(process)
            except BaseException:  # interrupted: leave nothing behind
                self._end(process)
                raise
        with open(log, "rb") as written:
            output = written.read().decode(errors="replace")
        return Result(code, output, time.monotonic() - began, timed_out, log)

    @staticmethod
    def _end(process):
        """First TERM, so that a test can unmount what it has mounted; then KILL."""
        for sign, wait in ((signal.SIGTERM, 15), (signal.SIGKILL, 15)):
            try:
                os.killpg(process.pid, sign)
            except ProcessLookupError:
                pass
            try:
                return process.wait(timeout=wait)
            except subprocess.TimeoutExpired:
                continue
        return -9  # in uninterruptible sleep; not waited for

    def end(self):
        self._mark("end")
        for (name, since, used), (_, until, used_then) in zip(self.times, self.times[1:]):
            self.note(f"{name:12} {until - since:6.0f} s  {used_then - used:6.0f} processor s")
        print(f"== end ({time.monotonic() - self.began:.0f} s, {self.kind})")
        for failure in self.failures:
            print(f"FAILED {failure}")
        print(f"{self.passed} passed, {self.failed} failed", flush=True)
        return 1 if self.failed or not self.passed else 0
