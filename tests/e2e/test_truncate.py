#!/usr/bin/env python3
"""Truncation up and down and growth by write() against mappings on other nodes, at random times: no
stale byte, no byte from before a cut, no hang. Then everything from all nodes at once. Before, a truncation
that fails."""
import contextlib
import ctypes
import mmap
import os
import time

from cluster import check, cluster, main, pick

LIBC = ctypes.CDLL(None, use_errno=True)
TOO_MUCH = 230 << 20  # for one commit
WHOLE = ctypes.c_int64(0), ctypes.c_int64(0)
WRITE_AND_WAIT = 7  # of sync_file_range: writes back, commits nothing


def failed_truncate_holds_up_nobody(c):
    """A SETATTR(size) answered with an error ends what waits for its answer [Z9]."""
    one, two, _ = c.mounts
    fd = os.open(two + "/big", os.O_RDWR | os.O_CREAT)
    os.ftruncate(fd, TOO_MUCH)
    with mmap.mmap(fd, TOO_MUCH) as pages:
        pages[:] = b"x" * TOO_MUCH
        check(LIBC.sync_file_range(fd, *WHOLE, WRITE_AND_WAIT) == 0, "stored on node 2")
        with contextlib.suppress(OSError):
            os.ftruncate(fd, 0)
            check(False, "a truncation with more than one commit holds is an error")
        began = time.monotonic()
        with open(one + "/big", "r+b") as other:
            os.pwrite(other.fileno(), b"y", TOO_MUCH + 5000)
            os.fsync(other.fileno())
        check(time.monotonic() - began < 10, "fsync of a growth on node 1 is not held up")
    with contextlib.suppress(OSError):  # ENOSPC again
        os.close(fd)
    os.remove(one + "/big")


def test():
    with cluster() as c:
        failed_truncate_holds_up_nobody(c)
        c.app("truncate", "--rounds", pick(150, 1000, 3000), limit=pick(80, 300, 1200))
        seconds = pick(3, 10, 60)
        c.app("storm", "--seconds", seconds, limit=seconds * 3 + 80)


if __name__ == "__main__":
    raise SystemExit(main(test))
