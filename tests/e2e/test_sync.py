#!/usr/bin/env python3
"""Large and many msyncs: 16,384 pages that two other nodes have mapped in at most a second, with at
most eight invalidators; 2,000 threads in msync on objects that two nodes hold dirty for each other."""
from cluster import check, cluster, main, pick, say


def test():
    with cluster() as c:
        c.app("bigsync", "--runs", pick(2, 3, 10), limit=150)
        for node in (1, 2, 3):
            threads = c.status(node)["invalidators"]
            check(threads["threads_max"] <= 8, f"at most 8 invalidators on node {node}", threads)
            say(f"  node {node}: {threads}")
        c.app("manysync", "--rounds", pick(1, 3, 20), "--limit-s", pick(60, 90, 300),
              limit=pick(90, 120, 400), nodes=2)
        for node in (1, 2, 3):
            counters = c.status(node)["counters"]
            check(counters["timeouts"] == 0, f"nothing timed out on node {node}", counters)


if __name__ == "__main__":
    raise SystemExit(main(test))
