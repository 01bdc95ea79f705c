"""Measures the tool against references that run beside it, so that the figures mean something on any machine.

Every figure is the median of interleaved runs. Ratios are of CPU time, of the process and all that it starts: the clock on the wall tells more
about the machine's other work.
"""

from __future__ import annotations

import argparse
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from generate import write

import gitops_secrets

RESULTS = Path(__file__).parent / "results"

TOOL = (sys.executable, "-c", "import sys; from gitops_secrets.cli.main import main; sys.exit(main())")
SCAN = (*TOOL, "scan", "--format", "json", "--no-progress", "--no-cache")
CHECK = (*TOOL, "check", "--exit-zero", "--no-progress", "--no-cache")

PARSE = """
import sys
from pathlib import Path
import yaml
for path in sorted(Path(sys.argv[1]).rglob("*.yaml")):
    for document in yaml.load_all(path.read_bytes(), Loader=yaml.CSafeLoader):
        pass
"""
IMPORTS = "import click, yaml, networkx, git"


@dataclass(frozen=True, slots=True)
class Run:
    """What one process used. `peak` in bytes."""

    cpu: float
    wall: float
    peak: int


@dataclass(frozen=True, slots=True)
class Comparison:
    """A command, and the reference that its time is divided by."""

    what: str
    command: Sequence[str]
    reference: str
    reference_command: Sequence[str]


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
        runs.append(measure(comparison.command))
    cpu = median(run.cpu for run in runs)
    reference = median(run.cpu for run in references)
    ratio = median(run.cpu / beside.cpu for run, beside in zip(runs, references, strict=True))
    wall = median(run.wall for run in runs)
    peak = max(run.peak for run in runs) / 2**20
    return f"| {comparison.what} | {comparison.reference} | {ratio:.2f} | {cpu:.2f} | {reference:.2f} | {wall:.2f} | {peak:.0f} |"


def commit(directory: Path) -> None:
    """Makes the directory a git repository with one commit, as a checkout is one."""
    git = ("git", "-C", str(directory), "-c", "user.name=bench", "-c", "user.email=bench@example.org", "-c", "gc.auto=0", "-c", "commit.gpgsign=false")
    for arguments in (("init", "--quiet"), ("add", "--all"), ("commit", "--quiet", "--no-verify", "--message", "Generated")):
        subprocess.run([*git, *arguments], check=True)


def main() -> None:
    """Prints the table, and keeps it with --write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--applications", type=int, default=1000, metavar="N", help="Kustomizations of the generated repository (default %(default)s)")
    parser.add_argument("--manifests", type=int, default=8, metavar="M", help="manifests in each of them (default %(default)s)")
    parser.add_argument("--repository", type=Path, metavar="PATH", help="a checkout to scan as well")
    parser.add_argument("--repeat", type=int, default=3, help="runs of each command (default %(default)s)")
    parser.add_argument("--write", action="store_true", help="keep the table in benchmarks/results/<version>.md")
    arguments = parser.parse_args()

    lines = [
        "| what | reference | ratio | CPU s | reference CPU s | wall s | peak MiB |",
        "|---|---|--:|--:|--:|--:|--:|",
    ]
    for line in lines:
        print(line)
    with tempfile.TemporaryDirectory() as directory:
        write(Path(directory), arguments.applications, arguments.manifests)
        commit(Path(directory))
        generated = f"generated: {arguments.applications} Kustomizations of {arguments.manifests} manifests"
        parse = (sys.executable, "-c", PARSE, directory)
        comparisons = [
            Comparison(f"cold scan, {generated}", (*SCAN, directory), "PyYAML's CSafeLoader over the same files", parse),
            Comparison(f"cold check, {generated}", (*CHECK, directory), "the same", parse),
        ]
        if arguments.repository:
            comparisons.append(
                Comparison(
                    f"cold scan of {arguments.repository.resolve().name}",
                    (*SCAN, str(arguments.repository)),
                    f"python -c '{IMPORTS}'",
                    (sys.executable, "-c", IMPORTS),
                )
            )
        for comparison in comparisons:
            lines.append(row(comparison, arguments.repeat))
            print(lines[-1], flush=True)
    if arguments.write:
        RESULTS.mkdir(exist_ok=True)
        version = gitops_secrets.__version__
        machine = f"Python {platform.python_version()}, {platform.system()} {platform.machine()}, {os.cpu_count()} cores; medians of {arguments.repeat} runs."
        (RESULTS / f"{version}.md").write_text("\n".join([f"# {version}", "", machine, "", *lines, ""]), encoding="utf-8")


if __name__ == "__main__":
    main()
