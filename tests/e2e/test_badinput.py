#!/usr/bin/env python3
"""Wrong command lines and configurations, bad mount points, a taken port, no /dev/fuse: one clear line and
an exit code. Garbage at a daemon's port and status socket: connection closed, service unharmed."""
import contextlib
import os
import re
import socket
import struct
import tempfile
import time

from cluster import BIN, DSPM, check, cluster, main, pick, run

DSPMD = os.path.join(BIN, "dspmd")


def refused(command, what, *words, code=None):
    """Ends soon, not with 0, with one line on standard error that has all the words."""
    result = run(command, 20)
    lines = [line for line in result.errors.splitlines() if line.strip()]
    good = (not result.timed_out and result.code not in (0, None) and result.code > 0
            and len(lines) == 1 and all(word in lines[0] for word in words)
            and (code is None or result.code == code))
    return check(good, f"{what}: {lines[0][:150] if lines else 'nothing said'}", result)


# A wrong command line, and the word that the message must name.
WRONG_WORDS = (
    ("dspm", "subcommand"), ("dspm nonsense", "'nonsense'"), ("dspm --nonsense", "'--nonsense'"),
    ("dspm -x", "'-x'"), ("dspm --nonsense status", "'--nonsense'"), ("dspm dev", "dspm dev --help"),
    ("dspm dev nonsense", "'nonsense'"), ("dspm dev --nonsense", "'--nonsense'"),
    ("dspm dev kill", "N"), ("dspm dev kill x", "x"), ("dspm dev kill 0", "0"),
    ("dspm dev kill -1", "-1"), ("dspm dev kill 99", "99"), ("dspm dev kill 1 2", "'2'"),
    ("dspm dev kill 1 --nonsense", "'--nonsense'"), ("dspm dev start", "N"),
    ("dspm dev stop --all=maybe 1", "maybe"), ("dspm dev cont --node 3", "'--node'"),
    ("dspm dev up --nodes 0", "0"), ("dspm dev up --nodes 1000", "1000"),
    ("dspm dev up --nodes three", "three"), ("dspm dev up --nodes", "--nodes needs a value"),
    ("dspm dev up --nodes 3 --nodes 4", "--nodes is given more than once"),
    ("dspm dev up extra", "'extra'"), ("dspm dev up --dir", "--dir needs a value"),
    ("dspm dev up --dir=", "--dir"), ("dspm dev down extra", "'extra'"),
    ("dspm dev status --nodes 3", "'--nodes'"), ("dspm dev status --json=maybe", "maybe"),
    ("dspm object", "PATH"), ("dspm object a b", "'b'"), ("dspm object a --socket", "--socket"),
    ("dspm object --nonsense a", "'--nonsense'"), ("dspm status extra", "'extra'"),
    ("dspm status --dir a --socket b", "--socket"), ("dspm status --socket=", "--socket"),
    ("dspmd", "--config"), ("dspmd --nonsense", "'--nonsense'"), ("dspmd -x", "'-x'"),
    ("dspmd nonsense", "'nonsense'"), ("dspmd --config", "--config needs a value"),
    ("dspmd --config=", "--config"), ("dspmd --config a b", "'b'"),
    ("dspmd --config a --config b", "--config is given more than once"),
    ("dspmd --config a --nonsense=3", "'--nonsense=3'"),
)


def command_lines():
    for line, named in WRONG_WORDS:
        program, *words = line.split()
        refused([os.path.join(BIN, program), *words], line, named, "--help", code=2)
    refused([DSPM, "object", ""], "dspm object ''", "PATH", code=2)
    with tempfile.TemporaryDirectory(prefix="dspm-e2e-") as place:
        for words in (["dev", "status"], ["dev", "kill", "1"], ["dev", "down"], ["status"]):
            refused([DSPM, *words, "--dir", place], f"dspm {' '.join(words)} without a cluster",
                    place, code=1)
        with open(place + "/other", "w", encoding="ascii"):
            pass
        refused([DSPM, "dev", "up", "--dir", place], "dspm dev up in a directory with other things",
                "other", code=1)
        refused([DSPM, "dev", "up", "--dir", place + "/other"], "dspm dev up at a file", code=1)
        deep = place + "/" + "x" * 100
        refused([DSPM, "dev", "up", "--dir", deep], "dspm dev up in too deep a directory", "107",
                code=1)
        refused([DSPM, "object", place], "dspm object outside of any mount", place, code=1)
        refused([DSPM, "status", "--socket", place + "/none"], "dspm status without a socket", code=1)
    refused([DSPMD, "--config", "/nonexistent.toml"], "dspmd without its file", "/nonexistent.toml",
            code=1)


GOOD = """[cluster]
id = "c"
[node]
id = 1
mount = "/nonexistent/mnt"
store = "/nonexistent/store.db"
pool = "/nonexistent/pool"
status_socket = "/nonexistent/sock"
[net]
listen_host = "127.0.0.1"
listen_port = 7001
"""
TEXTS = ('""', "7", "1.5", "true", "[]", "{}", "nonsense", "1979-05-27", '"a', '"a\\x"', '"a\\u0000b"')
PATHS = (*TEXTS, '"not/absolute"', '"' + "/x" * 2500 + '"')
NUMBERS = ('""', '"7"', "0", "-1", "70010", "1.5", "0x10", "007", "99999999999999999999", "true", "[7]")
VALUES = {  # of each key: what may not be written there
    "[cluster] id": (*TEXTS, '"' + "x" * 65 + '"', '"a b"'),
    "[node] id": NUMBERS,
    "[node] mount": PATHS,
    "[node] store": PATHS,
    "[node] pool": PATHS,
    "[node] log": PATHS,
    "[node] status_socket": (*PATHS, '"/' + "x" * 107 + '"'),
    "[net] listen_host": (*TEXTS, '"' + "x" * 254 + '"', '"a b"'),
    "[net] listen_port": NUMBERS,
    "[net] spin_us": ("-1", "1000001", '"5"', "0.5", "never"),
    "[fs] read_ahead_kb": ("-1", "1048577", '"128"', "0.5", "none"),
}
CONFIGS = (  # what is replaced, by what, what the message must have
    ("[net]", "[net]\nnonsense = 1", "unknown key [net] nonsense"),
    ("[net]", "[network]", "unknown table [network]"),
    ("[net]", "[[net]]", "[[net]]"),
    ("[net]", "[net", "[net"),
    ("[net]", "nonsense\n[net]", "'nonsense'"),
    ("[net]", "[node]", "[node] is there twice"),
    ("id = 1", "", "[node] id is missing"),
    ("id = 1", "id = ", ":4"),
    ("id = 1", "id = 1\nid = 2", ":5"),
    ("[cluster]", "cluster = 1\n[cluster]", "'cluster'"),
    ("[cluster]", "cluster.id = 1\n[cluster]", "'cluster.id'"),
    (GOOD, "", "empty"),
    (GOOD, "\x7fELF\x01\x02", ""),
)


def with_value(name, value):
    """The good configuration with another value at `[table] key`."""
    table, key = name.split(" ")
    lines = [line for line in GOOD.splitlines()]
    if table not in lines:
        lines.append(table)
    at = lines.index(table) + 1
    while at < len(lines) and not lines[at].startswith(("[", key + " ")):
        at += 1
    known = at < len(lines) and lines[at].startswith(key)
    lines[at:at + known] = [f"{key} = {value}"]
    return "\n".join(lines) + "\n", at + 1


def configurations():
    with tempfile.TemporaryDirectory(prefix="dspm-e2e-") as place:
        path = place + "/bad.toml"
        for old, new, word in CONFIGS:
            with open(path, "w", encoding="ascii") as f:
                f.write(GOOD.replace(old, new))
            refused([DSPMD, "--config", path], f"{new.strip()[-30:]!r}", path, word, code=1)
        for name, values in VALUES.items():
            for value in values:
                text, line = with_value(name, value)
                with open(path, "w", encoding="ascii") as f:
                    f.write(text)
                # What cannot be read as a value at all is named itself.
                named = "'\"a" if value in ('"a', '"a\\x"') else name
                refused([DSPMD, "--config", path], f"{name} = {value[:30]}", f"{path}:{line}: ",
                        named, value[:20], code=1)
        refused([DSPMD, "--config", place], "a directory as configuration", place)


def changed_config(c, node, **changes):
    """A copy of a node's configuration with other values."""
    with open(f"{c.dir}/n{node}/dspmd.toml", encoding="utf-8") as f:
        text = f.read()
    for key, value in changes.items():
        table, _, name = key.rpartition("__")  # cluster__id, node__id: the key is not unique
        before = rf"(\[{table}\]\s+)" if table else "(^)"
        text, count = re.subn(rf"(?m){before}{name} = .*$", lambda m, n=name, v=value:
                              f"{m.group(1)}{n} = {v}", text)
        assert count == 1, key
    path = f"{c.dir}/n{node}/changed.toml"
    with open(path, "w", encoding="utf-8") as f:
        f.write(text)
    return path


def mount_points(c):
    """Node 3 is down meanwhile; each start of it fails in its own way."""
    c.dev("kill", "3")
    fresh = c.dir + "/n3/fresh"
    os.makedirs(fresh)
    with open(c.dir + "/n3/plain", "w", encoding="ascii"):
        pass

    def refuse(what, *words, prefix=(), **changes):
        changes.setdefault("mount", f'"{fresh}"')
        refused([*prefix, DSPMD, "--config", changed_config(c, 3, **changes)], what, *words)
    refuse("mount point missing", "absent", mount=f'"{c.dir}/n3/absent"')
    refuse("mount point is a file", "plain", mount=f'"{c.dir}/n3/plain"')
    refuse("mount point of a living daemon", c.mount(1), mount=f'"{c.mount(1)}"')
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        refuse("port taken", str(port), listen_port=str(port))
    refuse("an address of another machine", "192.0.2.1", listen_host='"192.0.2.1"')
    refuse("another cluster's store", cluster__id='"foreign"')
    refuse("not a member", "77", node__id="77")
    refuse("a store that is no database", store=f'"{c.dir}/n3/log"')
    refuse("a store in no directory", store=f'"{c.dir}/absent/store.db"')
    if run(["unshare", "-m", "true"], 10).ok:
        bare = ["unshare", "-m", "sh", "-c", 'mount -t tmpfs none /dev && exec "$@"', "sh"]
        refuse("/dev/fuse missing", "/dev/fuse", prefix=bare)
    else:
        check(False, "unshare -m works here")
    check(not os.path.ismount(fresh), "nothing was left mounted")
    started = c.dev("start", "3")
    check(started.ok, "node 3 starts with its own configuration", started)
    refused([DSPMD, "--config", changed_config(c, 3, mount=f'"{fresh}"',
                                               listen_port="9999")],
            "a second daemon of node 3", "3")


def port_of(c, node):
    with open(f"{c.dir}/n{node}/dspmd.toml", encoding="utf-8") as f:
        return int(re.search(r"listen_port = (\d+)", f.read()).group(1))


def memory_kb(pid):
    with open(f"/proc/{pid}/status", encoding="ascii") as f:
        return int(re.search(r"VmRSS:\s+(\d+)", f.read()).group(1))


def closed_by_peer(connection, limit=10):
    connection.settimeout(limit)
    with contextlib.suppress(ConnectionError):
        try:
            while connection.recv(65536):
                pass
        except TimeoutError:
            return False
    return True


def garbage(c):
    """Raw bytes at the port of node 1."""
    port = port_of(c, 1)
    pid = c.states()[1]["pid"]
    before = memory_kb(pid)
    sent = {"random bytes": os.urandom(100_000), "zeros": bytes(100_000),
            "ones": b"\xff" * 100_000, "a request of HTTP": b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
            "a huge length": struct.pack("<I", 0xFFFFFFF0) * 64}
    for what, data in sent.items():
        with socket.create_connection(("127.0.0.1", port), 5) as connection:
            with contextlib.suppress(ConnectionError):
                connection.sendall(data)
            check(closed_by_peer(connection), f"{what}: connection closed")
    for _ in range(pick(50, 200, 2000)):
        with socket.create_connection(("127.0.0.1", port), 5) as connection:
            with contextlib.suppress(ConnectionError):
                connection.sendall(os.urandom(64))
    half_open = []
    for _ in range(100):
        with contextlib.suppress(OSError):
            half_open.append(socket.create_connection(("127.0.0.1", port), 5))
    with socket.socket(socket.AF_UNIX) as status:
        status.connect(c.socket(1))
        with contextlib.suppress(ConnectionError):
            status.sendall(os.urandom(100_000))
    serves(c, "with 100 silent connections open")
    check(c.states()[1]["pid"] == pid, "node 1 is the same process")
    grown = memory_kb(pid) - before
    check(grown < 64 << 10, f"its memory grew by {grown} KiB")
    status = c.status(1)
    check(sum(status["connections_ended"].values()) > 0, "they were counted",
          status["connections_ended"])
    say_ended = {key: count for key, count in status["connections_ended"].items() if count}
    print("  ended:", say_ended)
    for connection in half_open:
        connection.close()


def serves(c, when):
    name = f"/after-{time.monotonic_ns()}"
    with open(c.mount(1) + name, "w", encoding="ascii") as f:
        f.write(name)
    for node in (2, 3):
        with open(c.mount(node) + name, encoding="ascii") as f:
            check(f.read() == name, f"node {node} reads what node 1 wrote, {when}")


def test():
    command_lines()
    configurations()
    with cluster() as c:
        mount_points(c)
        garbage(c)
        serves(c, "after all that")


if __name__ == "__main__":
    raise SystemExit(main(test))
