#!/usr/bin/env python3
"""Layering, sizes, bans, formatting, rules' tags. One line a failure, then one line a check.

  tests/tidy/tidy.py           everything but the compilation of headers
  tests/tidy/tidy.py --long    that too
  tests/tidy/tidy.py --only layering,sizes
"""
import argparse
import concurrent.futures
import fnmatch
import os
import re
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import cxx  # noqa: E402

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
CODE = ("fs", "dsm", "commit", "namespace", "utils")
CORE = ("dsm/*", "commit/*", "fs/node*", "fs/outbox*", "fs/persist*", "fs/messages*")
EDGE = ("commit/pool_file*",)  # opens files; nothing of the core sees it

# Who may include whom, and which library may be seen where. The first row that matches a file
# counts. Second column: beginnings of project paths; third: names of LIBRARIES below.
SYSTEM = "posix"
TABLE = [
    ("fs/node*", "fs/node fs/outbox fs/messages dsm/ commit/ utils/base/ utils/pmem/pmem.h", ""),
    ("fs/outbox*", "fs/node fs/outbox fs/messages dsm/ commit/ utils/base/", ""),
    ("fs/messages*", "fs/messages dsm/ commit/ utils/base/", ""),
    ("fs/loop*", "fs/ namespace/ dsm/ commit/ utils/", "posix fuse asio log json"),
    ("fs/status*", "fs/ namespace/ dsm/ commit/ utils/", "posix fuse asio log json"),
    ("fs/daemon*", "fs/ namespace/ dsm/ commit/ utils/", "posix fuse asio log json"),
    ("fs/dspmd*", "fs/ namespace/ dsm/ commit/ utils/", "posix fuse asio log json cli"),
    ("fs/*", "fs/ namespace/ dsm/ commit/ utils/", "posix fuse log json"),
    ("dsm/*", "dsm/ utils/base/", ""),
    ("commit/pool_file*", "commit/ utils/base/ utils/pmem/", ""),
    ("commit/*", "commit/ utils/base/ utils/pmem/pmem.h", ""),
    ("namespace/cluster/sqlite_*", "namespace/ utils/", "posix log json sqlite"),
    ("namespace/tree/sqlite_*", "namespace/ utils/", "posix log json sqlite"),
    ("namespace/*", "namespace/ utils/", "posix log json"),
    ("utils/cli/*", "utils/ namespace/ commit/", "posix log json cli"),
    ("utils/config/command_line.h", "", "cli"),
    ("utils/config/*", "utils/base/ utils/config/", "posix"),
    ("utils/net/tcp_*", "utils/base/ utils/net/", "posix log asio"),
    ("utils/net/verbs_*", "utils/base/ utils/net/", "posix log verbs"),
    ("utils/net/*", "utils/base/ utils/net/", "posix log"),
    ("utils/pmem/libpmem2_*", "utils/base/ utils/pmem/", "posix log pmem"),
    ("utils/pmem/*", "utils/base/ utils/pmem/", "posix log"),
    ("utils/base/*", "utils/base/", "posix log"),
    ("utils/*", "utils/", "posix log"),
    ("tests/unit/*", "fs/ namespace/ dsm/ commit/ utils/ tests/",
     "posix fuse asio log json sqlite cli test"),
    ("tests/*", "fs/ namespace/ dsm/ commit/ utils/ tests/",
     "posix fuse log json sqlite cli aio test"),
]
# Anything in <> with a slash or .h/.hpp that is none of these and not the standard library's.
LIBRARIES = {
    "fuse": r"(fuse3?/|fuse.*\.h$|linux/fuse\.h$)",
    "asio": r"boost/asio",
    "log": r"(spdlog|fmt)/",
    "json": r"nlohmann/",
    "sqlite": r"sqlite3",
    "cli": r"CLI/",
    "verbs": r"(infiniband|rdma)/",
    "pmem": r"libpmem",
    "aio": r"libaio\.h$",
    "test": r"(gtest|gmock)/",
    "posix": r"((sys|linux|netinet|arpa|net|bits|asm)/|[a-z0-9_]+\.h$)",
}
STANDARD_C = r"(immintrin|nmmintrin|x86intrin)\.h$"  # intrinsics: anywhere

# Not in the core: it gets time, chance and bytes as data.
BANS = [
    (r"::now\s*\(", "a clock"),
    (r"\bclock_gettime\b|\bgettimeofday\b|(?<![\w.>:])time\s*\(\s*(nullptr|NULL|0)?\s*\)", "a clock"),
    (r"#\s*include\s*<(thread|mutex|shared_mutex|condition_variable|future|semaphore|latch|barrier"
     r"|atomic|stop_token)>", "a thread or lock"),
    (r"\bstd::(thread|jthread|mutex|this_thread|async)\b", "a thread or lock"),
    (r"#\s*include\s*<random>|\bstd::(mt19937|random_device)\b|\b(s?rand|random|drand48|getrandom)"
     r"\s*\(", "chance"),
    (r"#\s*include\s*<(iostream|fstream|filesystem)>|\bstd::(cout|cerr)\b|\bf?printf\s*\(",
     "input or output"),
    (r"\bgetenv\b", "the environment"),
    (r"\bspdlog\b", "a log"),
    (r'#\s*include\s*"utils/base/(clock|log|metrics)\.h"', "a clock, log or metrics"),
]

HEADER_LINES, SOURCE_LINES, FUNCTION_LINES, COLUMNS = 200, 500, 70, 100


def files():
    """Every C++ file of the project but the models, relative to the root."""
    found = []
    for top in CODE + ("tests",):
        for folder, folders, names in os.walk(os.path.join(ROOT, top)):
            folders[:] = sorted(d for d in folders if d not in ("build", "corpus", "__pycache__"))
            for name in sorted(names):
                path = os.path.relpath(os.path.join(folder, name), ROOT)
                if name.endswith((".h", ".cc")) and not path.startswith("tests/model/"):
                    found.append(path)
    return found


def read(path):
    with open(os.path.join(ROOT, path), encoding="utf-8", errors="replace") as f:
        return f.read()


def row_of(path):
    for row in TABLE:
        if fnmatch.fnmatch(path, row[0]):
            return row
    return None


def layering(paths):
    for path in paths:
        row = row_of(path)
        if row is None:
            yield f"{path}: no row of the table of includes matches"
            continue
        allowed, libraries = row[1].split(), row[2].split()
        for number, line in enumerate(read(path).splitlines(), 1):
            match = re.match(r'\s*#\s*include\s*(?:"([^"]+)"|<([^>]+)>)', line)
            if not match:
                continue
            own, foreign = match.groups()
            if own:
                if os.path.exists(os.path.join(ROOT, own)):
                    if not own.startswith(tuple(allowed)):
                        yield f"{path}:{number}: may not include {own}"
                    elif own.startswith("utils/cli/") and not path.startswith("utils/cli/"):
                        yield f"{path}:{number}: may not include {own}: a program's"
                else:
                    yield f'{path}:{number}: "{own}" is no file of the project, seen from its root'
                continue
            if re.match(STANDARD_C, foreign) or not re.search(r"[/.]|sqlite", foreign):
                continue
            name = next((n for n, r in LIBRARIES.items() if re.match(r, foreign)), None)
            if name is None:
                yield f"{path}:{number}: <{foreign}> is of no library in the table"
            elif name not in libraries:
                yield f"{path}:{number}: may not see <{foreign}> ({name})"


def sizes(paths):
    for path in paths:
        text = read(path)
        lines = text.splitlines()
        limit = HEADER_LINES if path.endswith(".h") else SOURCE_LINES
        if len(lines) > limit:
            yield f"{path}: {len(lines)} lines, at most {limit}"
        for number, line in enumerate(lines, 1):
            if len(line) > COLUMNS:
                yield f"{path}:{number}: {len(line)} columns, at most {COLUMNS}"
        if path.startswith("tests/"):
            continue
        for name, first, last in cxx.functions(text):
            if last - first + 1 > FUNCTION_LINES:
                yield (f"{path}:{first}: {name} has {last - first + 1} lines, "
                       f"at most {FUNCTION_LINES}")


def bans(paths):
    for path in paths:
        if not any(fnmatch.fnmatch(path, pattern) for pattern in CORE) or any(
                fnmatch.fnmatch(path, pattern) for pattern in EDGE):
            continue
        for number, line in enumerate(cxx.strip(read(path), keep_strings=True).splitlines(), 1):
            for pattern, what in BANS:
                if re.search(pattern, line):
                    yield f"{path}:{number}: {what} in the core: {line.strip()}"
                    break


def guards(paths):
    for path in paths:
        if path.endswith(".h") and "#pragma once" not in read(path):
            yield f"{path}: no #pragma once"


def formatting(paths):
    tool = next((t for t in ("clang-format-14", "clang-format") if cxx.which(t)), None)
    if tool is None:
        yield "clang-format is not installed"
        return
    bad = {}
    for i in range(0, len(paths), 100):
        result = subprocess.run([tool, "--dry-run", "-Werror", *paths[i:i + 100]], cwd=ROOT,
                                capture_output=True, text=True, check=False)
        for line in result.stderr.splitlines():
            match = re.match(r"(\S+?):(\d+):\d+: error: code should be clang-formatted", line)
            if match:
                first, count = bad.get(match.group(1), (match.group(2), 0))
                bad[match.group(1)] = (first, count + 1)
        if result.returncode != 0 and not bad:
            yield f"{tool}: {result.stderr.strip().splitlines()[-1:]}"
    for path, (line, count) in bad.items():
        yield f"{path}:{line}: not formatted ({count} places): {tool} -i {path}"


def tags(paths):
    """Every rule of docs/protocol.md is tagged where the code keeps it and where a test shows it."""
    try:
        document = read("docs/protocol.md")
    except FileNotFoundError:
        yield "docs/protocol.md: missing"
        return
    rules = re.findall(r"^\|\s*`?\**([A-Z]{1,2}\d+[a-z]?)\**`?\s*\|", document, re.M)
    if not rules:
        yield "docs/protocol.md: no row `| F7 | …` found"
    seen = {"code": set(), "test": set()}
    for path in paths:
        where = seen["test" if path.startswith("tests/") else "code"]
        for inside in re.findall(r"\[([A-Z]{1,2}\d[^\]\n]*)\]", read(path)):
            where.update(re.findall(r"[A-Z]{1,2}\d+[a-z]?", inside))
        if path.startswith("tests/"):  # the name of a test: F7_WhatItShows, WhatItShows_F7
            for name in re.findall(r"^(?:TYPED_)?TEST\w*\(\w+,\s*(\w+)\)", read(path), re.M):
                where.update(re.findall(r"(?<![A-Za-z0-9])[A-Z]{1,2}\d+[a-z]?(?![A-Za-z0-9])",
                                        name.replace("_", " ")))
    for folder, _, names in os.walk(os.path.join(ROOT, "tests")):  # tests in other languages
        for name in names:
            if name.endswith(".py") or name.startswith("test_"):
                path = os.path.relpath(os.path.join(folder, name), ROOT)
                for inside in re.findall(r"\[([A-Z]{1,2}\d[^\]\n]*)\]", read(path)):
                    if not path.startswith("tests/tidy/"):
                        seen["test"].update(re.findall(r"[A-Z]{1,2}\d+[a-z]?", inside))
    for rule in dict.fromkeys(rules):
        for where, what in (("code", "no code"), ("test", "no test")):
            if rule not in seen[where]:
                yield f"docs/protocol.md: {rule}: {what} bears the tag [{rule}]"


def headers(paths):
    """Each header compiles alone."""
    flags = ["-std=c++20", "-fsyntax-only", "-I", ".", "-x", "c++", "-w"]
    pkg = subprocess.run(["pkg-config", "--cflags", "fuse3", "sqlite3"], capture_output=True,
                         text=True, check=False).stdout.split()

    def compile_one(path):
        source = f'#include "{path}"\n'
        result = subprocess.run(["g++", *flags, *pkg, "-"], cwd=ROOT, input=source,
                                capture_output=True, text=True, check=False)
        if result.returncode != 0:
            first = next((x for x in result.stderr.splitlines() if "error" in x), "?")
            return f"{path}: not self-contained: {first}"
        return None

    with concurrent.futures.ThreadPoolExecutor(max_workers=os.cpu_count() or 1) as pool:
        yield from filter(None, pool.map(compile_one, [p for p in paths if p.endswith(".h")]))


CHECKS = {"layering": layering, "sizes": sizes, "bans": bans, "guards": guards,
          "formatting": formatting, "tags": tags}
LONG_CHECKS = {"headers": headers}


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--long", action="store_true", help="compile every header alone")
    parser.add_argument("--only", help="names of checks, separated by commas")
    options = parser.parse_args()
    every = {**CHECKS, **LONG_CHECKS}
    names = options.only.split(",") if options.only else (every if options.long else CHECKS)
    unknown = [n for n in names if n not in every]
    if unknown:
        parser.error(f"no check {unknown[0]}; there are {', '.join(every)}")
    paths = files()
    failed = 0
    for name in names:
        failures = list(every[name](paths))
        for failure in failures:
            print(f"tidy: {name}: {failure}")
        print(f"[ok] {name}" if not failures else f"[failed] {name}: {len(failures)}")
        failed += bool(failures)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
