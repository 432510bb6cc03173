#!/usr/bin/env python3
"""create, rename, chmod, truncate, unlink on one node; stat, open, readdir, read by the next call on
another: no miss."""
from cluster import cluster, main, pick


def test():
    with cluster() as c:
        c.app("names", "--rounds", pick(150, 1000, 1000), limit=pick(80, 300, 300))


if __name__ == "__main__":
    raise SystemExit(main(test))
