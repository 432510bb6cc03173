#!/usr/bin/env python3
"""dspm dev: kill, stop, cont, start, --all, status, down and up again, which keeps the names."""
import json
import os
import signal
import time

from cluster import DSPM, check, cluster, main, run


def in_background(path):
    """stat in a process of its own: on a stopped node's mount it does not come back."""
    return run(["stat", "-c", "%s %Y", path], 2)


def shapes(c):
    states = c.states()
    check(sorted(states) == [1, 2, 3], "status --json has nodes 1 to 3", states)
    for node, state in states.items():
        check(state["state"] == "serving" and state["mount"] == c.mount(node)
              and os.path.exists(f"/proc/{state['pid']}"), f"node {node} serves", state)
        for name in ("log", "dspmd.toml", "status.sock", "pid"):
            check(os.path.exists(f"{c.dir}/n{node}/{name}"), f"n{node}/{name} is there")
    check(os.path.exists(c.dir + "/store.db"), "store.db is there")
    people = c.dev("status")
    check(people.ok and people.output.count("serving") == 3, "status for people", people)
    again = c.dev("up")
    check(again.ok and c.states() == states, "up where all is up changes nothing", again)
    wrong = c.dev("up", "--nodes", "2")
    check(wrong.code == 1 and wrong.errors.count("\n") == 1, "up with another number: refused", wrong)


def stop_and_cont(c):
    check(c.dev("stop", "2").ok, "stop 2")
    start = time.monotonic()
    state = c.states()[2]
    check(state["state"] == "stopped", "node 2 is stopped", state)
    check(time.monotonic() - start < 5, "status does not hang on it")
    whole = run([DSPM, "status", "--json", "--dir", c.dir], 20)
    check(whole.ok and "error" in json.loads(whole.output)["nodes"][1],
          "dspm status says that it does not answer", whole)
    check(c.dev("cont", "2").ok, "cont 2")
    check(in_background(c.mount(2)).ok, "its mount answers again")
    check(c.states()[2]["state"] == "serving", "node 2 serves")
    check(c.dev("stop", "2", "--all").ok and c.states()[2]["state"] == "stopped", "stop 2 --all")
    check(c.dev("cont", "2", "--all").ok and c.states()[2]["state"] == "serving", "cont 2 --all")


def kill_and_start(c, *flags):
    before = c.states()[3]["pid"]
    check(c.dev("kill", "3", *flags).ok, f"kill 3 {' '.join(flags)}")
    check(not os.path.exists(f"/proc/{before}/exe"), "its process is gone")
    state = c.states()[3]
    check(state["state"] == "down" and state["pid"] is None, "node 3 is down", state)
    check(not in_background(c.mount(3)).ok, "its mount gives an error")
    check(c.dev("kill", "3").ok, "kill of a dead node is no error")
    check(not c.dev("stop", "3").ok, "stop of a dead node is one")
    check(in_background(c.mount(1)).ok, "node 1 goes on")
    started = c.dev("start", "3")
    check(started.ok, "start 3", started)
    check(in_background(c.mount(3)).ok, "its mount answers")
    check(c.states()[3]["pid"] not in (None, before), "in a new process")
    check(c.dev("start", "3").ok, "start of a serving node is no error")
    with open("/proc/self/mountinfo", encoding="utf-8") as mounts:
        points = [line.split()[4] for line in mounts]
    check(points.count(c.mount(3)) == 1, "one mount there, the dead one cleared away")


def foreign_pid(c):
    """A pid file that names somebody else's process is not believed."""
    check(c.dev("kill", "2").ok, "kill 2")
    bystander = os.fork()
    if bystander == 0:
        time.sleep(60)
        os._exit(0)
    with open(f"{c.dir}/n2/pid", "w", encoding="ascii") as pid:
        pid.write(f"{bystander}\n")
    check(c.states()[2]["state"] == "down", "a foreign pid is no daemon")
    check(c.dev("kill", "2").ok, "kill 2 again")
    check(os.waitpid(bystander, os.WNOHANG) == (0, 0), "the bystander lives")
    os.kill(bystander, signal.SIGKILL)
    os.waitpid(bystander, 0)
    check(c.dev("start", "2").ok, "start 2")


def names_stay(c):
    """Names outlive the cluster, bytes do not yet."""
    os.mkdir(c.mount(1) + "/kept")
    with open(c.mount(2) + "/kept/file", "w", encoding="ascii") as f:
        f.write("text")
    os.chmod(c.mount(3) + "/kept/file", 0o604)
    down = c.down()
    check(down.ok, "down", down)
    check(all(s["state"] == "down" for s in c.states().values()), "all nodes are down")
    check(os.path.isdir(c.dir + "/n1"), "D stays")
    up = c.dev("up")
    check(up.ok, "up again", up)
    for node in (1, 2, 3):
        check(os.listdir(c.mount(node)) == ["kept"], f"node {node} has the directory")
        mode = os.stat(c.mount(node) + "/kept/file").st_mode & 0o777
        check(mode == 0o604, f"node {node} has the file and its mode", oct(mode))


def object_and_status(c):
    with open(c.mount(1) + "/object", "wb") as f:
        f.write(b"x" * 5000)
    found = run([DSPM, "object", c.mount(1) + "/object", "--json"], 10)
    good = found.ok and json.loads(found.output)["size"] == 5000
    check(good, "dspm object --json knows its size", found)
    check(run([DSPM, "object", c.mount(1) + "/object"], 10).ok, "dspm object for people")
    check(run([DSPM, "object", c.dir], 10).code == 1, "dspm object outside of a mount: an error")
    missing = run([DSPM, "object", c.mount(1) + "/absent"], 10)
    check(missing.code == 1, "dspm object of nothing: an error", missing)
    for node in (1, 2, 3):
        status = c.status(node)
        check(status["node"] == node and "locks" in status, f"dspm status of node {node}", status)


def busy_down(c):
    """A program that uses a mount does not keep the cluster from going down."""
    descriptor = os.open(c.mount(1), os.O_RDONLY)
    down = c.down()
    os.close(descriptor)
    check(down.ok, "down while a mount is in use", down)
    up = c.dev("up")
    check(up.ok, "up after it", up)


def test():
    with cluster() as c:
        shapes(c)
        object_and_status(c)
        stop_and_cont(c)
        kill_and_start(c)
        kill_and_start(c, "--all")
        foreign_pid(c)
        busy_down(c)
        os.unlink(c.mount(2) + "/object")
        names_stay(c)
        c.dev("stop", "1")
        down = c.down()
        check(down.ok, "down with a stopped node", down)
        check(c.dev("up").ok, "up after it")
        c.dev("kill", "2")


if __name__ == "__main__":
    raise SystemExit(main(test))
