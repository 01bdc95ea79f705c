"""The project's own sample platform on a bed: its repository with loopback addresses, its secrets at the provider, and what Flux' bootstrap would apply."""

from __future__ import annotations

import base64
import json
import secrets
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from tests.e2e.bed import api, charts, flux, provider, tool
from tests.e2e.bed.api import EXTERNAL_SECRET, HELM_RELEASE, KUSTOMIZATION, SECRET, Object
from tests.e2e.bed.bed import Bed
from tests.e2e.bed.git_server import Repository
from tests.e2e.bed.programs import ROOT, Programs

SOURCE = "flux-system"  # name of the GitRepository and of the entry point, as bootstrap calls them


@dataclass(frozen=True, slots=True)
class Sample:
    """One overlay, served."""

    overlay: str
    repository: Repository
    canary: str  # part of every value at the provider
    secrets: dict[tuple[str, str], dict[str, str]] = field(default_factory=dict)  # what each Secret has to hold, by namespace and name

    @property
    def path(self) -> str:
        return f"overlays/{self.overlay}"


def serve(bed: Bed, overlay: str, *, ordered: bool = True) -> Sample:
    """Commits the platform to a served repository, with generated Flux Kustomizations for the overlay; without their `dependsOn` if not `ordered`."""
    sample = Sample(overlay, bed.git.repository(f"{overlay}-{'ordered' if ordered else 'unordered'}"), canary=secrets.token_hex(16))
    with sample.repository.checkout() as tree:
        prepare(bed, sample, tree)
        sample.repository.push(tree, "The sample platform")
        generate(tree, sample.path)
        if not ordered:
            for file in (tree / sample.path / "flux").glob("*.yaml"):
                _without_order(file)
        sample.repository.push(tree, "Flux Kustomizations, generated")
    return sample


def prepare(bed: Bed, sample: Sample, tree: Path) -> None:
    """Copies the platform into a working tree, with the bed's addresses and keys in it, and fills the provider with what it asks for."""
    for folder in ("base", "overlays"):
        shutil.copytree(ROOT / folder, tree / folder)
    _serve_charts(bed, tree)
    credentials = {"access-key": provider.ACCESS_KEY, "secret-access-key": sample.canary}
    sealed = tree / sample.path / "secret-stores" / "awssm-secret.yaml"
    sealed.write_text(bed.seal(_secret_for(yaml.safe_load(sealed.read_text()), credentials)))
    _fill_provider(bed, sample, _render(bed.programs, tree / sample.path))


@contextmanager
def served(bed: Bed, overlay: str = "development", *, ordered: bool = True) -> Iterator[tuple[Sample, Path]]:
    """The platform with its source in the cluster and nothing applied, and a checkout of it: where `reconcile` begins."""
    sample = serve(bed, overlay, ordered=ordered)
    apply_source(bed, sample)
    with sample.repository.checkout() as tree:
        yield sample, tree


def bootstrap(bed: Bed, sample: Sample) -> None:
    """Applies the source and the entry point, as `flux bootstrap` would."""
    apply_source(bed, sample)
    bed.api.apply(
        {
            "apiVersion": "kustomize.toolkit.fluxcd.io/v1",
            "kind": "Kustomization",
            "metadata": {"name": SOURCE, "namespace": flux.NAMESPACE},
            "spec": {"interval": "10m", "path": f"./{sample.path}/flux", "prune": True, "sourceRef": {"kind": "GitRepository", "name": SOURCE}},
        }
    )


def apply_source(bed: Bed, sample: Sample) -> None:
    """Applies the source alone."""
    bed.api.apply(
        {
            "apiVersion": "source.toolkit.fluxcd.io/v1",
            "kind": "GitRepository",
            "metadata": {"name": SOURCE, "namespace": flux.NAMESPACE},
            "spec": {"interval": "1m", "url": sample.repository.url, "ref": {"branch": "main"}},
        }
    )


def generate(tree: Path, path: str) -> None:
    """`gitops-secrets generate flux`."""
    done = tool.run("generate", "flux", path, directory=tree)
    if done.status != 0:
        raise RuntimeError(done.errors)


def is_ready(bed: Bed, sample: Sample) -> bool:
    """Whether all units and ExternalSecrets of the overlay are there and Ready."""
    units = len(list((ROOT / sample.path).glob("*/kustomization.yaml"))) + 1  # one for each component, and the entry point
    kustomizations, external_secrets = bed.api.list(KUSTOMIZATION), bed.api.list(EXTERNAL_SECRET)
    complete = (len(kustomizations), len(external_secrets)) == (units, len(sample.secrets))
    return complete and all(api.is_ready(thing) for thing in (*kustomizations, *bed.api.list(HELM_RELEASE), *external_secrets))


def secrets_in(bed: Bed, sample: Sample) -> dict[tuple[str, str], dict[str, str]]:
    """What the cluster's Secrets hold, of those that the overlay's ExternalSecrets ask for."""
    found = {place: bed.api.get(SECRET, *place) or {} for place in sample.secrets}
    return {place: {key: base64.b64decode(value).decode() for key, value in secret.get("data", {}).items()} for place, secret in found.items()}


def _serve_charts(bed: Bed, tree: Path) -> None:
    """Each chart in the version that the platform asks for, which no public place has to serve, and the HelmRepositories pointed to them."""
    contents = {
        "external-secrets": charts.external_secrets(bed.programs),
        "sealed-secrets": charts.sealed_secrets(bed.programs),
        "reloader": charts.stub("reloader"),
    }
    for file in (tree / "base").glob("*/helm-release.yaml"):
        chart = yaml.safe_load(file.read_text())["spec"]["chart"]["spec"]
        bed.charts.add(chart["chart"], chart["version"], contents[chart["chart"]])
    for file in (tree / "base").glob("*/helm-repository.yaml"):
        repository = yaml.safe_load(file.read_text())
        repository["spec"]["url"] = bed.charts.url
        file.write_text(yaml.safe_dump(repository))


def _secret_for(sealed: Object, values: dict[str, str]) -> Object:
    metadata = {key: sealed["metadata"][key] for key in ("name", "namespace")}
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": metadata,
        "data": {key: base64.b64encode(value.encode()).decode() for key, value in values.items()},
    }


def _render(programs: Programs, folder: Path) -> list[Object]:
    built = subprocess.run([programs.binary("kubernetes", "kubectl"), "kustomize", folder], capture_output=True, text=True, check=True).stdout
    return list(yaml.safe_load_all(built))


def _fill_provider(bed: Bed, sample: Sample, rendered: list[Object]) -> None:
    """Puts a value at the provider for each remote key that an ExternalSecret asks for, in the account and region of its store."""
    stores = {each["metadata"]["name"]: each["spec"]["provider"]["aws"] for each in rendered if each["kind"] == "ClusterSecretStore"}
    operator = next(each for each in rendered if each["kind"] == "HelmRelease" and each["metadata"]["name"] == "external-secrets")
    role = operator["spec"]["values"]["serviceAccount"]["annotations"]["eks.amazonaws.com/role-arn"]
    for secret in (each for each in rendered if each["kind"] == "ExternalSecret"):
        store = stores[secret["spec"]["secretStoreRef"]["name"]]
        account = bed.provider.account(store["region"], role if "jwt" in store["auth"] else None)
        put = account.put_parameter if store["service"] == "ParameterStore" else account.put_secret
        expected = {}
        for item in secret["spec"].get("data", []):
            expected[item["secretKey"]] = f"{item['remoteRef']['key']} {sample.canary}"
            put(item["remoteRef"]["key"], expected[item["secretKey"]])
        for item in secret["spec"].get("dataFrom", []):
            properties = {"first": f"1 {sample.canary}", "second": f"2 {sample.canary}"}
            put(item["extract"]["key"], json.dumps(properties))
            expected |= properties
        sample.secrets[secret["metadata"]["namespace"], secret["spec"]["target"]["name"]] = expected


def _without_order(file: Path) -> None:
    unit = yaml.safe_load(file.read_text())
    if unit.get("spec", {}).pop("dependsOn", None):
        file.write_text(yaml.safe_dump(unit))
