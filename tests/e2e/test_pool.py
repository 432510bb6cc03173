#!/usr/bin/env python3
"""dspm pool: made, described and checked, of both kinds; refused with one clear line where it is no pool, another's,
another version's, damaged or in use. Nothing is ever overwritten."""
import fcntl
import json
import os
import shutil
import stat
import tempfile

from cluster import DSPM, check, main, run

MIB = 1 << 20


def pool(*words):
    return run([DSPM, "pool", *words], 60)


def make(path, *more, cluster="c1", node="1"):
    return pool("create", path, "--size", "128M", "--cluster", cluster, "--node", node, *more)


def refused(result, what, *words):
    lines = [line for line in result.errors.splitlines() if line.strip()]
    good = (not result.timed_out and result.code == 1 and len(lines) == 1
            and all(word in lines[0] for word in words))
    return check(good, f"{what}: {lines[0][:150] if lines else 'nothing said'}", result)


def made(place, kind):
    path = os.path.join(place, "pool-" + kind)
    result = make(path, "--kind", kind, "--json")
    if not check(result.ok, f"{kind}: is made", result):
        return path
    said = json.loads(result.output)
    check(said["cluster"] == "c1" and said["node"] == 1 and said["frames"] > 10000, "says whose it is", said)
    files = [path, path + ".log"] if kind == "file" else [path]
    for file in files:
        about = os.stat(file)
        check(stat.S_IMODE(about.st_mode) == 0o600, f"{kind}: only its owner may read it", oct(about.st_mode))
    check(os.path.exists(path + ".log") == (kind == "file"), f"{kind}: a log beside it, or none")
    if kind == "file":
        check(os.stat(path).st_blocks * 512 < 16 * MIB, "the pool is sparse", os.stat(path).st_blocks)
    info = pool("info", path, "--json")
    check(info.ok and json.loads(info.output) == said, "info says the same", info)
    checked = pool("check", path, "--json")
    check(checked.ok and json.loads(checked.output)["pools"][0]["frames_used"] == 0, "check finds it sound", checked)
    refused(make(path, "--kind", kind), "made twice", path)
    return path


def wrong(place, path):
    junk = os.path.join(place, "junk")
    with open(junk, "wb") as f:
        f.write(b"x" * 20000)
    refused(pool("info", junk), "no pool", junk, "not a pool")
    refused(pool("check", junk), "no pool", junk, "not a pool")
    refused(pool("info", os.path.join(place, "nowhere")), "no file", "nowhere")
    refused(make(junk), "a file that has something in it", junk)
    with open(junk, "rb") as f:
        check(f.read() == b"x" * 20000, "and it is as it was")
    refused(pool("create", os.path.join(place, "small"), "--size", "1M", "--cluster", "c1", "--node", "1"),
            "too small", "128 MiB")
    check(not os.path.exists(os.path.join(place, "small")), "nothing is left of it")
    other = os.path.join(place, "other")
    check(make(other, cluster="c2").ok, "a pool of another cluster")
    refused(pool("check", path, other), "of two clusters", "c1", "c2")
    with open(path, "rb") as f:
        fcntl.flock(f, fcntl.LOCK_EX | fcntl.LOCK_NB)
        refused(pool("check", path), "in use", path)


def damaged(place, path):
    copy = os.path.join(place, "copy")
    for end in ("", ".log"):
        shutil.copy(path + end, copy + end)
    check(pool("check", path, copy).ok, "a copy is equal")
    with open(copy, "r+b") as f:
        f.seek(16)
        f.write(b"\xff")
    check(pool("check", copy).ok, "one damaged superblock of two is no harm")
    with open(copy + ".log", "r+b") as f:
        f.seek(8192 + 80)
        f.write(b"\xff")
    refused(pool("check", copy), "a damaged log", copy, "damaged")
    with open(copy, "r+b") as f:
        f.seek(4096 + 16)
        f.write(b"\xff")
    refused(pool("info", copy), "both superblocks", copy, "superblocks are damaged")


def test():
    with tempfile.TemporaryDirectory(prefix="dspm-e2e-", dir="/tmp") as place:
        made(place, "memory")
        path = made(place, "file")
        damaged(place, path)
        wrong(place, path)


if __name__ == "__main__":
    raise SystemExit(main(test))
