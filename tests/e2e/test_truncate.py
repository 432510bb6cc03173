#!/usr/bin/env python3
"""Truncation up and down and growth by write() against mappings on other nodes, at random times: no
stale byte, no byte from before a cut, no hang. Then everything from all nodes at once."""
from cluster import cluster, main, pick


def test():
    with cluster() as c:
        c.app("truncate", "--rounds", pick(150, 1000, 3000), limit=pick(80, 300, 1200))
        seconds = pick(3, 10, 60)
        c.app("storm", "--seconds", seconds, limit=seconds * 3 + 80)


if __name__ == "__main__":
    raise SystemExit(main(test))
