"""Writes a Flux repository of any size, for measurements: the same arguments give the same bytes.

It has what bootstrapped repositories have: the unit that the bootstrap makes, a unit for the operator, one for the stores, and then as many
applications as asked for, each a Flux Kustomization over a directory of manifests. Half of the applications name what they depend on.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

APPLICATION_MANIFESTS = ("namespace", "helm-release", "external-secret", "deployment", "service", "config-map", "claim", "ingress")

_BOOTSTRAP = """\
apiVersion: source.toolkit.fluxcd.io/v1
kind: GitRepository
metadata:
  name: flux-system
  namespace: flux-system
spec:
  interval: 1m
  ref:
    branch: main
  secretRef:
    name: flux-system
  url: ssh://git@git.example.org/platform/clusters
---
apiVersion: kustomize.toolkit.fluxcd.io/v1
kind: Kustomization
metadata:
  name: flux-system
  namespace: flux-system
spec:
  interval: 10m
  path: ./clusters/production
  prune: true
  sourceRef:
    kind: GitRepository
    name: flux-system
"""

_CHARTS = """\
apiVersion: source.toolkit.fluxcd.io/v1
kind: HelmRepository
metadata:
  name: charts
  namespace: flux-system
spec:
  interval: 12h
  url: https://charts.example.org
"""

_UNIT = """\
apiVersion: kustomize.toolkit.fluxcd.io/v1
kind: Kustomization
metadata:
  name: {name}
  namespace: flux-system
spec:
{depends_on}  interval: 1h
  path: ./{path}
  prune: true
  retryInterval: 2m
  sourceRef:
    kind: GitRepository
    name: flux-system
  timeout: 5m
  wait: true
"""

_ARGO_APPLICATION = """\
apiVersion: argoproj.io/v1alpha1
kind: Application
metadata:
  name: {name}
  namespace: argocd
  annotations:
    argocd.argoproj.io/sync-wave: "{wave}"
spec:
  project: default
  source:
    repoURL: ssh://git@git.example.org/platform/clusters
    targetRevision: main
    path: {path}
  destination:
    server: https://kubernetes.default.svc
    namespace: argocd
  syncPolicy:
    automated: {{prune: true}}
"""

_OPERATOR = """\
apiVersion: v1
kind: Namespace
metadata:
  name: external-secrets
---
apiVersion: source.toolkit.fluxcd.io/v1
kind: HelmRepository
metadata:
  name: external-secrets
  namespace: external-secrets
spec:
  interval: 12h
  url: https://charts.external-secrets.io
---
apiVersion: helm.toolkit.fluxcd.io/v2
kind: HelmRelease
metadata:
  name: external-secrets
  namespace: external-secrets
spec:
  chart:
    spec:
      chart: external-secrets
      sourceRef:
        kind: HelmRepository
        name: external-secrets
      version: 2.9.0
  install:
    crds: CreateReplace
  interval: 1h
  values:
    installCRDs: true
"""

_STORE = """\
apiVersion: external-secrets.io/v1
kind: ClusterSecretStore
metadata:
  name: {name}
spec:
  provider:
    aws:
      service: SecretsManager
      region: eu-central-1
      auth:
        jwt:
          serviceAccountRef:
            name: external-secrets
            namespace: external-secrets
"""

# Three references that lead nowhere, beside names that are much alike: tests/unbreakable/cases.py has the same.
_REFERRING = """\
apiVersion: apps/v1
kind: Deployment
metadata: {{name: web-{n}, namespace: web}}
spec:
  selector: {{matchLabels: {{app: web}}}}
  template:
    metadata: {{labels: {{app: web}}}}
    spec:
      containers:
        - name: web
          image: example.org/web:1
          envFrom: [{{secretRef: {{name: credentials-of-web-{n}}}}}]
          env: [{{name: A, valueFrom: {{secretKeyRef: {{name: credentials-for-web-{n}, key: urls}}}}}}]
---
apiVersion: external-secrets.io/v1
kind: ExternalSecret
metadata: {{name: credentials-for-web-{n}, namespace: web}}
spec:
  secretStoreRef: {{kind: ClusterSecretStore, name: store-{n}}}
  data: [{{secretKey: url, remoteRef: {{key: web}}}}]
"""

_APPLICATION = {
    "namespace": """\
apiVersion: v1
kind: Namespace
metadata:
  name: {name}
  labels:
    app.kubernetes.io/part-of: {name}
    pod-security.kubernetes.io/enforce: restricted
""",
    "helm-release": """\
apiVersion: helm.toolkit.fluxcd.io/v2
kind: HelmRelease
metadata:
  name: {name}-cache
  namespace: {name}
spec:
  chart:
    spec:
      chart: valkey
      sourceRef:
        kind: HelmRepository
        name: charts
        namespace: flux-system
      version: 1.2.3
  interval: 1h
  install:
    remediation:
      retries: 3
  upgrade:
    cleanupOnFail: true
    remediation:
      retries: 3
  values:
    architecture: standalone
    auth:
      existingSecret: {name}
      existingSecretPasswordKey: password
    persistence:
      enabled: true
      size: 1Gi
    resources:
      requests: {{cpu: 10m, memory: 64Mi}}
      limits: {{memory: 256Mi}}
""",
    "external-secret": """\
apiVersion: external-secrets.io/v1
kind: ExternalSecret
metadata:
  name: {name}
  namespace: {name}
spec:
  data:
    - secretKey: username
      remoteRef:
        key: production/{name}
        property: username
    - secretKey: password
      remoteRef:
        key: production/{name}
        property: password
  refreshInterval: 1h
  secretStoreRef:
    kind: ClusterSecretStore
    name: {store}
  target:
    name: {name}
    creationPolicy: Owner
""",
    "deployment": """\
apiVersion: apps/v1
kind: Deployment
metadata:
  name: {name}
  namespace: {name}
  labels: &labels
    app.kubernetes.io/name: {name}
  annotations:
    reloader.stakater.com/auto: "true"
spec:
  replicas: 2
  selector:
    matchLabels: *labels
  template:
    metadata:
      labels: *labels
    spec:
      securityContext:
        runAsNonRoot: true
        seccompProfile: {{type: RuntimeDefault}}
      containers:
        - name: server
          image: registry.example.org/{name}:1.0.{number}
          args: ["--listen=:8080", "--config=/etc/{name}/config.yaml"]
          env:
            - name: USERNAME
              valueFrom:
                secretKeyRef:
                  name: {name}
                  key: username
            - name: PASSWORD
              valueFrom:
                secretKeyRef:
                  name: {name}
                  key: password
          ports:
            - name: http
              containerPort: 8080
          readinessProbe:
            httpGet: {{path: /ready, port: http}}
          resources:
            requests: {{cpu: 50m, memory: 128Mi}}
            limits: {{memory: 512Mi}}
          volumeMounts:
            - name: config
              mountPath: /etc/{name}
            - name: data
              mountPath: /var/lib/{name}
      volumes:
        - name: config
          configMap:
            name: {name}
        - name: data
          persistentVolumeClaim:
            claimName: {name}
""",
    "service": """\
apiVersion: v1
kind: Service
metadata:
  name: {name}
  namespace: {name}
spec:
  selector:
    app.kubernetes.io/name: {name}
  ports:
    - name: http
      port: 80
      targetPort: http
""",
    "config-map": """\
apiVersion: v1
kind: ConfigMap
metadata:
  name: {name}
  namespace: {name}
data:
  config.yaml: |
    listen: :8080
    log:
      level: info
      format: json
    cache:
      address: {name}-cache.{name}.svc.cluster.local:6379
      time-to-live: 5m
    features: [search, export, notifications]
""",
    "claim": """\
apiVersion: v1
kind: PersistentVolumeClaim
metadata:
  name: {name}
  namespace: {name}
spec:
  accessModes: [ReadWriteOnce]
  resources:
    requests:
      storage: 10Gi
  storageClassName: gp3
""",
    "ingress": """\
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata:
  name: {name}
  namespace: {name}
  annotations:
    external-dns.alpha.kubernetes.io/hostname: {name}.example.org
spec:
  ingressClassName: nginx
  rules:
    - host: {name}.example.org
      http:
        paths:
          - path: /
            pathType: Prefix
            backend:
              service:
                name: {name}
                port:
                  name: http
  tls:
    - hosts: [{name}.example.org]
      secretName: {name}-tls
""",
}

_STORES = ("aws-secrets-manager", "aws-shared-account", "aws-archive")


def files(applications: int, manifests: int = len(APPLICATION_MANIFESTS)) -> Iterator[tuple[str, str]]:
    """Path and content of every file. An application has `manifests` manifests; above eight, its ConfigMap is repeated under other names."""
    yield "clusters/production/flux-system/gotk-sync.yaml", _BOOTSTRAP
    yield "clusters/production/flux-system/kustomization.yaml", _listing(["gotk-sync.yaml"])
    yield "clusters/production/charts.yaml", _CHARTS
    yield "clusters/production/operator.yaml", _unit("operator", "infrastructure/operator")
    yield "clusters/production/stores.yaml", _unit("stores", "infrastructure/stores", ["operator"])
    yield "infrastructure/operator/operator.yaml", _OPERATOR
    yield "infrastructure/operator/kustomization.yaml", _listing(["operator.yaml"])
    yield "infrastructure/stores/stores.yaml", "---\n".join(_STORE.format(name=name) for name in _STORES)
    yield "infrastructure/stores/kustomization.yaml", _listing(["stores.yaml"])
    for number in range(applications):
        yield from _application(number, manifests)


def argo_files(applications: int, manifests: int = len(APPLICATION_MANIFESTS)) -> Iterator[tuple[str, str]]:
    """The same for Argo CD: an Application for each Flux Kustomization, in waves, below a root."""
    yield "root.yaml", _ARGO_APPLICATION.format(name="root", wave=0, path="clusters/production\n    directory: {recurse: true}")
    for path, content in files(applications, manifests):
        folder, _, file = path.rpartition("/")
        name = file.removesuffix(".yaml")
        if folder == "clusters/production/apps":
            yield path, _ARGO_APPLICATION.format(name=name, wave=int(name[-1]) % 2, path=f"apps/{name}")
        elif path in ("clusters/production/operator.yaml", "clusters/production/stores.yaml"):
            yield path, _ARGO_APPLICATION.format(name=name, wave=-2 if name == "operator" else -1, path=f"infrastructure/{name}")
        elif folder != "clusters/production/flux-system":
            yield path, content


def write_faults(directory: Path, count: int) -> None:
    """Writes a repository of one unit, in which so many workloads each refer to three things that are not there."""
    files = {
        "clusters/production/flux-system/gotk-sync.yaml": _BOOTSTRAP,
        "clusters/production/web.yaml": _UNIT.format(name="web", path="web", depends_on=""),
        "web/web.yaml": "---\n".join(_REFERRING.format(n=number) for number in range(count)),
    }
    for name, text in files.items():
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


def write(directory: Path, applications: int, manifests: int = len(APPLICATION_MANIFESTS), *, argo: bool = False) -> int:
    """Writes the files below `directory`; returns how many."""
    count = 0
    for path, content in (argo_files if argo else files)(applications, manifests):
        target = directory / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(content, encoding="utf-8")
        count += 1
    return count


def _application(number: int, manifests: int) -> Iterator[tuple[str, str]]:
    name = f"app-{number:04}"
    directory = f"apps/{name}"
    depends_on = ["stores"] if number % 2 else []
    if depends_on and number % 10 == 9:
        depends_on.append(f"app-{number - 1:04}")
    yield f"clusters/production/apps/{name}.yaml", _unit(name, directory, depends_on)
    names = []
    for index in range(manifests):
        manifest = APPLICATION_MANIFESTS[index] if index < len(APPLICATION_MANIFESTS) else "config-map"
        file = f"{manifest}.yaml" if index < len(APPLICATION_MANIFESTS) else f"{manifest}-{index}.yaml"
        text = _APPLICATION[manifest].format(name=name, number=number, store=_STORES[number % len(_STORES)])
        if index >= len(APPLICATION_MANIFESTS):
            text = text.replace(f"  name: {name}\n", f"  name: {name}-{index}\n", 1)
        yield f"{directory}/{file}", text
        names.append(file)
    yield f"{directory}/kustomization.yaml", _listing(names)


def _unit(name: str, path: str, depends_on: list[str] | None = None) -> str:
    lines = "".join(f"    - name: {dependency}\n" for dependency in depends_on or [])
    return _UNIT.format(name=name, path=path, depends_on=f"  dependsOn:\n{lines}" if lines else "")


def _listing(names: list[str]) -> str:
    return "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\nresources:\n" + "".join(f"  - {name}\n" for name in names)


def main() -> None:
    """Reads the arguments and writes the repository."""
    parser = argparse.ArgumentParser(description="Writes a Flux repository for measurements.")
    parser.add_argument("directory", type=Path)
    parser.add_argument("--applications", type=int, default=1000, metavar="N", help="Flux Kustomizations (default %(default)s)")
    parser.add_argument("--manifests", type=int, default=len(APPLICATION_MANIFESTS), metavar="M", help="manifests in each (default %(default)s)")
    arguments = parser.parse_args()
    print(f"{write(arguments.directory, arguments.applications, arguments.manifests)} files")


if __name__ == "__main__":
    main()
