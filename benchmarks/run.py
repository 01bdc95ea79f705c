"""Measures the tool against references that run beside it, so that the figures mean something on any machine.

Every figure is the median of interleaved runs. Ratios are of CPU time, of the process and all that it starts: the clock on the wall tells more
about the machine's other work.
"""

from __future__ import annotations

import argparse
import compileall
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median

from generate import write, write_faults

import gitops_secrets

RESULTS = Path(__file__).parent / "results"

TOOL = (sys.executable, "-c", "import sys; from gitops_secrets.cli.main import main; sys.exit(main())")
SCAN = (*TOOL, "scan", "--format", "json", "--no-progress")
CHECK = (*TOOL, "check", "--exit-zero", "--no-progress")
SINCE = (*CHECK, "--base", "HEAD", "--no-merge-base")
COLD = "--no-cache"

PARSE = """
import sys
from pathlib import Path
import yaml
for path in sorted(Path(sys.argv[1]).rglob("*.yaml")):
    for document in yaml.load_all(path.read_bytes(), Loader=yaml.CSafeLoader):
        pass
"""
IMPORTS = "import click, yaml, networkx, git"
SMALLEST = "import click"


@dataclass(frozen=True, slots=True)
class Run:
    """What one process used. `peak` in bytes."""

    cpu: float
    wall: float
    peak: int


@dataclass(frozen=True, slots=True)
class Comparison:
    """A command, and the reference that its time is divided by. `most` is the target. What is done `first`, and `before` each run, does not count."""

    what: str
    command: Sequence[str]
    reference: str
    reference_command: Sequence[str]
    most: float
    most_mebibytes: int | None = None
    before: Callable[[], None] = lambda: None
    first: Callable[[], None] = lambda: None


def measure(command: Sequence[str]) -> Run:
    """Runs a command to its end. Raises `SystemExit` if it fails."""
    started = time.monotonic()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    assert process.stderr is not None
    error = process.stderr.read()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    process.stderr.close()
    if process.returncode:
        raise SystemExit(f"{' '.join(command[:4])} … ended with {process.returncode}:\n{error.decode(errors='replace')[-2000:]}")
    # Linux counts the peak in KiB, macOS in bytes.
    return Run(usage.ru_utime + usage.ru_stime, time.monotonic() - started, usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024))


def row(comparison: Comparison, repeat: int) -> str:
    """One line of the table."""
    runs, references = [], []
    for _ in range(repeat):
        references.append(measure(comparison.reference_command))
        comparison.before()
        runs.append(measure(comparison.command))
    ratio = median(run.cpu / beside.cpu for run, beside in zip(runs, references, strict=True))
    return line(comparison.what, comparison.reference, ratio, comparison.most, runs, references, comparison.most_mebibytes)


def line(what: str, reference: str, ratio: float, most: float, runs: Sequence[Run], references: Sequence[Run], most_mebibytes: int | None = None) -> str:
    """One line of the table, from what was measured."""
    cpu, beside, wall = (median(each) for each in ([run.cpu for run in runs], [run.cpu for run in references], [run.wall for run in runs]))
    peak = f"{max(run.peak for run in runs) / 2**20:.0f}" + (f" ({most_mebibytes})" if most_mebibytes else "")
    return f"| {what} | {reference} | {ratio:.2f} | {most:g} | {cpu:.2f} | {beside:.2f} | {wall:.2f} | {peak} |"


def commit(directory: Path) -> None:
    """Makes the directory a git repository with one commit, as a checkout is one."""
    git = ("git", "-C", str(directory), "-c", "user.name=bench", "-c", "user.email=bench@example.org", "-c", "gc.auto=0", "-c", "commit.gpgsign=false")
    for arguments in (("init", "--quiet"), ("add", "--all"), ("commit", "--quiet", "--no-verify", "--message", "Generated")):
        subprocess.run([*git, *arguments], check=True)


def generated(directory: Path, applications: int, manifests: int, *, argo: bool = False) -> Path:
    """A generated repository, old enough for stamps of its files to count."""
    write(directory, applications, manifests, argo=argo)
    commit(directory)
    return directory


def rules(directory: Path, repeat: int) -> str:
    """What `check` takes beyond `scan`: all rules, and the edits that mend what they find."""
    scans, checks = [], []
    for _ in range(repeat):
        scans.append(measure((*SCAN, COLD, str(directory))))
        checks.append(measure((*CHECK, COLD, str(directory))))
    share = median(check.cpu / scan.cpu - 1 for check, scan in zip(checks, scans, strict=True))
    return line("all rules together, of the same: cold check less cold scan", "cold scan of the same", share, 0.3, checks, scans)


def growth(directory: Path, repeat: int) -> str:
    """What a manifest takes in a repository of a hundred thousand, against one of ten thousand; starting up is subtracted. What is kept for later counts."""
    empty, small, large = directory / "empty", directory / "small", directory / "large"
    empty.mkdir()
    generated(small, 1250, 8)
    generated(large, 12500, 8)
    nothing, tenth, whole = ([measure((*SCAN, str(each))) for _ in range(repeat)] for each in (empty, small, large))
    start = median(run.cpu for run in nothing)
    ratio = (median(run.cpu for run in whole) - start) / 10 / (median(run.cpu for run in tenth) - start)
    return line("cold scan of 100,000 manifests, for each of them", "of 10,000, for each of them", ratio, 1.3, whole, tenth, 1536)


def faults(directory: Path, repeat: int) -> str:
    """What a finding costs where there are ten times as many: `check` less `scan`, for each of them."""
    runs: dict[int, list[tuple[Run, Run]]] = {}
    for count in (500, 5000):
        folder = directory / f"faults-{count}"
        write_faults(folder, count)
        runs[count] = [(measure((*SCAN, COLD, str(folder))), measure((*CHECK, COLD, str(folder)))) for _ in range(repeat)]
    few, many = (median(check.cpu - scan.cpu for scan, check in pairs) / count for count, pairs in runs.items())
    checks = {count: [check for _, check in pairs] for count, pairs in runs.items()}
    return line("check of 15,000 faults less scan, for each of them", "of 1,500, for each of them", many / few, 1.5, checks[5000], checks[500])


def change(file: Path, old: str, new: str) -> Callable[[], None]:
    """Replaces a word of a file by one that is another each time."""
    text = file.read_text(encoding="utf-8")
    assert old in text, f"{file} has no {old!r}"
    numbers = iter(range(1_000_000))

    def apply() -> None:
        file.write_text(text.replace(old, f"{new}{next(numbers)}", 1), encoding="utf-8")

    return apply


def restore(directory: Path) -> None:
    """The files of a generated repository as they were."""
    subprocess.run(["git", "-C", str(directory), "checkout", "--quiet", "."], check=True)


def forget() -> None:
    """Empties the cache."""
    shutil.rmtree(os.environ["XDG_CACHE_HOME"])


def history(repository: Path, commits: int) -> str:
    """What `diff` takes for a commit, over the last ones of a real repository, against a cold scan of it."""
    whole = measure(("env", "-C", str(repository), *TOOL, "diff", f"HEAD~{commits}", "HEAD", "--each", "--no-progress"))
    scans = [measure((*SCAN, COLD, str(repository))) for _ in range(3)]
    each = replace(whole, cpu=whole.cpu / commits, wall=whole.wall / commits)
    ratio = each.cpu / median(run.cpu for run in scans)
    return line(f"diff over the last {commits} commits of {repository.resolve().name}, for each", "cold scan of it", ratio, 0.2, [each], scans)


def comparisons(directory: Path, applications: int, manifests: int, repository: Path | None) -> list[Comparison]:
    """The table but for the rows that are made of several measurements."""
    what = f"generated: {applications} Kustomizations of {manifests} manifests"
    parse = "PyYAML's CSafeLoader over the same files", (sys.executable, "-c", PARSE, str(directory))
    scan = "cold scan of the same", (*SCAN, COLD, str(directory))
    imports = f"python -c '{IMPORTS}'", (sys.executable, "-c", IMPORTS)
    smallest = f"python -c '{SMALLEST}'", (sys.executable, "-c", SMALLEST)
    application = directory / "apps" / "app-0000"
    made = change(application / "external-secret.yaml", "secretKey: username", "secretKey: other-")
    reference = change(application / "external-secret.yaml", "key: production/app-0000", "key: production/other-")
    edits = {
        "an image": change(application / "deployment.yaml", ":1.0.0", ":1.1."),
        "a comment": change(application / "deployment.yaml", "kind: Deployment", "kind: Deployment # "),
        "one more line": change(application / "external-secret.yaml", "spec:", "spec:\n  # "),
        "a value of a ConfigMap": change(application / "config-map.yaml", "level: info", "level: debug-"),
        "a key at the provider": reference,
        "a key of a Secret": made,
        "another store": change(application / "external-secret.yaml", "name: aws-secrets-manager", "name: other-"),
        "another version of a chart": change(application / "helm-release.yaml", "version: 1.2.3", "version: 1.3."),
        "another Secret of a release": change(application / "helm-release.yaml", "existingSecret: app-0000", "existingSecret: other-"),
        "a label of a Namespace": change(application / "namespace.yaml", "enforce: restricted", "enforce: other-"),
        "another dependsOn": change(directory / "clusters" / "production" / "apps" / "app-0001.yaml", "- name: stores", "- name: other-"),
    }
    tree = (*TOOL, "scan", "--no-progress", str(directory))
    found = [
        Comparison(f"cold scan, {what}", (*SCAN, COLD, str(directory)), *parse, 2.5, 200),
        Comparison("the same, with an empty cache", (*SCAN, str(directory)), *parse, 2.5, 200, before=forget),
        Comparison("the same as a tree, with an empty cache", tree, *parse, 2.5, 200, before=forget),
        Comparison("the same, unchanged since", (*SCAN, str(directory)), *parse, 0.5),
        *(Comparison(f"the same, {edit} in one file", (*SCAN, str(directory)), *parse, 0.5, before=apply) for edit, apply in edits.items()),
        *(Comparison(f"the same as a tree, {edit} in one file", tree, *parse, 0.5, before=apply) for edit, apply in edits.items()),
        Comparison("cold check --base, a key of a Secret changed in one file", (*SINCE, COLD, str(directory)), *scan, 1.6, before=made),
        Comparison("warm check --base, a key at the provider changed in one file since the last run", (*SINCE, str(directory)), *imports, 3, before=reference),
        Comparison("warm check --base, a key of a Secret changed in one file since the last run", (*SINCE, str(directory)), *imports, 3, before=made),
        Comparison("warm check --base, a key of a Secret changed in one file since the base", (*SINCE, str(directory)), *imports, 3, first=made),
    ]
    argo = generated(directory.with_name("argo"), applications, manifests, argo=True)
    found.append(Comparison("cold scan, the same manifests by Argo CD", (*SCAN, COLD, str(argo)), "by Flux", (*SCAN, COLD, str(directory)), 1.3))
    if repository is not None:
        name = repository.resolve().name
        found += [
            Comparison(f"cold scan of {name}", (*SCAN, COLD, str(repository)), *imports, 3, 100),
            Comparison(f"cold check of {name}", (*CHECK, COLD, str(repository)), *imports, 3, 100),
            Comparison(f"warm check of {name}", (*CHECK, str(repository)), *imports, 1.5),
        ]
    found += [Comparison(option, (*TOOL, option), *smallest, 1.5) for option in ("--version", "--help")]
    return found


def main() -> None:
    """Prints the table, and keeps it with --write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--applications", type=int, default=1000, metavar="N", help="Kustomizations of the generated repository (default %(default)s)")
    parser.add_argument("--manifests", type=int, default=8, metavar="M", help="manifests in each of them (default %(default)s)")
    parser.add_argument("--repository", type=Path, metavar="PATH", help="a checkout to scan as well")
    parser.add_argument("--commits", type=int, default=200, metavar="N", help="the last commits of that checkout to diff (default %(default)s)")
    parser.add_argument("--repeat", type=int, default=3, help="runs of each command (default %(default)s)")
    parser.add_argument("--small", action="store_true", help="leave out the repository of 100,000 manifests, which takes minutes")
    parser.add_argument("--write", action="store_true", help="keep the table in benchmarks/results/<version>.md")
    arguments = parser.parse_args()

    lines = [
        "| what | reference | ratio | at most | CPU s | reference CPU s | wall s | peak MiB (at most) |",
        "|---|---|--:|--:|--:|--:|--:|--:|",
    ]

    def show(*further: str) -> None:
        lines.extend(further)
        print(*further, sep="\n", flush=True)

    # As installers do it: from an editable install it would be compiled at every start where Python may not write beside it.
    compileall.compile_dir(Path(gitops_secrets.__file__).parent, quiet=1)
    print(*lines, sep="\n", flush=True)
    with tempfile.TemporaryDirectory() as scratch:
        os.environ["XDG_CACHE_HOME"] = str(Path(scratch, "cache"))
        directory = generated(Path(scratch, "repository"), arguments.applications, arguments.manifests)
        for comparison in comparisons(directory, arguments.applications, arguments.manifests, arguments.repository):
            restore(directory)
            comparison.first()
            if COLD not in comparison.command:
                measure(comparison.command)
            show(row(comparison, arguments.repeat))
        show(rules(directory, arguments.repeat))
        show(faults(Path(scratch), arguments.repeat))
        if arguments.repository:
            show(history(arguments.repository, arguments.commits))
        if not arguments.small:
            show(growth(Path(scratch), 1))
    if arguments.write:
        RESULTS.mkdir(exist_ok=True)
        version = gitops_secrets.__version__
        machine = f"Python {platform.python_version()}, {platform.system()} {platform.machine()}, {os.cpu_count()} cores; medians of {arguments.repeat} runs."
        (RESULTS / f"{version}.md").write_text("\n".join([f"# {version}", "", machine, "", *lines, ""]), encoding="utf-8")


if __name__ == "__main__":
    main()
