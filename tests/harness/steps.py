"""The steps of tests/run, in their order: (name, modes that run it, function)."""
import collections
import glob
import os
import re
import shutil
import subprocess
import time

from report import ROOT

Options = collections.namedtuple("Options", "kind fresh_seed")
JOBS = os.environ.get("DSPM_JOBS", str(os.cpu_count() or 2))
UNITS = ("utils", "namespace", "dsm", "commit", "node", "fs")
SANITIZER_ENV = {
    "ASAN_OPTIONS": "detect_leaks=1:detect_stack_use_after_return=1:abort_on_error=0",
    "UBSAN_OPTIONS": "print_stacktrace=1:halt_on_error=1",
    "TSAN_OPTIONS": "halt_on_error=1:second_deadlock_stack=1",
}
# Seconds: how long fresh seeds are tried, and each harness of tests/fuzz runs.
FRESH = {"long": 7200}
FUZZ = {"full": 5, "long": 600}


def bin_dir(preset):
    return os.path.join(ROOT, "build", preset, "bin")


def configure_and_build(report, preset, targets, limit, settings=()):
    result = report.run(f"configure-{preset}", ["cmake", "--preset", preset, *settings], 300)
    if not result.ok:
        return result
    command = ["cmake", "--build", os.path.join("build", preset), "-j", JOBS]
    if targets:
        command += ["--target", *targets]
    return report.run(f"build-{preset}", command + ["--", "-k", "0"], limit)


def build(report, preset, targets=(), limit=2400, unity=False):
    """Configures and builds; one check. With -k 0, so that one bad file hides no other.

    A unity build where two files of a target use one name fails for no fault of theirs: it is
    built again file by file, which only costs time.
    """
    result = configure_and_build(report, preset, targets, limit)
    if unity and not result.ok:
        report.note(f"{preset}: not as unity build ({first_error(result.output)}); file by file")
        result = configure_and_build(report, preset, targets, limit, ["-DCMAKE_UNITY_BUILD=OFF"])
    warnings = len(re.findall(r"warning:", result.output))
    report.note(f"{preset}: built in {result.seconds:.0f} s, {warnings} warnings")
    errors = re.findall(r"^.*(?:error:|undefined reference|undefined symbol).*$", result.output, re.M)
    for line in errors[:15] if not result.ok else ():
        print(f"    {line[:300]}")
    return report.check(result.ok, f"build {preset}", result, limit)


def first_error(text):
    found = re.search(r"^.*error: .*$", text, re.M)
    return found.group(0)[:160] if found else "no error line"


def fixed_addresses():
    """Sanitizers of this age lose their shadow where addresses are too random."""
    probe = ["setarch", "-R", "true"]
    try:
        return ["setarch", "-R"] if subprocess.run(probe, check=False).returncode == 0 else []
    except OSError:
        return []


def gtest(report, name, program, limit, prefix=(), env=None):
    """Each case is a check; a program that dies or hangs is one more that failed."""
    path = os.path.relpath(program, ROOT)
    if not os.path.exists(program):
        report.check(False, f"{name}: {path} was not built")
        return
    result = report.run(name, [*prefix, program, "--gtest_color=no"], limit, env)
    passed = set(re.findall(r"^\[       OK \] (\S+)", result.output, re.M))
    failed = set(re.findall(r"^\[  FAILED  \] (\S+?)(?:,| \()", result.output, re.M)) - passed
    skipped = set(re.findall(r"^\[  SKIPPED \] (\w\S*\.\S+)", result.output, re.M)) - passed
    for _ in passed:
        report.check(True, name)
    for case in sorted(failed):
        report.check(False, f"{name}: {case}")
    for case in sorted(skipped):  # what does not run is missing, not good
        report.check(False, f"{name}: {case} was skipped")
    if not result.ok and (result.timed_out or not failed):
        running = re.findall(r"^\[ RUN      \] (\S+)", result.output, re.M)
        last = f" in {running[-1]}" if running and running[-1] not in passed | failed else ""
        report.check(False, f"{name}{last}", result, limit)
    elif failed:
        show_failures(result.output)
        reports = re.findall(r"^.*(?:ERROR|WARNING): \w+Sanitizer.*$", result.output, re.M)
        if reports:  # beside the cases that failed
            report.check(False, f"{name}: {reports[0].strip()}")
    elif not passed:
        report.check(False, f"{name}: no test in {path}")
    report.note(f"{name}: {len(passed)} of {len(passed | failed | skipped)} "
                f"in {result.seconds:.0f} s")


def show_failures(output, most=40):
    shown = 0
    for block in re.findall(r"^\[ RUN      \] .*?^\[  (?:FAILED |     OK) \].*?$", output,
                            re.M | re.S):
        if "[  FAILED  ]" in block:
            for line in block.splitlines()[:15]:
                if shown < most:
                    print(f"    {line[:300]}")
                shown += 1


# ---- steps
def step_build(report, _options):
    build(report, "release")


def step_unit(report, _options):
    for unit in UNITS:
        gtest(report, f"unit-{unit}", os.path.join(ROOT, "build/release/tests",
                                                   f"dspm_unit_{unit}"), 240)


def step_link(report, _options):
    for library in ("utils", "namespace", "dsm", "commit", "node", "fs"):
        program = os.path.join(ROOT, "build/release/tests", f"link_dspm_{library}")
        result = report.run(f"link-{library}", [program], 10)
        report.check(result.ok, f"dspm_{library} links whole with what it may depend on", result, 10)


def step_tidy(report, options):
    command = ["python3", "tests/tidy/tidy.py"] + (["--long"] if options.kind != "quick" else [])
    result = report.run("tidy", command, 600)
    for line in result.output.splitlines():
        if line.startswith("[ok] "):
            report.check(True, line)
        elif line.startswith("[failed] "):
            report.check(False, f"tidy {line[9:]}")
        elif line.startswith("tidy: "):
            print(f"    {line[:300]}")
    if not re.search(r"^\[(ok|failed)\]", result.output, re.M) or result.timed_out:
        report.check(False, "tidy", result, 600)


def step_models(report, options):
    walks = {"quick": 5000, "full": 20000, "long": 300000}[options.kind]
    for model in ("model", "size", "local", "occ", "mrsw", "restart"):
        program = os.path.join(bin_dir("release"), f"model-{model}")
        command = [program, "--walks", str(walks), "--seed", str(options.fresh_seed)]
        if model == "model":
            command += ["--faults", "6", "--len", "300"]
        result = report.run(f"model-{model}", command, 1800, nice=5)
        report.check(result.ok, f"model {model}, from seed {options.fresh_seed}", result, 1800)


def step_model_mutants(report, _options):
    """Every wrong rule is caught, but for those the models' README calls rare or equivalent."""
    rare = ("dropped-ends-eviction-wait committer-exempt-while-owing drop-list-before-cas "
            "committer-exempt-any-incarnation committer-always-keeps unstaged-in-twin "
            "overlay-without-own-cut answer-names-kernel-size old-data-not-cut "
            "short-read-lowers-always answered-header-owed-again "
            "lower-size-not-pushed-after-setattr own-growth-hides short-read-beside-setattr").split()
    for model in ("model", "size", "local", "occ", "mrsw", "restart"):
        program = os.path.join(bin_dir("release"), f"model-{model}")
        command = [program, "--mutants", "--walks", "60000"]
        if model == "model":
            command += ["--faults", "6", "--len", "300"]
        result = report.run(f"mutants-{model}", command, 7200, nice=5)
        missed = [line for line in result.output.splitlines()
                  if "NOT CAUGHT" in line.upper() and not any(name in line for name in rare)]
        good = not result.timed_out and result.code in (0, 1) and not missed
        report.check(good, f"mutants of model {model}: {'; '.join(missed)[:300]}", result, 7200)


def sim_run(report, name, arguments, limit, preset="release", prefix=(), env=None):
    program = os.path.join(bin_dir(preset), "sim-run")
    return report.run(name, [*prefix, program, *arguments], limit, env, nice=5)


def step_sim(report, options):
    gtest(report, "sim-test", os.path.join(ROOT, "build/release/tests/dspm_sim_test"), 600)
    fixed = {"quick": 200, "full": 1000, "long": 1000}[options.kind]
    result = sim_run(report, "sim-fixed", ["--seeds", f"1-{fixed}"], 1200)
    if not report.check(result.ok, f"sim-run --seeds 1-{fixed}", result, 1200):
        return
    report.note(f"seeds 1-{fixed}: {last_line(result.output)}")
    if options.kind in FRESH:
        fresh_seeds(report, options, fixed / max(result.seconds, 0.1))


def fresh_seeds(report, options, rate):
    """Seeds nobody has run, for a bounded time, in slices of about ten seconds; rate: seeds/s."""
    at_least = 5000 if options.kind == "long" else 1
    first, done, began = options.fresh_seed, 0, time.monotonic()
    while time.monotonic() - began < FRESH[options.kind] or done < at_least:
        count = max(1, min(int(rate * 10), 20000))
        seeds = f"{first}-{first + count - 1}"
        result = sim_run(report, "sim-fresh", ["--seeds", seeds], 600)
        if not result.ok:
            report.check(False, f"sim-run --seeds {seeds}", result, 600)
            return
        first, done = first + count, done + count
        rate = count / max(result.seconds, 0.1)
    report.check(done > 0, "fresh simulation seeds")
    report.note(f"{done} fresh seeds, {options.fresh_seed}-{first - 1}")


def last_line(text):
    return (text.strip().splitlines() or [""])[-1][:200]


def step_planted(report, _options):
    result = sim_run(report, "sim-planted", ["--planted"], 7200)
    report.check(result.ok, "every planted bug is caught (sim-run --planted)", result, 7200)


def e2e_tests():
    return sorted(path for path in glob.glob(os.path.join(ROOT, "tests/e2e/test_*"))
                  if os.path.isfile(path) and os.access(path, os.X_OK))


def step_e2e(report, options):
    limit = {"quick": 120, "full": 420, "long": 1800}[options.kind]
    e2e(report, "e2e", limit, {"DSPM_BIN": bin_dir("release"), "DSPM_TEST_MODE": options.kind})


def e2e(report, step, limit, env, prefix=()):
    tests = e2e_tests()
    if not tests:
        report.check(False, "no executable tests/e2e/test_*")
    if not os.path.exists("/dev/fuse"):
        report.check(False, "/dev/fuse is missing: modprobe fuse, or give the container the device")
    for test in tests:
        name = os.path.basename(test)
        result = report.run(f"{step}-{name}", [*prefix, test], limit, env)
        report.check(result.ok, f"{step} {name}", result, limit)
        report.note(f"{name}: {result.seconds:.0f} s {'ok' if result.ok else 'FAILED'}")


def step_quickstart(report, _options):
    where = os.path.join(ROOT, "build", "quickstart")
    result = report.run("quickstart", ["packaging/quickstart", "--dir", where], 300)
    report.check(result.ok, "packaging/quickstart", result, 300)
    result = report.run("quickstart-down", ["packaging/quickstart", "--down", "--dir", where], 60)
    report.check(result.ok and not os.path.exists(where), "packaging/quickstart --down", result, 60)


def step_clang(report, _options):
    """All that is shipped with -Werror=thread-safety, and the harnesses for the step fuzz."""
    build(report, "clang", unity=True)


def step_asan(report, options):
    if not build(report, "asan", ["sanitizer_tests"], unity=True):
        return
    prefix = fixed_addresses()
    for unit in UNITS:
        gtest(report, f"asan-unit-{unit}",
              os.path.join(ROOT, "build/asan/tests", f"dspm_unit_{unit}"), 600, prefix,
              SANITIZER_ENV)
    gtest(report, "asan-sim-test", os.path.join(ROOT, "build/asan/tests/dspm_sim_test"), 900,
          prefix, SANITIZER_ENV)
    seeds = f"1-{200 if options.kind == 'long' else 40}"
    result = sim_run(report, "asan-sim", ["--seeds", seeds], 900, "asan", prefix, SANITIZER_ENV)
    report.check(result.ok, f"asan sim-run --seeds {seeds}", result, 900)


def step_asan_e2e(report, _options):
    """The short end-to-end tests with daemons and programs of build/asan (made by step asan).

    Nobody sees a daemon's exit code: what its sanitizers say goes to files, and one file fails.
    """
    found = os.path.join(ROOT, "build/asan/found")
    shutil.rmtree(found, ignore_errors=True)
    os.makedirs(found)
    env = {key: f"{value}:log_path={found}/{key[:4]}" for key, value in SANITIZER_ENV.items()}
    env.update(DSPM_BIN=bin_dir("asan"), DSPM_TEST_MODE="quick")
    e2e(report, "asan-e2e", 150, env, fixed_addresses())
    reports = sorted(glob.glob(found + "/*"))
    for path in reports[:3]:
        with open(path, encoding="utf-8", errors="replace") as text:
            for line in text.read().splitlines()[:30]:
                print(f"    {line[:200]}")
    report.check(not reports, f"asan e2e: {len(reports)} reports in build/asan/found")


def step_tsan(report, _options):
    if not build(report, "tsan", ["threaded_tests"], unity=True):
        return
    for unit in ("utils", "namespace", "fs"):  # the folders that have threads
        gtest(report, f"tsan-unit-{unit}",
              os.path.join(ROOT, "build/tsan/tests", f"dspm_unit_{unit}"), 600, fixed_addresses(),
              SANITIZER_ENV)


def step_fuzz(report, options):
    harnesses = sorted(glob.glob(os.path.join(ROOT, "tests/fuzz/*_fuzz.cc")))
    if not harnesses:
        report.check(False, "no harness in tests/fuzz")
        return
    if not build(report, "clang", ["fuzz_programs"], unity=True):  # nothing to do after the step clang
        return
    seconds = FUZZ.get(options.kind, 5)
    for harness in harnesses:
        name = os.path.basename(harness)[:-len(".cc")]
        kept = os.path.join(ROOT, "tests/fuzz/corpus", name[:-len("_fuzz")])
        grown = os.path.join(ROOT, "build/clang/corpus", name)
        found = os.path.join(ROOT, "build/clang/found", name) + os.sep
        for folder in (grown, found):
            os.makedirs(folder, exist_ok=True)
        report.check(os.path.isdir(kept) and bool(os.listdir(kept)), f"fuzz {name}: kept corpus")
        command = [*fixed_addresses(), os.path.join(bin_dir("clang"), name),
                   f"-max_total_time={seconds}", "-timeout=10", "-rss_limit_mb=2048",
                   "-print_final_stats=1", f"-artifact_prefix={found}", grown]
        command += [kept] if os.path.isdir(kept) else []
        result = report.run(f"fuzz-{name}", command, seconds + 120, SANITIZER_ENV, nice=5)
        report.check(result.ok, f"fuzz {name} for {seconds} s", result, seconds + 120)


def step_clang_tidy(report, _options):
    # Its compile_commands.json with every source by itself, not as unity build.
    result = report.run("configure-clang", ["cmake", "--preset", "clang",
                                            "-DCMAKE_UNITY_BUILD=OFF"], 300)
    if not report.check(result.ok, "configure clang", result, 300):
        return
    sources = sorted(path for top in ("fs", "dsm", "commit", "namespace", "utils")
                     for path in glob.glob(os.path.join(ROOT, top, "**", "*.cc"), recursive=True))
    for source in sources:
        name = os.path.relpath(source, ROOT)
        result = report.run(f"clang-tidy-{name}",
                            ["clang-tidy-14", "-p", "build/clang", "--quiet", name], 600, nice=5)
        report.check(result.ok, f"clang-tidy {name}", result, 600)


STEPS = [
    ("build", "quick full long", step_build),
    ("unit", "quick full long", step_unit),
    ("link", "quick full long", step_link),
    ("tidy", "quick full long", step_tidy),
    ("models", "quick full long", step_models),
    ("sim", "quick full long", step_sim),
    ("e2e", "quick full long", step_e2e),
    ("quickstart", "full long", step_quickstart),
    ("clang", "long", step_clang),
    ("fuzz", "long", step_fuzz),
    ("tsan", "long", step_tsan),
    ("asan", "long", step_asan),
    ("asan-e2e", "long", step_asan_e2e),
    ("planted", "long", step_planted),
    ("mutants", "long", step_model_mutants),
    ("clang-tidy", "long", step_clang_tidy),
]
