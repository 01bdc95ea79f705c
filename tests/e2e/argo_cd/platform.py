"""The sample platform for Argo CD on a bed: its Applications as `generate argo` writes them, with their waves or without."""

from __future__ import annotations

import re
import secrets
from pathlib import Path

import yaml

from tests.e2e.bed import argo_cd, sample, tool
from tests.e2e.bed.api import EXTERNAL_SECRET, is_ready
from tests.e2e.bed.bed import Bed
from tests.e2e.bed.programs import ROOT
from tests.e2e.bed.sample import Sample

FOLDER = "overlays/argo"
ROOT_APPLICATION = f"{FOLDER}/bootstrap/root.yaml"
_WAVES_FOLDER = f"{FOLDER}/argocd/waves/"


def serve(bed: Bed, *, waves: bool = True) -> Sample:
    """Commits the platform to a served repository, with generated Applications."""
    # Argo's overlay has the components of this one.
    served = Sample("production", bed.git.repository("platform"), canary=secrets.token_hex(16))
    with served.repository.checkout() as tree:
        sample.prepare(bed, served, tree)
        for file in (tree / FOLDER).glob("*/kustomization.yaml"):
            file.write_text(re.sub(r"repo: https://\S+", f"repo: {bed.charts.url}", file.read_text()))
        root = tree / ROOT_APPLICATION
        root.write_text(root.read_text().replace("https://git.example.org/platform", served.repository.url))
        done = tool.run("generate", "argo", FOLDER, "--repository", served.repository.url, directory=tree)
        if done.status != 0:
            raise RuntimeError(done.errors)
        if not waves:
            _without_waves(tree)
        served.repository.push(tree, "The sample platform, with generated Applications")
    return served


def bootstrap(bed: Bed, served: Sample) -> None:
    """Applies the root, as a person would."""
    with served.repository.checkout() as tree:
        bed.api.apply(yaml.safe_load((tree / ROOT_APPLICATION).read_text()))


def is_there(bed: Bed, served: Sample) -> bool:
    """Are all Applications well, and all ExternalSecrets Ready?"""
    applications, external_secrets = bed.api.list(argo_cd.APPLICATION), bed.api.list(EXTERNAL_SECRET)
    components = len(yaml.safe_load((ROOT / FOLDER / "kustomization.yaml").read_text())["resources"])
    complete = (len(applications), len(external_secrets)) == (components + 1, len(served.secrets))
    return complete and all(map(argo_cd.is_well, applications)) and all(map(is_ready, external_secrets))


def _without_waves(tree: Path) -> None:
    for file in (tree / FOLDER / "argocd").glob("*.yaml"):
        application = yaml.safe_load(file.read_text())
        if application["kind"] != "Application":
            continue
        del application["metadata"]["annotations"]
        path = application["spec"]["source"]["path"]
        if path.startswith(_WAVES_FOLDER):
            layer = yaml.safe_load((tree / path / "kustomization.yaml").read_text())
            application["spec"]["source"]["path"] = (tree / path / layer["resources"][0]).resolve().relative_to(tree.resolve()).as_posix()
        file.write_text(yaml.safe_dump(application))
