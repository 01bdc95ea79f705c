"""Counts what the tool reads in checkouts, to compare before and after a change: one block a repository, stable line by line for `diff`."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

COMMAND = (sys.executable, "-c", "import sys; from gitops_secrets.cli.main import main; sys.exit(main())")


def main() -> int:
    """Prints the counts for every checkout given; 1 if one could not be read."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("checkouts", type=Path, nargs="+", metavar="DIR")
    failed = False
    for checkout in parser.parse_args().checkouts:
        print(f"\n{checkout.resolve().name}")
        try:
            for line in _lines(_run("scan", checkout), _run("check", checkout)):
                print(f"  {line}")
        except RuntimeError as error:
            failed = True
            print(f"  FAILED: {error}")
    return int(failed)


def _lines(scan: dict[str, Any], check: dict[str, Any]) -> list[str]:
    lines = []
    for cluster in scan["clusters"]:
        edges = cluster["edges"]
        written = sum(edge["declared"] for edge in edges)
        inferred = sum(edge["inferred"] for edge in edges)
        ordering = sum(edge["orders"] for edge in edges)
        lines.append(f"{cluster['name']}: {len(cluster['units'])} units, {sum(unit['resources'] for unit in cluster['units'])} resources")
        lines.append(f"  edges {len(edges)} (written {written}, inferred {inferred}, ordering {ordering})")
        lines.append(f"  external {len(cluster['external'])}, unmet {len(cluster['unmet'])}, opaque {len(cluster['opaque'])}")
    lines.append(f"problems {len(scan['problems'])}")
    rules = Counter((finding["severity"], finding["rule"], finding["confidence"]) for finding in check["findings"])
    lines.extend(f"{severity:8}{rule:36}{confidence:9}{count:6}" for (severity, rule, confidence), count in sorted(rules.items()))
    return lines


def _run(command: str, checkout: Path) -> dict[str, Any]:
    # check ends with 1 where it finds something; everything above is a call that failed
    done = subprocess.run([*COMMAND, command, "--format", "json", "--no-progress", str(checkout)], capture_output=True, text=True, check=False)
    if done.returncode > 1 or not done.stdout:
        last = done.stderr.strip().splitlines()[-1:] or ["no output"]
        raise RuntimeError(f"{command}: exit status {done.returncode}: {last[0]}")
    result: dict[str, Any] = json.loads(done.stdout)
    return result


if __name__ == "__main__":
    sys.exit(main())
