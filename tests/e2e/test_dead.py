#!/usr/bin/env python3
"""A node that is stopped or dead is not acted upon yet: what waits for it goes on when it comes back
within 30 s, and is answered EIO after that; what needs it not goes on all the while."""
import errno
import mmap
import os
import subprocess
import time

from cluster import SHORT, check, cluster, end_group, main, run

READ = ["dd", "bs=4096", "status=none", "of=/dev/null"]


def start_reading(path):
    return subprocess.Popen([*READ, "if=" + path], stdin=subprocess.DEVNULL,
                            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
                            start_new_session=True)


def outcome(process, limit):
    """(seconds, what it said); None where it hangs."""
    start = time.monotonic()
    try:
        said = process.communicate(timeout=limit)[1]
    except subprocess.TimeoutExpired:
        end_group(process)
        return None
    return time.monotonic() - start, said.strip()


def fill(path, text):
    with open(path, "w", encoding="ascii") as f:
        f.write(text * 5000)


def store_and_sync(path):
    """A mapped store with msync; the errno where it fails, 0 where it does not."""
    descriptor = os.open(path, os.O_RDWR)
    try:
        with mmap.mmap(descriptor, 4096) as mapping:
            mapping[17] = (mapping[17] + 1) % 256
            try:
                mapping.flush()
            except OSError as error:
                return error.errno
    finally:
        os.close(descriptor)
    return 0


def stopped_for_a_while(c):
    """Node 1 is the home; node 3 has the page: an msync on node 2 waits for both."""
    path = "/shared"
    fill(c.mount(1) + path, "x")
    check(run(["cmp", c.mount(1) + path, c.mount(3) + path], 20).ok, "node 3 has it")
    for stopped in (1, 3):
        run(["cat", c.mount(3) + path], 20)  # has it, so that a commit waits for its Invalidated
        c.dev("stop", str(stopped))
        child = os.fork()
        if child == 0:
            os._exit(store_and_sync(c.mount(2) + path))
        time.sleep(3)
        early = os.waitpid(child, os.WNOHANG)[0] != 0
        c.dev("cont", str(stopped))
        end = time.monotonic() + 15
        status = None
        while not early and status is None and time.monotonic() < end:
            done, code = os.waitpid(child, os.WNOHANG)
            status = os.waitstatus_to_exitcode(code) if done else None
            time.sleep(0.01)
        check(not early and status == 0,
              f"an msync on node 2 waits while node {stopped} is stopped, then is done", status)
    check(run(["cmp", c.mount(1) + path, c.mount(3) + path], 20).ok, "all see the same after it")


def dead_home(c):
    """What waits for a dead home is answered EIO after 30 s; the rest goes on."""
    # A directory of its own: while a LOOKUP waits, the kernel lets nobody create in its directory.
    os.mkdir(c.mount(1) + "/dead")
    fill(c.mount(1) + "/dead/of-node-1", "1")
    fill(c.mount(2) + "/of-node-2", "2")
    c.dev("kill", "1")
    waiting = start_reading(c.mount(2) + "/dead/of-node-1")
    time.sleep(0.5)
    start = time.monotonic()
    fill(c.mount(2) + "/new", "n")
    check(run(["cmp", c.mount(2) + "/new", c.mount(3) + "/new"], 20).ok,
          "nodes 2 and 3 go on with files of their own")
    check(run(["cmp", c.mount(2) + "/of-node-2", c.mount(3) + "/of-node-2"], 20).ok, "and old ones")
    check(time.monotonic() - start < 5, "at once", time.monotonic() - start)
    ended = outcome(waiting, 45)
    good = ended is not None and 20 < ended[0] < 40 and os.strerror(errno.EIO) in ended[1]
    check(good, "a read that needs the dead node: EIO after 30 s", ended)


def home_comes_back(c):
    """Its names and its bytes are there, for everybody."""
    waiting = start_reading(c.mount(3) + "/dead/of-node-1")
    time.sleep(1)
    started = c.dev("start", "1")
    check(started.ok, "node 1 comes back", started)
    ended = outcome(waiting, 40)
    check(ended is not None and ended[0] < 20, "who waited goes on", ended)
    for node in (1, 2, 3):
        with open(c.mount(node) + "/dead/of-node-1", encoding="ascii") as f:
            check(f.read() == "1" * 5000, f"node {node} reads what the dead node had")
    fill(c.mount(2) + "/dead/of-node-1", "again")
    for node in (1, 3):
        check(run(["cmp", c.mount(2) + "/dead/of-node-1", c.mount(node) + "/dead/of-node-1"], 20).ok,
              f"written anew on node 2, read on node {node}")


def test():
    # One replica each: what does not need the dead node goes on.
    with cluster(wishes=("--replicas", "1")) as c:
        stopped_for_a_while(c)
        if not SHORT:
            dead_home(c)
            home_comes_back(c)


if __name__ == "__main__":
    raise SystemExit(main(test))
