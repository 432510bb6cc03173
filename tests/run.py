#!/usr/bin/env python3
"""Builds and runs every test; called by tests/run, which installs what is missing first."""
import argparse
import os
import sys
import time

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "harness"))
from report import Report  # noqa: E402
import steps  # noqa: E402


def main():
    parser = argparse.ArgumentParser(prog="tests/run", description=__doc__)
    mode = parser.add_mutually_exclusive_group()
    mode.add_argument("--quick", action="store_true", help="under five minutes once built")
    mode.add_argument("--long", action="store_true", help="thousands of seeds, hours")
    parser.add_argument("--only", metavar="STEP[,STEP]", help="some steps only")
    parser.add_argument("--list", action="store_true", help="name the steps and stop")
    parser.add_argument("--seed", type=int, default=None,
                        help="first of the fresh simulation seeds (default: from the time)")
    options = parser.parse_args()
    if options.list:
        for name, when, _ in steps.STEPS:
            print(f"{name:12} {when}")
        return 0
    chosen = options.only.split(",") if options.only else None
    known = [name for name, _, _ in steps.STEPS]
    for name in chosen or []:
        if name not in known:
            parser.error(f"no step {name}; there are {', '.join(known)}")

    kind = "long" if options.long else "quick" if options.quick else "full"
    fresh = options.seed if options.seed is not None else int(time.time()) % 10**9 * 1000
    report = Report(kind)
    for name, when, run in steps.STEPS:
        if chosen is not None:
            if name not in chosen:
                continue
        elif kind not in when.split():
            continue
        report.step(name)
        try:
            run(report, steps.Options(kind=kind, fresh_seed=fresh))
        except Exception as error:  # a broken step is a failed check, not the end of the run
            report.check(False, f"{name}: {type(error).__name__}: {error}")
    return report.end()


if __name__ == "__main__":
    sys.exit(main())
