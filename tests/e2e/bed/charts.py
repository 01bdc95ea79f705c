"""A chart repository on loopback: the operators' own charts out of their Go modules, and stubs for those that cannot be had."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import yaml

from tests.e2e.bed.programs import Programs

Files = dict[str, bytes]  # by path inside the chart


class ChartServer:
    """Serves an index.yaml and the packed charts. A chart can be added while it runs."""

    def __init__(self) -> None:
        self._packages: dict[str, bytes] = {}
        self._index: list[tuple[str, str]] = []
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        Thread(target=self._server.serve_forever, name="chart server", daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    def add(self, name: str, version: str, files: Mapping[str, bytes]) -> None:
        """Packs `files` as that version of the chart, whatever version its Chart.yaml has."""
        about = yaml.safe_load(files["Chart.yaml"])
        about |= {"name": name, "version": version}
        about.pop("dependencies", None)  # none of them is switched on, and none could be fetched
        package = io.BytesIO()
        with tarfile.open(fileobj=package, mode="w:gz") as archive:
            for path, content in {**files, "Chart.yaml": yaml.safe_dump(about).encode()}.items():
                member = tarfile.TarInfo(f"{name}/{path}")
                member.size = len(content)
                archive.addfile(member, io.BytesIO(content))
        self._packages[f"{name}-{version}.tgz"] = package.getvalue()
        self._index.append((name, version))

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def _answer(self, path: str) -> bytes | None:
        if path != "index.yaml":
            return self._packages.get(path)
        entries: dict[str, list[dict[str, object]]] = {}
        for name, version in self._index:
            entries.setdefault(name, []).append({"apiVersion": "v2", "name": name, "version": version, "urls": [f"{self.url}/{name}-{version}.tgz"]})
        return yaml.safe_dump({"apiVersion": "v1", "entries": entries}).encode()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        answer = self._answer

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                content = answer(self.path.lstrip("/"))
                self.send_response(404 if content is None else 200)
                self.send_header("Content-Length", str(len(content or b"")))
                self.end_headers()
                self.wfile.write(content or b"")

            def log_message(self, format: str, *args: object) -> None:
                """Says nothing."""

        return Handler


def external_secrets(programs: Programs) -> Files:
    """The operator's chart, its CRDs as templates as in the published one.

    Its webhook is off by default: no Service routes to the pods of kwok, and the API server would wait for an answer to each ExternalSecret.
    """
    files = _read(programs.asset("external-secrets", "chart"))
    values = yaml.safe_load(files["values.yaml"])
    values["webhook"]["create"] = values["certController"]["create"] = False
    files["values.yaml"] = yaml.safe_dump(values).encode()
    del files["templates/crds/README.md"]  # Helm takes it for a template
    for crd in yaml.load_all(programs.asset("external-secrets", "crds.yaml").read_text(), yaml.CSafeLoader):
        text = yaml.dump(crd, Dumper=yaml.CSafeDumper)
        files[f"templates/crds/{crd['spec']['names']['singular']}.yaml"] = f"{{{{- if .Values.installCRDs }}}}\n{text}{{{{- end }}}}\n".encode()
    return files


def sealed_secrets(programs: Programs) -> Files:
    return _read(programs.asset("sealed-secrets", "chart"))


def stub(deployment: str) -> Files:
    """A chart with one Deployment that does nothing."""
    labels = {"app.kubernetes.io/name": deployment}
    restricted = {
        "runAsNonRoot": True,
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    container = {"name": deployment, "image": "registry.k8s.io/pause:3.10", "securityContext": restricted}
    manifest = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": deployment},
        "spec": {
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": {"containers": [container]}},
        },
    }
    # kustomize wants the values of a chart that it inflates, if there are none too.
    return {"Chart.yaml": b"apiVersion: v2\n", "values.yaml": b"{}\n", "templates/deployment.yaml": yaml.safe_dump(manifest).encode()}


def definition(group_and_plural: str, kind: str) -> Files:
    """A chart with one CustomResourceDefinition in `crds/`, of the version v1."""
    plural, _, group = group_and_plural.partition(".")
    schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    manifest = {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": group_and_plural},
        "spec": {
            "group": group,
            "scope": "Namespaced",
            "names": {"plural": plural, "singular": kind.lower(), "kind": kind},
            "versions": [{"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}],
        },
    }
    return {"Chart.yaml": b"apiVersion: v2\n", "crds/definition.yaml": yaml.safe_dump(manifest).encode()}


def _read(chart: Path) -> Files:
    return {path.relative_to(chart).as_posix(): path.read_bytes() for path in sorted(chart.rglob("*")) if path.is_file()}
