#!/usr/bin/env python3
"""write(), direct and asynchronous writes beside mapped stores on one node, msyncs on the two others,
same pages: nobody's byte lost, nobody's old byte back."""
from cluster import cluster, main, pick


def test():
    seconds = pick(4, 60, 60)
    with cluster() as c:
        c.app("mixed", "--seconds", seconds, limit=seconds * 3 + 70)


if __name__ == "__main__":
    raise SystemExit(main(test))
