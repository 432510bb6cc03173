#!/usr/bin/env python3
"""Programs that know nothing of it: SQLite with a rollback journal, git clone and fsck; written on one
node, read on the next."""
import os
import sqlite3
import subprocess
import tempfile

from cluster import ROOT, check, cluster, main, pick, run

GIT = ["git", "-c", "safe.directory=*", "-c", "user.name=e2e", "-c", "user.email=e2e@localhost",
       "-c", "protocol.file.allow=always"]


def database(c):
    """Each transaction is made on one node and read on the next."""
    rows = 0
    for turn in range(pick(9, 30, 120)):
        writer, reader = turn % 3 + 1, (turn + 1) % 3 + 1
        with_journal = sqlite3.connect(c.mount(writer) + "/test.db", timeout=20)
        with_journal.execute("pragma journal_mode=delete")
        with_journal.execute("create table if not exists t(id integer primary key, text text)")
        with with_journal:
            for _ in range(20):
                with_journal.execute("insert into t(text) values (?)", ("x" * (turn * 37 % 3000),))
                rows += 1
        if turn % 4 == 3:  # a transaction that is undone leaves nothing
            with_journal.execute("begin")
            with_journal.execute("delete from t")
            with_journal.rollback()
        with_journal.close()
        other = sqlite3.connect(c.mount(reader) + "/test.db", timeout=20)
        seen = other.execute("select count(*) from t").fetchone()[0]
        whole = other.execute("pragma integrity_check").fetchone()[0]
        other.close()
        if not (seen == rows and whole == "ok"):
            check(False, f"SQLite, turn {turn}: node {reader} after node {writer}",
                  f"{seen} rows of {rows}, {whole}")
            return
    check(True, f"SQLite: {rows} rows, written on one node, read on the next")


def make_repository(where):
    """A small repository with some history, so that no network is needed."""
    subprocess.run(GIT + ["init", "-q", where], check=True, timeout=60)
    for step in range(pick(3, 10, 30)):
        for name in range(20):
            with open(f"{where}/file{name}", "a", encoding="ascii") as f:
                f.write(f"step {step} of {name}\n" * (step * 50 + name))
        subprocess.run(GIT + ["-C", where, "add", "-A"], check=True, timeout=60)
        subprocess.run(GIT + ["-C", where, "commit", "-qm", f"step {step}"], check=True, timeout=60)


def clone(c):
    with tempfile.TemporaryDirectory(prefix="dspm-e2e-git-") as place:
        source = place + "/source"
        make_repository(source)
        result = run(GIT + ["clone", "-q", "--no-hardlinks", source, c.mount(1) + "/clone"], 120)
        check(result.ok, f"git clone on node 1 ({result.seconds:.1f} s)", result)
        for node in (1, 2):
            result = run(GIT + ["-C", c.mount(node) + "/clone", "fsck", "--full"], 120)
            check(result.ok, f"git fsck on node {node} ({result.seconds:.1f} s)", result)
        result = run(GIT + ["-C", c.mount(3) + "/clone", "status", "--porcelain"], 120)
        check(result.ok and result.output == "", "git status on node 3 is clean", result)
        result = run(["diff", "-r", "-x", ".git", source, c.mount(2) + "/clone"], 60)
        check(result.ok, "the work tree on node 2 is the source's", result)
        with open(c.mount(2) + "/clone/file1", "a", encoding="ascii") as f:
            f.write("from node 2\n")
        result = run(GIT + ["-C", c.mount(2) + "/clone", "commit", "-qam", "from node 2"], 120)
        check(result.ok, "git commit on node 2", result)
        result = run(GIT + ["-C", c.mount(3) + "/clone", "log", "-1", "--format=%s"], 60)
        check(result.output.strip() == "from node 2", "git log on node 3 has it", result)


def coreutils(c):
    data = os.urandom(3_000_001)
    with open(c.mount(1) + "/random", "wb") as f:
        f.write(data)
    for node in (2, 3):
        with open(c.mount(node) + "/random", "rb") as f:
            check(f.read() == data, f"3,000,001 random bytes read on node {node}")
    archive = c.mount(2) + "/tests.tar"
    result = run(["tar", "-C", ROOT, "-cf", archive, "tests/e2e"], 60)
    check(result.ok, "tar -c on node 2", result)
    result = run(["tar", "-C", ROOT, "-df", c.mount(3) + "/tests.tar"], 60)
    check(result.ok, "tar -d on node 3", result)


def test():
    with cluster() as c:
        coreutils(c)
        database(c)
        clone(c)


if __name__ == "__main__":
    raise SystemExit(main(test))
