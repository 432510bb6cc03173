#!/usr/bin/env python3
"""The demonstration: a real tree copied through node 1 is the same on nodes 2 and 3; one file mapped on
all three, bytes of the same pages stored everywhere, msync, verified on the others."""
import os

from cluster import ROOT, check, cluster, main, pick, run


def test():
    source = "/usr/include/linux"
    if not os.path.isdir(source):
        source = os.path.join(ROOT, "tests")
    with cluster() as c:
        result = run(["cp", "-r", source, c.mount(1) + "/tree"], 120)
        check(result.ok, f"cp -r {source} through node 1 ({result.seconds:.1f} s)", result)
        for node in (2, 3):
            result = run(["diff", "-r", source, c.mount(node) + "/tree"], 120)
            check(result.ok, f"diff -r on node {node} ({result.seconds:.1f} s)", result)
        c.app("merge", "--seconds", pick(2, 5, 60), limit=300)
        result = run(["rm", "-r", c.mount(2) + "/tree"], 120)
        check(result.ok, "rm -r through node 2", result)
        check(not os.path.exists(c.mount(3) + "/tree"), "gone on node 3")


if __name__ == "__main__":
    raise SystemExit(main(test))
