"""Everything bad that a repository can hold: what is put beside the good neighbour, and what must be said of it.

An expectation is `rule file:line`, for a problem that is no finding `problem file:line`, and may go on with ` … ` and a part of the message.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tests.flux import sync
from tests.git import commit, git
from tests.unbreakable.repositories import (
    Content,
    Link,
    Sparse,
    Special,
    bare,
    make,
    shallow,
    with_broken_index,
    with_programs,
    with_submodule,
    without_objects,
)

MEGABYTE = 1 << 20
SOURCED = "  sourceRef: {kind: GitRepository, name: flux-system}\n"

# Exit status by command, as docs/interface.md has it: 2 where `render` gets what does not build, `generate` no overlay, and what acts on a cluster has to
# choose one; 3 since the cluster does not answer.
STATUS = {
    "scan": {0},
    "plan": {0},
    "trace": {0},
    "check": {0, 1},
    "diff": {0},
    "fix": {0, 1},
    "render": {0, 2},
    "generate": {0, 1, 2},
    "verify": {2, 3},
    "reconcile": {2, 3},
}


@dataclass(frozen=True, slots=True)
class Case:
    """A repository, by what is special in it. `said` is expected of `check`, in any order, and more may be said."""

    name: str
    files: Mapping[str, Content]
    said: tuple[str, ...] = ()
    unsaid: tuple[str, ...] = ()  # parts of messages that must not be there
    status: Mapping[str, set[int]] = field(default_factory=dict)  # by command, where it is not the one of a broken unit
    prepare: Callable[[Path], object] = lambda root: None  # what else is done to the repository
    folder: str = "."  # where the commands are run, from the root
    has_neighbour: bool = True  # False where nothing can be read at all
    options: tuple[str, ...] = ()
    briefly: bool = False  # too much work for every command in every format


def settings(name: str = "settings", data: str = "a: b") -> str:
    """A config map."""
    return f"apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {name}\n  namespace: neighbour\ndata:\n  {data}\n"


def one(text: str | bytes) -> dict[str, Content]:
    """The unit holds one file, `bad.yaml`, and a kustomization that lists it."""
    return {"case/kustomization.yaml": "resources:\n- bad.yaml\n", "case/bad.yaml": text}


def built(kustomization: str, **files: Content) -> dict[str, Content]:
    """The unit is a kustomization with a config map."""
    return {"case/kustomization.yaml": kustomization, "case/settings.yaml": settings(), **{f"case/{name}": content for name, content in files.items()}}


def substituted(text: str) -> dict[str, Content]:
    """The unit substitutes variables in a config map that holds `text`."""
    unit = """\
apiVersion: kustomize.toolkit.fluxcd.io/v1
kind: Kustomization
metadata:
  name: case
  namespace: flux-system
spec:
  interval: 10m
  path: ./case
  prune: true
  sourceRef: {kind: GitRepository, name: flux-system}
  postBuild:
    substitute: {known: value, many: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa}
"""
    return {"clusters/production/case.yaml": unit, "case/settings.yaml": settings(data=text)}


BILLION_LAUGHS = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n" + "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 12))
INJECTION = "::error file=x,line=1::injected%0A::set-output name=a::b"
TERMINAL = "a\x1b[31m\x1b]0;title\x07\x9b2J\u202e\u2066\u200b\u2028b"
HOSTILE_NAMES = {
    "markdown": "[click](https://evil.example) **bold** `code` | cell | <!-- --> ](x)",
    "html": "<script>alert(1)</script><img src=x onerror=alert(1)>\" onload='x' &lt;",
    "workflow command": INJECTION,
    "workflow command on a line of its own": "x\n::error::injected\n##[error]injected\n::stop-commands::token",
    "terminal escapes": TERMINAL,
    "xml": "]]><failure/>\x01&bogus; <?xml?>",
    "diagram": 'x"]; click A call evil() %%{init: {}}%% --> end\nsubgraph',
}


def quoted(text: str) -> str:
    """As a YAML scalar that every reader takes for this text."""
    return (
        '"'
        + "".join(character if character.isascii() and character.isprintable() and character not in '"\\' else f"\\U{ord(character):08x}" for character in text)
        + '"'
    )


def hostile(name: str) -> dict[str, Content]:
    """Objects, units, files and fields with a name; what they need is not there, so that findings name them."""
    text = quoted(name)
    file = name.replace("/", "_").replace("\0", "_")[:60]
    return {
        "clusters/production/hostile.yaml": f"""\
apiVersion: kustomize.toolkit.fluxcd.io/v1
kind: Kustomization
metadata: {{name: {text}, namespace: flux-system}}
spec:
  path: ./case
  dependsOn: [{{name: {text}}}, {{name: neighbour, namespace: {text}}}]
  sourceRef: {{kind: GitRepository, name: {text}}}
---
apiVersion: external-secrets.io/v1
kind: ExternalSecret
metadata: {{name: {text}, namespace: {text}}}
spec:
  secretStoreRef: {{name: {text}, kind: SecretStore}}
  target: {{name: {text}}}
  data: [{{secretKey: {text}, remoteRef: {{key: {text}, property: {text}}}}}]
---
apiVersion: {text}
kind: {text}
metadata: {{name: {text}}}
---
apiVersion: helm.toolkit.fluxcd.io/v2
kind: HelmRelease
metadata: {{name: {text}, namespace: neighbour}}
spec:
  chart: {{spec: {{chart: {text}, sourceRef: {{kind: HelmRepository, name: {text}}}}}}}
""",
        "case/kustomization.yaml": f"resources: [settings.yaml, {text}]\nnamePrefix: {text}\n{text}: {text}\n",
        "case/settings.yaml": settings(),
        f"case/{file}.yaml": "a: [",
        f"{file}/kustomization.yaml": "resources: [gone.yaml]\n",
    }


NOT_YAML = (
    Case("not YAML", one("{{{ this is no yaml"), ("invalid-yaml case/bad.yaml:1",)),
    Case("half a document", one(settings() + "---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: x, labels: {a"), ("invalid-yaml case/bad.yaml:12",)),
    Case("an open quote", one(settings() + '  b: "never closed\n'), ("invalid-yaml case/bad.yaml:9",)),
    Case("a tab for indentation", one("apiVersion: v1\nkind: ConfigMap\nmetadata:\n\tname: x\n"), ("invalid-yaml case/bad.yaml:4",)),
    Case("binary", one(bytes(range(256)) * 64), ("invalid-yaml case/bad.yaml:1",)),
    Case("an ELF header", one(b"\x7fELF\x02\x01\x01" + bytes(4096)), ("invalid-yaml case/bad.yaml:1",)),
    Case("gzip", one(b"\x1f\x8b\x08\x00\x00\x00\x00\x00" + b"\xff" * 999), ("invalid-yaml case/bad.yaml:1",)),
    Case("a NUL", one(settings().replace("a: b", "a: b\0c").encode()), ("invalid-yaml case/bad.yaml:7",)),
    Case("UTF-16 with a byte order mark", one(settings().encode("utf-16"))),
    Case("UTF-16 without one", one(settings().encode("utf-16-le")), ("invalid-yaml case/bad.yaml:1",)),
    Case("UTF-32", one(settings().encode("utf-32")), ("invalid-yaml case/bad.yaml:1",)),
    Case("Latin-1", one(settings(data="a: süß").encode("latin-1")), ("invalid-yaml case/bad.yaml:7",)),
    Case("a byte order mark", one(b"\xef\xbb\xbf" + settings().encode())),
    Case("a lone surrogate", one(settings().encode() + b"  b: \xed\xa0\x80\n"), ("invalid-yaml case/bad.yaml:8",)),
    Case("carriage returns only", one(settings().replace("\n", "\r"))),
    Case("an empty file", one("")),
    Case("only comments", one("# nothing\n---\n# here\n")),
    Case("a scalar for an object", one("just a sentence\n")),
    Case("a list for an object", one("- 1\n- two\n- [3]\n")),
    Case(
        "unresolved merge markers", one("<<<<<<< HEAD\n" + settings() + "=======\n" + settings("other") + ">>>>>>> branch\n"), ("invalid-yaml case/bad.yaml:1",)
    ),
    Case("merge markers within", one(settings() + "<<<<<<< HEAD\n  c: d\n=======\n  c: e\n>>>>>>> branch\n"), ("invalid-yaml case/bad.yaml",)),
    Case("a Helm template", one("{{- if .Values.enabled }}\n" + settings('{{ include "x" . }}') + "{{- end }}\n"), ("invalid-yaml case/bad.yaml:1",)),
    Case("a Jinja template", one("{% for x in y %}\n" + settings() + "{% endfor %}\n"), ("invalid-yaml case/bad.yaml:1",)),
    Case(
        "JSON that ends early",
        {"case/kustomization.yaml": "resources: [bad.json]\n", "case/bad.json": '{"apiVersion": "v1", "kind": '},
        ("invalid-yaml case/bad.json:2",),
    ),
    Case(
        "a tab in JSON",
        {
            "case/kustomization.yaml": "resources: [bad.json]\n",
            "case/bad.json": '{\n\t"apiVersion": "v1",\n\t"kind": "Namespace",\n\t"metadata": {"name": "x"}\n}',
        },
    ),
    Case("a directive", one("%YAML 9.9\n---\n" + settings()), ("invalid-yaml case/bad.yaml",)),
    Case("a broken manifest without a kustomization", {"case/bad.yaml": "a: [", "case/good.yaml": settings()}, ("invalid-yaml case/bad.yaml",)),
    Case("a kustomization that is no YAML", {"case/kustomization.yaml": "resources: [\n"}, ("invalid-yaml case/kustomization.yaml:2",)),
    Case(
        "a Flux file that is no YAML",
        {"clusters/production/more.yaml": "# kustomize.toolkit.fluxcd.io/v1\na: [b\n"},
        ("invalid-yaml clusters/production/more.yaml",),
    ),
)

BOMBS = (
    Case("an alias bomb", one(settings() + "---\n" + BILLION_LAUGHS), ("invalid-yaml case/bad.yaml",)),
    Case(
        "an alias bomb of mappings",
        one("a0: &a0 {x: 1}\n" + "".join(f"a{n}: &a{n} {{{', '.join(f'k{i}: *a{n - 1}' for i in range(10))}}}\n" for n in range(1, 12))),
        ("invalid-yaml case/bad.yaml",),
    ),
    Case(
        "a bomb of merge keys",
        one("a0: &a0 {x: 1}\n" + "".join(f"a{n}: &a{n}\n  k{n}: *a{n - 1}\n  <<: [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 400))),
    ),
    Case("an alias that contains itself", one("apiVersion: v1\nkind: ConfigMap\nmetadata: &x\n  name: a\n  labels: *x\n"), ("invalid-yaml case/bad.yaml:5",)),
    Case("a list that contains itself", one("- &x [*x]\n"), ("invalid-yaml case/bad.yaml:1",)),
    Case("a merge key of itself", one("a: &a\n  <<: *a\n  b: c\n"), ("invalid-yaml case/bad.yaml:2",)),
    Case("an alias of nothing", one(settings(data="a: *nothing")), ("invalid-yaml case/bad.yaml:7",)),
    Case("deep lists", one("a: " + "[" * 100_000), ("invalid-yaml case/bad.yaml:1",)),
    Case("deep lists that close", one("a: " + "[" * 5_000 + "]" * 5_000), ("invalid-yaml case/bad.yaml:1",)),
    Case("deep mappings", one("{a: " * 50_000), ("invalid-yaml case/bad.yaml:1",)),
    Case("deep indentation", one("".join(" " * n + "a:\n" for n in range(2_000))), ("invalid-yaml case/bad.yaml:201",)),
    Case("deep through aliases", one("a0: &a0 [x]\n" + "".join(f"a{n}: &a{n} [*a{n - 1}]\n" for n in range(1, 5_000))), ("invalid-yaml case/bad.yaml",)),
    Case("as deep as it may be", one(settings() + "---\napiVersion: v1\nkind: Example\nmetadata: {name: deep}\nspec: " + "[" * 195 + "]" * 195 + "\n")),
    Case("complex keys", one("? [a, b]\n: c\n? {d: e}\n: f\n"), ("invalid-yaml case/bad.yaml:1",)),
    Case("tags that would construct objects", one(settings(data="a: !!python/object/apply:os.system ['echo']"))),
    Case("tags of every sort", one("!!python/name:os.system\napiVersion: !!binary v1\nkind: !!set {x}\nmetadata: !Ref {name: !!timestamp 2001-01-01}\n")),
    Case("200,000 empty documents", one("---\n" * 200_000), briefly=True),
    Case("200,000 documents of null", one("--- ~\n" * 200_000), briefly=True),
    Case("100,000 list items", one("a: [" + "1," * 100_000 + "1]\n"), briefly=True),
    Case("100,000 keys", one(settings() + "".join(f"  k{n}: v\n" for n in range(100_000))), briefly=True),
    Case("a 100 MB file", {**one(""), "case/bad.yaml": Sparse(100 * MEGABYTE, settings().encode())}, ("invalid-yaml case/bad.yaml:1 … --limit file-size",)),
    Case("a 100 MB file that is not listed", {"case/kustomization.yaml": "resources: []\n", "docs/dump.yaml": Sparse(100 * MEGABYTE)}, ()),
    Case("a 10 GB script", {"scripts/bootstrap.sh": Sparse(10_000 * MEGABYTE, b"kubectl apply -f x\n")}),
    Case(
        "a 10 GB kustomization",
        {"case/kustomization.yaml": Sparse(10_000 * MEGABYTE, b"resources: []\n")},
        ("invalid-yaml case/kustomization.yaml:1 … --limit file-size",),
    ),
    Case("a 10 GB .sourceignore", {".sourceignore": Sparse(10_000 * MEGABYTE, b"x\n")}),
    Case(
        "a 10 GB value file",
        built("resources: [settings.yaml]\nconfigMapGenerator:\n- name: x\n  files: [big.bin]\n", **{"big.bin": Sparse(10_000 * MEGABYTE)}),
        ("build-failed case/kustomization.yaml",),
    ),
)

REFERRING = """\
apiVersion: apps/v1
kind: Deployment
metadata: {{name: web-{n}, namespace: neighbour}}
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
metadata: {{name: credentials-for-web-{n}, namespace: neighbour}}
spec:
  secretStoreRef: {{kind: ClusterSecretStore, name: store-{n}}}
  data: [{{secretKey: url, remoteRef: {{key: web}}}}]
"""
LONG = "n" * 300
REFERRING_AT_LENGTH = """\
apiVersion: kustomize.toolkit.fluxcd.io/v1
kind: Kustomization
metadata: {name: long, namespace: flux-system}
spec:
  path: ./long
  dependsOn: [{name: NAME}, {name: neighbour, namespace: NAME}]
  sourceRef: {kind: GitRepository, name: flux-system}
  postBuild: {substituteFrom: [{kind: ConfigMap, name: NAME}]}
  healthChecks: [{apiVersion: apps/v1, kind: NAME, name: NAME, namespace: NAME}]
---
apiVersion: external-secrets.io/v1
kind: ExternalSecret
metadata: {name: long, namespace: neighbour}
spec:
  secretStoreRef: {name: NAME, kind: SecretStore}
  data: [{secretKey: NAME, remoteRef: {key: NAME, property: NAME}}]
---
apiVersion: helm.toolkit.fluxcd.io/v2
kind: HelmRelease
metadata: {name: long, namespace: neighbour}
spec:
  chart: {spec: {chart: NAME, version: NAME, sourceRef: {kind: HelmRepository, name: NAME}}}
  valuesFrom: [{kind: ConfigMap, name: NAME}]
  values: {existingSecret: NAME, url: "http://NAME.NAME.svc"}
---
apiVersion: kustomize.toolkit.fluxcd.io/v1
kind: Kustomization
metadata: {name: longer, namespace: flux-system}
spec:
  path: ./NAME
  sourceRef: {kind: GitRepository, name: flux-system}
---
apiVersion: argoproj.io/v1alpha1
kind: Application
metadata: {name: long, namespace: argocd}
spec:
  project: NAME
  destination: {name: NAME, namespace: NAME}
  source: {repoURL: "ssh://git@example.org/platform.git", path: NAME, targetRevision: NAME, helm: {valueFiles: [NAME]}}
"""
POD_REFERRING_AT_LENGTH = """\
apiVersion: v1
kind: Pod
metadata: {name: pod, namespace: neighbour}
spec:
  containers: [{name: c, image: x, envFrom: [{secretRef: {name: NAME}}], env: [{name: A, valueFrom: {secretKeyRef: {name: long, key: NAME}}}]}]
  serviceAccountName: NAME
"""

NAMES = (
    Case("a name of a megabyte", one(settings("n" * MEGABYTE)), ("build-failed case/bad.yaml:4 … an object whose name has 1048576 characters",), briefly=True),
    Case(
        "a name that is a little too long",
        one(settings("n" * 254)),
        ("build-failed case/bad.yaml:4 … an object whose name has 254 characters; the API server takes no more than 253",),
    ),
    Case(
        "references that are longer than names may be",
        {"clusters/production/long.yaml": REFERRING_AT_LENGTH.replace("NAME", LONG), "long/pod.yaml": POD_REFERRING_AT_LENGTH.replace("NAME", LONG)},
        (
            f"dangling-depends-on clusters/production/long.yaml:6 … Kustomization/flux-system/{LONG[:200]}… (300 characters), which",
            f"missing-config-map clusters/production/long.yaml:8 … ConfigMap/flux-system/{LONG[:200]}… (300 characters), which",
            f"missing-secret long/pod.yaml:5 … Secret/neighbour/{LONG[:200]}… (300 characters), which",
            "missing-path clusters/production/long.yaml:30",
        ),
    ),
    Case(
        "names that are too long where nothing applies them",
        {
            "stray/app.yaml": f"apiVersion: argoproj.io/v1alpha1\nkind: Application\nmetadata:\n  name: {LONG}\nspec:\n  project: default\n"
            "  destination: {name: in-cluster}\n  source: {repoURL: 'ssh://git@example.org/platform.git', path: neighbour}\n",
            "overlays/one/kustomization.yaml": "resources: [settings.yaml]\n",
            "overlays/one/settings.yaml": settings(LONG),
        },
        (
            "build-failed stray/app.yaml:4 … an object whose name has 300 characters; the API server takes no more than 253",
            "build-failed overlays/one/settings.yaml:4 … an object whose name has 300 characters; the API server takes no more than 253",
        ),
    ),
    Case(
        "names that are no names",
        one(
            "---\n".join(REFERRING.format(n=n).replace(f"web-{n}, namespace", f"{name}, namespace") for n, name in enumerate(("./", "/", "a/b/", "..", "'#'")))
        ),
        ("missing-secret case/bad.yaml:12",),
    ),
    Case("a key of a megabyte", one(settings() + f"? {'k' * MEGABYTE}\n: v\n"), briefly=True),
    Case("a value of ten megabytes", one(settings(data="a: " + "v" * 10 * MEGABYTE)), briefly=True),
    Case(
        "a kind of a megabyte",
        one(f"apiVersion: v1\nkind: {'K' * MEGABYTE}\nmetadata: {{name: a}}\n"),
        ("build-failed case/bad.yaml:3 … an object whose kind has 1048576 characters",),
        briefly=True,
    ),
    Case(
        "a dependency on a megabyte",
        {
            "clusters/production/big.yaml": "apiVersion: kustomize.toolkit.fluxcd.io/v1\nkind: Kustomization\nmetadata: {name: big, namespace: flux-system}\nspec:\n  path: ./clusters\n  sourceRef: {kind: GitRepository, name: flux-system}\n  dependsOn:\n  - name: "
            + "de" * (MEGABYTE // 2)
            + "\n"
        },
        ("dangling-depends-on clusters/production/big.yaml:8",),
    ),
    Case(
        "names that are numbers, booleans and dates",
        one(
            "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: 123, namespace: true}\n---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: 2024-01-02, namespace: 1.5}\n---\napiVersion: 1\nkind: 2\nmetadata: {name: null, namespace: [], labels: 3}\n"
        ),
    ),
    Case(
        "a generator whose kind is a list",
        one(
            "apiVersion: external-secrets.io/v1\nkind: ExternalSecret\nmetadata: {name: e, namespace: neighbour}\nspec:\n  target: {name: x}\n  dataFrom: [{sourceRef: {generatorRef: {apiVersion: generators.external-secrets.io/v1alpha1, kind: [Password], name: p}}}]\n"
        ),
    ),
    Case("names that are lists and mappings", one("apiVersion: [v1]\nkind: {a: b}\nmetadata: {name: [a], namespace: {}}\n")),
    Case(
        "a kind that is a mapping in a file that git does not have yet",
        one(settings() + "---\nkind: {Deployment: x}\nspec: {replicas: 2}\n"),
        prepare=lambda root: git(root, "init", "--quiet"),
    ),
    Case(
        "no name at all",
        one("apiVersion: v1\nkind: ConfigMap\nmetadata: {}\n---\napiVersion: v1\nkind: ConfigMap\n---\nkind: ConfigMap\n---\nmetadata: {name: x}\n"),
    ),
    Case("a name with slashes", one(settings("../../etc/passwd"))),
    Case("a name of dots", one(settings(".."))),
    Case("duplicate keys", one(settings() + "  a: c\n"), ("duplicate-key case/bad.yaml:8",)),
    Case("duplicate keys in a kustomization", built("resources: [settings.yaml]\nresources: [settings.yaml]\n")),
    *(Case(f"names with {name}", hostile(text)) for name, text in HOSTILE_NAMES.items()),
)

CYCLES = (
    Case(
        "bases in a circle",
        {"case/kustomization.yaml": "resources: [../case2]\n", "case2/kustomization.yaml": "resources: [../case]\n"},
        ("build-failed case2/kustomization.yaml:1",),
    ),
    Case("a kustomization that contains itself", built("resources: [settings.yaml, .]\n"), ("build-failed case/kustomization.yaml:1",)),
    Case(
        "a kustomization that contains its parent",
        {"case/kustomization.yaml": "resources: [..]\n", "kustomization.yaml": "resources: [case]\n"},
        ("build-failed",),
    ),
    Case(
        "components in a circle",
        {
            "case/kustomization.yaml": "components: [../one]\n",
            "one/kustomization.yaml": "apiVersion: kustomize.config.k8s.io/v1alpha1\nkind: Component\ncomponents: [../two]\n",
            "two/kustomization.yaml": "apiVersion: kustomize.config.k8s.io/v1alpha1\nkind: Component\ncomponents: [../one]\n",
        },
        ("build-failed two/kustomization.yaml:3",),
    ),
    Case(
        "a Kustomization that contains itself",
        {
            "case/self.yaml": "apiVersion: kustomize.toolkit.fluxcd.io/v1\nkind: Kustomization\nmetadata: {name: self, namespace: flux-system}\nspec:\n  path: ./case\n  sourceRef: {kind: GitRepository, name: flux-system}\n"
        },
    ),
    Case(
        "Kustomizations that make ever new ones",
        {
            "case/self.yaml": "apiVersion: kustomize.toolkit.fluxcd.io/v1\nkind: Kustomization\nmetadata: {name: 'n${n:=}x', namespace: flux-system}\nspec:\n  path: ./case\n  sourceRef: {kind: GitRepository, name: flux-system}\n  postBuild: {substitute: {n: 'n${n:=}x'}}\n"
        },
    ),
    Case(
        "Kustomizations that name their children with a prefix",
        {
            "case/self.yaml": "apiVersion: kustomize.toolkit.fluxcd.io/v1\nkind: Kustomization\nmetadata: {name: self, namespace: flux-system}\nspec:\n  path: ./case\n  namePrefix: x\n  sourceRef: {kind: GitRepository, name: flux-system}\n"
        },
    ),
    Case(
        "dependencies in a circle",
        {
            "clusters/production/ring.yaml": "".join(
                f"apiVersion: kustomize.toolkit.fluxcd.io/v1\nkind: Kustomization\nmetadata: {{name: r{n}, namespace: flux-system}}\nspec:\n  path: ./neighbour\n  sourceRef: {{kind: GitRepository, name: flux-system}}\n  dependsOn: [{{name: r{(n + 1) % 50}}}]\n---\n"
                for n in range(50)
            )
        },
        ("dependency-cycle clusters/production/ring.yaml:7",),
    ),
    Case(
        "a chain of 300 bases",
        {
            "case/kustomization.yaml": "resources: [../b0]\n",
            **{f"b{n}/kustomization.yaml": f"resources: [../b{n + 1}]\n" for n in range(300)},
            "b300/kustomization.yaml": "resources: [s.yaml]\n",
            "b300/s.yaml": settings(),
        },
    ),
    Case(
        "bases that double at each level",
        {
            "case/kustomization.yaml": "resources: [../b0]\n",
            **{f"b{n}/kustomization.yaml": f"resources: [../b{n + 1}, ../c{n + 1}]\n" for n in range(24)},
            **{f"c{n}/kustomization.yaml": f"namePrefix: c{n}-\nresources: [../b{n + 1}, ../c{n + 1}]\n" for n in range(1, 24)},
            "b24/kustomization.yaml": "resources: [s.yaml]\n",
            "b24/s.yaml": settings(),
            "c24/kustomization.yaml": "namePrefix: c24-\nresources: [../b24]\n",
        },
        ("build-failed",),
        options=("--limit", "objects=500"),
    ),
)

# Every field of a kustomization that names a file; the lines of the last ones are only noted, since charts are not rendered.
FIELDS_OF_FILES = """\
resources:
- settings.yaml
- WAY
bases: [WAY]
components: [WAY]
crds: [WAY]
configurations: [WAY]
generators: [WAY]
transformers: [WAY]
validators: [WAY]
patches:
- path: WAY
patchesStrategicMerge: [WAY]
patchesJson6902:
- path: WAY
  target: {version: v1, kind: ConfigMap, name: settings}
replacements:
- path: WAY
configMapGenerator:
- {name: file, files: [WAY]}
- {name: key, files: ['k=WAY']}
- {name: envs, envs: [WAY]}
- {name: env, env: WAY}
secretGenerator:
- {name: secret-file, files: [WAY]}
- {name: secret-envs, envs: [WAY]}
openapi: {path: WAY}
helmGlobals: {chartHome: WAY}
helmCharts:
- {name: x, valuesFile: WAY, additionalValuesFiles: [WAY]}
"""
REFUSED = (3, 4, 5, 6, 7, 8, 9, 12, 13, 15, 18, 20, 21, 22, 23, 25, 26, 27)
WAYS_OUT = ("../../outside.yaml", "/etc/passwd", "../../../../../../../../../../etc/passwd", "./../case/../../outside.yaml", "/proc/self/environ", "link.yaml")
TRAVERSAL = tuple(
    Case(
        f"{way} in every field that names a file",
        built(FIELDS_OF_FILES.replace("WAY", way), **({"link.yaml": Link("../../outside.yaml")} if way == "link.yaml" else {})),
        tuple(f"build-failed case/kustomization.yaml:{line}" for line in REFUSED),
    )
    for way in WAYS_OUT
)


def unit(spec: str, kind: str = "kustomize.toolkit.fluxcd.io/v1\nkind: Kustomization") -> dict[str, Content]:
    """A file of the cluster with one Flux object."""
    return {"clusters/production/more.yaml": f"apiVersion: {kind}\nmetadata: {{name: more, namespace: flux-system}}\nspec:\n{spec}"}


PATHS = tuple(
    Case(f"spec.path {way}", unit(SOURCED + f"  path: {way}\n"), ("missing-path clusters/production/more.yaml:6",))
    for way in ("/etc", "../../etc", "'~'", "$HOME", "C:\\windows")
)

PATTERNS = (
    *(
        Case(
            f"a {name} in a patch target",
            built(
                f"resources: [settings.yaml]\npatches:\n- patch: |\n    - {{op: add, path: /x, value: y}}\n  target:\n    name: {quoted(pattern)}\n",
                **{"settings.yaml": settings("a" * 60 + "!")},
            ),
            said,
        )
        for name, pattern, said in (
            ("catastrophic expression", "(a+)+$", ()),
            ("catastrophic alternation", "(a|a|aa)+$", ()),
            ("catastrophic expression with a class", "([a-z]+)*[0-9]", ()),
            ("polynomial expression", ".*.*.*.*.*.*.*.*=.*", ()),
            ("group that never closes", "(a", ("build-failed case/kustomization.yaml",)),
            ("bad range", "[z-a]", ("build-failed case/kustomization.yaml",)),
            ("lookahead, which Go has not", "(?=a)", ("build-failed case/kustomization.yaml",)),
            ("backreference, which Go has not", "(a)\\1", ("build-failed case/kustomization.yaml",)),
            ("nested count", "((a{500}){500}){500}", ("build-failed case/kustomization.yaml",)),
            ("pattern of a megabyte", "(" * 1000 + "a" * MEGABYTE, ("build-failed case/kustomization.yaml",)),
        )
    ),
    Case(
        "a catastrophic label selector",
        built("resources: [settings.yaml]\npatches:\n- patch: |\n    - {op: remove, path: /data}\n  target: {labelSelector: '" + "a" * 50_000 + "!" + "'}\n"),
        ("build-failed case/kustomization.yaml",),
    ),
    Case(
        "a label selector of many commas",
        built("resources: [settings.yaml]\npatches:\n- patch: |\n    - {op: remove, path: /data}\n  target: {labelSelector: '" + "(,a" * 20_000 + "'}\n"),
        ("build-failed case/kustomization.yaml",),
    ),
    Case(
        "a catastrophic image name",
        {
            **built("resources: [pod.yaml]\nimages: [{name: '(a+)+b', newTag: x}]\n"),
            "case/pod.yaml": "apiVersion: v1\nkind: Pod\nmetadata: {name: p, namespace: neighbour}\nspec: {containers: [{name: c, image: " + "a" * 60 + "}]}\n",
        },
    ),
    Case(
        "a catastrophic pattern in a replacement",
        built(
            "resources: [settings.yaml]\nreplacements:\n- source: {kind: ConfigMap, name: settings, fieldPath: data.a}\n  targets:\n  - select: {kind: ConfigMap, name: '(s+)+x'}\n    fieldPaths: [data.a]\n"
        ),
    ),
    Case(
        "catastrophic patterns in a store",
        {
            "case/store.yaml": "apiVersion: external-secrets.io/v1\nkind: ClusterSecretStore\nmetadata: {name: s}\nspec:\n  conditions: [{namespaceRegexes: ['(n+)+x', '(?=z)', '(', '"
            + ".*" * 1000
            + "']}]\n  provider: {fake: {}}\n",
            "case/es.yaml": "apiVersion: external-secrets.io/v1\nkind: ExternalSecret\nmetadata: {name: e, namespace: neighbour}\nspec:\n  secretStoreRef: {name: s, kind: ClusterSecretStore}\n  target: {name: x}\n",
        },
    ),
    Case(
        "a variable with an index of a megabyte",
        built(
            "resources: [settings.yaml]\nvars:\n- name: X\n  objref: {apiVersion: v1, kind: ConfigMap, name: settings}\n  fieldref: {fieldpath: 'data.a"
            + "[0]" * 100_000
            + "'}\n"
        ),
    ),
    Case(
        "a path of 100,000 parts",
        built("resources: [settings.yaml]\npatches:\n- target: {kind: ConfigMap}\n  patch: |\n    - {op: add, path: " + "/a" * 100_000 + ", value: y}\n"),
        ("build-failed case/kustomization.yaml",),
    ),
    Case(
        "a replacement into 100,000 parts",
        built(
            "resources: [settings.yaml]\nreplacements:\n- source: {kind: ConfigMap, name: settings, fieldPath: data.a}\n  targets:\n  - select: {kind: ConfigMap}\n    fieldPaths: ["
            + ".".join(["a"] * 100_000)
            + "]\n    options: {create: true}\n"
        ),
    ),
    Case(
        "a field path of many items",
        built(
            "resources: [settings.yaml]\nreplacements:\n- source: {kind: ConfigMap, name: settings, fieldPath: 'data."
            + "[a=b]." * 20_000
            + "x'}\n  targets:\n  - select: {kind: ConfigMap}\n    fieldPaths: [data.a]\n"
        ),
        ("build-failed case/kustomization.yaml",),
    ),
    Case(
        "a .sourceignore of many stars",
        {".sourceignore": "*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*b\n" * 200 + "**/" * 500 + "x\n", "case/" + "a" * 200 + ".yaml": settings()},
    ),
    Case(
        "a .sourceignore of many lines",
        {".sourceignore": "".join(f"/a/x{number}*y\n" for number in range(100_000)), **one("a: [")},
        ("problem .sourceignore:1 … --limit ignore-patterns", "invalid-yaml case/bad.yaml:2"),
    ),
    Case(
        "a source that ignores many patterns",
        {
            **one("a: ["),
            **{
                path: text.replace("  interval: 1m\n", "  interval: 1m\n  ignore: |\n" + "".join(f"    /a/x{number}*y\n" for number in range(100_000)), 1)
                for path, text in sync("production").items()
            },
        },
        ("invalid-yaml clusters/production/flux-system/gotk-sync.yaml:8 … --limit ignore-patterns", "invalid-yaml case/bad.yaml:2"),
    ),
    Case("a comment of many spaces", one("# gitops-secrets:" + " " * 50_000 + "[" * 20_000 + "\n" + settings())),
    Case(
        "a command of many quotes",
        {
            "scripts/run.sh": "kubectl apply -f "
            + "'\"" * 20_000
            + "\n"
            + "helm upgrade "
            + "$(" * 20_000
            + "\n"
            + "X="
            + "\"'" * 20_000
            + "\n"
            + "kubectl " * 20_000
        },
    ),
    Case("a justfile of many variables", {"justfile": "".join(f"a{n} := a{n + 1} + a{n + 1}\n" for n in range(60)) + "run:\n  kubectl apply -f {{a0}}\n"}),
    Case("hosts that look like hosts", one(settings(data="a: '" + "a-" * 2_000 + "." + "svc." * 1_000 + "'"))),
    Case("an environment file of one line", built("resources: []\nconfigMapGenerator: [{name: x, envs: [e.env]}]\n", **{"e.env": "A=" * 500_000})),
    Case(
        "a version of many digits",
        unit(
            "  interval: 1h\n  chart: {spec: {chart: x, version: '" + "1" * 50_000 + ".2.x', sourceRef: {kind: HelmRepository, name: r}}}\n",
            "helm.toolkit.fluxcd.io/v2\nkind: HelmRelease",
        ),
    ),
    Case("a duration of many parts", unit(SOURCED + "  path: ./case\n  interval: " + "1h" * 50_000 + "x\n"), briefly=True),
)

PATCHES = (
    *(
        Case(
            f"a patch that is {name}",
            built(f"resources: [settings.yaml]\npatches:\n- patch: {patch}\n"),
            (f"{'invalid-yaml' if name in ('no YAML', 'of many aliases') else 'build-failed'} case/kustomization.yaml",),
        )
        for name, patch in (
            ("no YAML", "'{a: ['"),
            ("a number", "5"),
            ("a scalar", "just text"),
            ("a list of scalars", "'[1, 2]'"),
            ("an operation of no kind", "'[{op: explode, path: /a}]'"),
            ("an operation without a path", "'[{op: add, value: x}]'"),
            ("for nobody", "'{apiVersion: v1, kind: ConfigMap, metadata: {name: nobody}}'"),
            ("of many aliases", "'{a0: &a0 [x, x], " + ", ".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 10)) + "}'"),
        )
    ),
    Case(
        "a patch that removes what is not there",
        built("resources: [settings.yaml]\npatches:\n- target: {kind: ConfigMap}\n  patch: '[{op: remove, path: /gone}]'\n"),
        ("build-failed case/kustomization.yaml",),
    ),
    Case(
        "a patch into a text",
        built(
            "resources: [settings.yaml]\npatches:\n- target: {kind: ConfigMap}\n  patch: '[{op: add, path: /kind/a/b, value: 1}, {op: replace, path: /data/-1, value: 1}, {op: add, path: /data/01, value: 1}]'\n"
        ),
        ("build-failed case/kustomization.yaml",),
    ),
    Case(
        "a patch that moves an object into itself",
        built(
            "resources: [settings.yaml]\npatches:\n- target: {kind: ConfigMap}\n  patch: '[{op: move, from: /data, path: /data/a/b}, {op: copy, from: \"\", path: /data/c}]'\n"
        ),
        ("build-failed case/kustomization.yaml",),
    ),
    Case(
        "a patch that doubles itself",
        built(
            "resources: [settings.yaml]\npatches:\n- target: {kind: ConfigMap}\n  patch: |\n    - {op: add, path: /data, value: {a: [x]}}\n"
            + "    - {op: copy, from: /data, path: /data/x}\n" * 40
        ),
    ),
    Case(
        "a patch that deletes its object",
        built(
            "resources: [settings.yaml]\npatches:\n- patch: '{apiVersion: v1, kind: ConfigMap, metadata: {name: settings, namespace: neighbour}, $patch: delete}'\n"
        ),
    ),
    Case(
        "a patch that takes kind and name away",
        built("resources: [settings.yaml]\npatches:\n- target: {kind: ConfigMap}\n  patch: '[{op: remove, path: /kind}, {op: remove, path: /metadata}]'\n"),
        ("build-failed case",),
    ),
    Case(
        "100 patches of 1,000 objects",
        built(
            "resources: [many.yaml]\npatches:\n" + "- {target: {name: 's.*'}, patch: '[{op: add, path: /data/x, value: y}]'}\n" * 100,
            **{"many.yaml": "---\n".join(settings(f"s{n}") for n in range(1_000))},
        ),
    ),
)

EXPRESSIONS = (
    Case(
        "an expression nested 500 deep", substituted("a: " + "${x:-" * 500 + "y" + "}" * 500), ("build-failed case/settings.yaml:7 … --limit expression-depth",)
    ),
    Case("an expression that never closes", substituted("a: ${known"), ("build-failed case/settings.yaml:7",)),
    Case("an expression of nothing", substituted("a: '${}'"), ("build-failed case/settings.yaml:7",)),
    Case("an expression with a bad operator", substituted("a: ${known!x}"), ("build-failed case/settings.yaml:7",)),
    Case("100,000 expressions", substituted("a: " + "${known}" * 100_000), briefly=True),
    Case("100,000 dollars", substituted("a: " + "$" * 100_000), briefly=True),
    Case("an expression with a catastrophic glob", substituted("a: ${many%%" + "*a" * 40 + "b}")),
    Case("an expression that makes YAML", substituted('a: "${known}: ["')),
    Case(
        "expressions that make gigabytes",
        {
            **substituted("a: " + "${big}" * 60_000),
            "clusters/production/case.yaml": substituted("")["clusters/production/case.yaml"].replace("known: value", "big: " + "b" * 50_000),
        },
        ("build-failed case/settings.yaml:7 … --limit made-text",),
        options=("--limit", "made-text=10000000"),
    ),
    Case(
        "variables that make ever new units",
        {
            "clusters/production/case.yaml": substituted("")["clusters/production/case.yaml"].replace("known: value", "n: a"),
            "case/self.yaml": "apiVersion: kustomize.toolkit.fluxcd.io/v1\nkind: Kustomization\nmetadata: {name: 's-${n}', namespace: flux-system}\nspec:\n  path: ./case\n  postBuild: {substitute: {n: '${n}a'}}\n"
            + SOURCED,
        },
        ("build-failed case/self.yaml:3 … --limit unit-depth",),
    ),
)

FILES = (
    Case(
        "a link out of the repository",
        {"case/kustomization.yaml": "resources: [out.yaml]\n", "case/out.yaml": Link("../../outside.yaml")},
        ("build-failed case/kustomization.yaml:1",),
    ),
    Case(
        "a link to a directory outside",
        {"case/kustomization.yaml": "resources: [out/outside.yaml]\n", "case/out": Link("../..")},
        ("build-failed case/kustomization.yaml:1",),
    ),
    Case(
        "an absolute link",
        {"case/kustomization.yaml": "resources: [passwd]\n", "case/passwd": Link("/etc/passwd")},
        ("build-failed case/kustomization.yaml:1",),
    ),
    Case(
        "links in a circle",
        {"case/kustomization.yaml": "resources: [a.yaml]\n", "case/a.yaml": Link("b.yaml"), "case/b.yaml": Link("a.yaml")},
        ("build-failed case/kustomization.yaml:1",),
    ),
    Case("a link to itself", {"case/kustomization.yaml": Link("kustomization.yaml")}),
    Case("directories in a circle", {"case/loop": Link(".."), "case/self": Link("."), "case/settings.yaml": settings()}),
    Case(
        "a dangling link",
        {"case/kustomization.yaml": "resources: [gone.yaml]\n", "case/gone.yaml": Link("nowhere.yaml")},
        ("build-failed case/kustomization.yaml:1",),
    ),
    Case(
        "a link to a device",
        {"case/kustomization.yaml": "resources: [zero.yaml]\n", "case/zero.yaml": Link("/dev/zero")},
        ("build-failed case/kustomization.yaml:1",),
    ),
    Case(
        "a link to standard input",
        {"case/kustomization.yaml": "resources: [in.yaml]\n", "case/in.yaml": Link("/dev/stdin")},
        ("build-failed case/kustomization.yaml:1",),
    ),
    Case("a pipe", {"case/kustomization.yaml": "resources: [pipe.yaml]\n", "case/pipe.yaml": Special("fifo")}, ("build-failed case/kustomization.yaml:1",)),
    Case("a pipe for a kustomization", {"case/kustomization.yaml": Special("fifo")}),
    Case("a pipe for the configuration", {".gitops-secrets.yaml": Special("fifo"), ".sourceignore": Special("fifo")}),
    Case(
        "a socket",
        {"case/kustomization.yaml": "resources: [socket.yaml]\n", "case/socket.yaml": Special("socket")},
        ("build-failed case/kustomization.yaml:1",),
    ),
    Case("a directory with the name of a manifest", {"case/kustomization.yaml": "resources: [dir.yaml]\n", "case/dir.yaml/readme": "x"}, ("build-failed",)),
    Case("a directory with the name of a kustomization", {"case/kustomization.yaml/readme": "x", "case/settings.yaml": settings()}),
    Case("a missing file", {"case/kustomization.yaml": "resources:\n- gone.yaml\n"}, ("build-failed case/kustomization.yaml:2",)),
    Case("an empty entry", built("resources: ['', settings.yaml]\n"), ("build-failed case/kustomization.yaml:1",)),
    Case(
        "a file name with every character",
        {
            "case/kustomization.yaml": "resources: [settings.yaml]\n",
            "case/settings.yaml": settings(),
            "case/a\n\x1b[31m\t\"'`$;|&<>*?[]{}()\\ \u202e.yaml": settings(),
        },
    ),
    Case(
        "a file name that is not UTF-8",
        {"case/kustomization.yaml": "resources: [settings.yaml]\n", "case/settings.yaml": settings(), "case/bad-\udcff\udcfe.yaml": "a: ["},
    ),
    Case(
        "a directory name that is not UTF-8",
        {
            "bad-\udcff/kustomization.yaml": "resources: [gone.yaml]\n",
            "bad-\udcff/ks.yaml": "apiVersion: kustomize.toolkit.fluxcd.io/v1\nkind: Kustomization\nmetadata: {name: x, namespace: y}\nspec: {path: ./gone, sourceRef: {kind: GitRepository, name: flux-system}}\n",
        },
    ),
    Case("200 levels of directories", {"/".join(["d"] * 200) + "/kustomization.yaml": "resources: [gone.yaml]\n"}),
    Case("two kustomizations in a directory", built("resources: [settings.yaml]\n", **{"kustomization.yml": "resources: []\n"}), ("build-failed case",)),
)

LFS_POINTER = "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a214614ab2935c943f9e0ff69d22eadbb8f32b1258daaa5e2ca24d17e2393\nsize 12345\n"
REPOSITORIES = (
    Case("a git repository", one("a: ["), ("invalid-yaml case/bad.yaml:2",), prepare=commit),
    Case("a broken index", one("a: ["), ("problem .git:1 … index", "invalid-yaml case/bad.yaml:2"), prepare=with_broken_index),
    Case("no objects", one("a: ["), ("invalid-yaml case/bad.yaml:2",), prepare=without_objects, status={"check": {0, 1}}),
    Case("a shallow clone", one("a: ["), ("invalid-yaml case/bad.yaml:2",), prepare=shallow),
    Case("a bare repository", one("a: ["), status={command: {2} for command in STATUS}, prepare=bare, has_neighbour=False),
    Case("a revision of a bare repository", one("a: ["), status={"render": {2}, "generate": {2}}, prepare=bare, options=("--rev", "HEAD"), has_neighbour=False),
    Case("a revision", one("a: ["), ("invalid-yaml case/bad.yaml:2",), prepare=commit, options=("--rev", "HEAD")),
    Case(
        "links of a revision",
        {"case/kustomization.yaml": "resources: [out.yaml, a.yaml]\n", "case/out.yaml": Link("../../outside.yaml"), "case/a.yaml": Link("a.yaml")},
        ("build-failed case/kustomization.yaml:1",),
        prepare=commit,
        options=("--rev", "HEAD"),
    ),
    Case(
        "a large file of a revision",
        one(b"x" * 100_000),
        ("invalid-yaml case/bad.yaml:1 … --limit file-size",),
        prepare=commit,
        options=("--rev", "HEAD", "--limit", "file-size=50000"),
    ),
    Case(
        "a submodule that is not there",
        {"case/kustomization.yaml": "resources: [module]\n"},
        ("build-failed case/kustomization.yaml:1",),
        prepare=with_submodule,
    ),
    Case(
        "a revision with a submodule",
        {"case/kustomization.yaml": "resources: [module]\n"},
        ("build-failed case/kustomization.yaml:1",),
        prepare=with_submodule,
        options=("--rev", "HEAD"),
    ),
    Case("a pointer of Git LFS", one(LFS_POINTER), ("build-failed case/kustomization.yaml:2",), prepare=commit),
    Case("a .git that leads nowhere", {**one("a: ["), ".git": "gitdb: /nowhere\n"}, ("invalid-yaml case/bad.yaml:2",)),
    Case("a .git that leads out", {**one("a: ["), ".git": "gitdir: /\n"}, ("invalid-yaml case/bad.yaml:2",)),
    Case("an empty .git", {**one("a: ["), ".git/HEAD": ""}, ("invalid-yaml case/bad.yaml:2",)),
    Case("a git configuration that runs programs", one("a: ["), ("invalid-yaml case/bad.yaml:2",), prepare=with_programs),
    Case(
        "a folder of the repository that looks like git's own",
        {
            **one("a: ["),
            "case/HEAD": "ref: refs/heads/main\n",
            "case/objects/x": "",
            "case/refs/x": "",
            "case/config": '[core]\n\tbare = true\n\tfsmonitor = "touch ../../was-run"\n',
        },
        ("invalid-yaml case/bad.yaml:2",),
        status={"render": {0, 2}},
    ),
)

REFUSED_CALL = {command: {2} for command in STATUS}
CONFIGURATIONS = (
    *(
        Case(f"a configuration that {name}", {".gitops-secrets.yaml": text, **one(settings())}, status=REFUSED_CALL, has_neighbour=False)
        for name, text in (
            ("is no YAML", "rules: [\n"),
            ("is a list", "- a\n"),
            ("has an unknown key", f"{quoted(TERMINAL)}: x\n"),
            ("has the wrong types", "clusters: [1]\nrules: 5\n"),
            ("is an alias bomb", BILLION_LAUGHS),
            ("reads an absolute folder", "sources: {GitRepository/flux-system/other: {path: /etc}}\n"),
            ("reads a folder outside that is no checkout", "sources: {GitRepository/flux-system/other: {path: ..}}\n"),
        )
    ),
    Case(
        "ways out of the repository in the configuration",
        {
            ".gitops-secrets.yaml": f"bootstrap: [{', '.join(WAYS_OUT)}]\nignore:\n- {{rule: duplicate-key, path: ../../**, reason: x}}\n",
            "link.yaml": Link("../outside.yaml"),
            **one(settings()),
        },
    ),
    Case(
        "a cluster of the configuration outside of the repository",
        {".gitops-secrets.yaml": "clusters: {production: {path: ../..}}\n", **one(settings())},
        status={**REFUSED_CALL, "render": {0, 2}, "generate": {0, 1, 2}},
        has_neighbour=False,
    ),
    Case(
        "patterns of many stars in the configuration",
        {
            ".gitops-secrets.yaml": "rules: {missing-secret: {severity: error, paths: ['"
            + "**/*a*" * 200
            + "b', '**']}}\nignore:\n- {rule: invalid-yaml, path: '"
            + "*a" * 500
            + "', reason: x}\n",
            "case/" + "a" * 200 + ".yaml": "a: [",
        },
    ),
    Case(
        "rows for many kinds in the configuration",
        {".gitops-secrets.yaml": "kinds:\n" + "".join(f"- {{kind: K{n}.g{n}.io}}\n" for n in range(2_000)), **one(settings())},
        briefly=True,
    ),
)


def released(values: str, **files: Content) -> dict[str, Content]:
    """A release with a config map that holds `values` as a text."""
    release = """\
apiVersion: helm.toolkit.fluxcd.io/v2
kind: HelmRelease
metadata: {name: release, namespace: neighbour}
spec:
  interval: 1h
  chart: {spec: {chart: app, sourceRef: {kind: HelmRepository, name: charts}}}
  valuesFrom: [{kind: ConfigMap, name: values}]
---
apiVersion: v1
kind: ConfigMap
metadata: {name: values, namespace: neighbour}
data:
  values.yaml: |
"""
    return {"case/release.yaml": release + "".join(f"    {line}\n" for line in values.splitlines()), **{f"case/{name}": text for name, text in files.items()}}


def application(source: str, **files: Content) -> dict[str, Content]:
    """An Application of this repository's `chart`."""
    manifest = f"""\
apiVersion: argoproj.io/v1alpha1
kind: Application
metadata: {{name: app, namespace: argocd}}
spec:
  project: default
  destination: {{server: https://kubernetes.default.svc, namespace: neighbour}}
  source:
    repoURL: ssh://git@example.org/platform.git
    path: chart
{source}"""
    return {"clusters/production/app.yaml": manifest, "chart/Chart.yaml": "apiVersion: v2\nname: app\nversion: 1.0.0\n", **files}


VALUES = (
    Case("values of a config map that are an alias bomb", released(BILLION_LAUGHS), ("problem case/release.yaml:17 … --limit yaml-aliases",)),
    Case("values of a config map that are no YAML", released("a: [b\nc: d"), ("problem case/release.yaml:15",)),
    Case("values of a config map that are deep", released("a: " + "[" * 5_000), ("problem case/release.yaml:14 … --limit yaml-depth",)),
    Case(
        "values of a release that are an alias bomb",
        one(settings() + "---\nkind: HelmRelease\nspec:\n  values:\n" + "".join(f"    {line}\n" for line in BILLION_LAUGHS.splitlines())),
        ("invalid-yaml case/bad.yaml",),
    ),
    Case("a SOPS file of many aliases", one(settings() + "sops: {mac: x}\n" + BILLION_LAUGHS), ("invalid-yaml case/bad.yaml",)),
    *(
        Case(
            f"value files of an Application at {way}",
            application(
                f"    helm: {{valueFiles: [{way}], fileParameters: [{{name: a, path: {way}}}]}}\n",
                **({"chart/link.yaml": Link("../../outside.yaml")} if way == "link.yaml" else {}),
            ),
            (f"build-failed clusters/production/app.yaml:10 … takes values from {way}, which is ",),
        )
        for way in WAYS_OUT
    ),
    Case(
        "values of an Application that are an alias bomb",
        application("    helm:\n      values: |\n" + "".join(f"        {line}\n" for line in BILLION_LAUGHS.splitlines())),
        ("build-failed clusters/production/app.yaml:11 … --limit yaml-aliases",),
    ),
    Case(
        "an Application that leads out of the repository",
        application("").__class__(
            {**application(""), "clusters/production/app.yaml": str(application("")["clusters/production/app.yaml"]).replace("path: chart", "path: ../..")}
        ),
        ("missing-path clusters/production/app.yaml:9",),
    ),
)


def bomb(indentation: int) -> str:
    """Aliases for billions of values, as the lines of a literal block."""
    return "|\n" + "".join(f"{' ' * indentation}{line}\n" for line in BILLION_LAUGHS.splitlines())


DEEP = "[" * 300 + "]" * 300
NETWORKS = '[{"name": ' + DEEP + "}]"
PROVIDER_CLASS = "apiVersion: secrets-store.csi.x-k8s.io/v1\nkind: SecretProviderClass\nmetadata: {name: class, namespace: neighbour}\nspec:\n  parameters:\n"
ANNOTATED_POD = "apiVersion: v1\nkind: Pod\nmetadata:\n  name: p\n  namespace: neighbour\n  annotations:\n    k8s.v1.cni.cncf.io/networks: '{}'\n"
ARGO_SETTINGS = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: argocd-cm, namespace: argocd}\ndata:\n  resource.exclusions: "
CHECKOUT = "sources:\n  GitRepository/flux-system/other: {path: ../checkout}\n"
DEPTH = "nested too deeply; --limit yaml-depth=NUMBER allows more than 200"
ALIASES = "aliases stand for too many values; --limit yaml-aliases=NUMBER allows more than 10000"


def checkout_of_many_patterns(root: Path) -> None:
    """Another repository beside it, whose source leaves out more than is looked at."""
    make(root.parent / "checkout", {".sourceignore": "".join(f"/a/x{number}*y\n" for number in range(1_001)), "a.yaml": settings()})
    commit(root.parent / "checkout")


TEXTS = (
    Case(
        "objects of a provider class that are an alias bomb",
        one(PROVIDER_CLASS + "    objects: " + bomb(6)),
        (f"problem case/bad.yaml:6 … spec.parameters.objects of SecretProviderClass.secrets-store.csi.x-k8s.io/neighbour/class can't be read: {ALIASES}",),
    ),
    Case(
        "objects of a provider class with a deep text",
        one(PROVIDER_CLASS + f"    objects: |\n      array:\n      - 'a: {DEEP}'\n"),
        (f"problem case/bad.yaml:6 … {DEPTH}",),
    ),
    Case("objects of a provider class that are no YAML", one(PROVIDER_CLASS + "    objects: '[a'\n"), ("problem case/bad.yaml:6 … can't be read: ",)),
    Case(
        "deep networks of a pod",
        one(ANNOTATED_POD.format(NETWORKS)),
        (f'problem case/bad.yaml:7 … ["k8s.v1.cni.cncf.io/networks"] of Pod/neighbour/p can\'t be read: {DEPTH}',),
    ),
    Case("networks of a pod that are no JSON", one(ANNOTATED_POD.format("[{")), ("problem case/bad.yaml:7 … can't be read: ",)),
    Case(
        "deep networks in the values of a release",
        unit(
            "  interval: 1h\n  chart: {spec: {chart: app, sourceRef: {kind: HelmRepository, name: charts}}}\n  values:\n    annotations:\n"
            f"      k8s.v1.cni.cncf.io/networks: '{NETWORKS}'\n",
            "helm.toolkit.fluxcd.io/v2\nkind: HelmRelease",
        ),
        (f"problem clusters/production/more.yaml:9 … {DEPTH}",),
    ),
    Case(
        "deep networks in the values of a release for whom more is allowed",
        unit(
            "  interval: 1h\n  chart: {spec: {chart: app, sourceRef: {kind: HelmRepository, name: charts}}}\n  values:\n    annotations:\n"
            f'      k8s.v1.cni.cncf.io/networks: \'[{{"name": "lan", "x": {DEEP}}}]\'\n',
            "helm.toolkit.fluxcd.io/v2\nkind: HelmRelease",
        ),
        options=("--limit", "yaml-depth=400"),
        unsaid=("can't be read",),
    ),
    Case(
        "excluded kinds of an Argo CD that are an alias bomb",
        {**application(""), "clusters/production/argocd.yaml": ARGO_SETTINGS + bomb(4)},
        (f"problem clusters/production/argocd.yaml:5 … {ALIASES}",),
    ),
    Case(
        "excluded kinds of an Argo CD that are no YAML",
        {**application(""), "clusters/production/argocd.yaml": ARGO_SETTINGS + "'[a'\n"},
        ("problem clusters/production/argocd.yaml:5",),
    ),
    Case(
        "a checkout of another source with a .sourceignore of many lines",
        {".gitops-secrets.yaml": CHECKOUT, **one(settings())},
        ("problem ../checkout/.sourceignore:1 … --limit ignore-patterns=NUMBER allows more than 1000",),
        prepare=checkout_of_many_patterns,
    ),
    Case(
        "a variable that is deep YAML",
        {
            **substituted("a: ${deep}"),
            "clusters/production/case.yaml": substituted("")["clusters/production/case.yaml"].replace("known: value", f"deep: '{DEEP}'"),
        },
        (f"build-failed case/settings.yaml:7 … {DEPTH}",),
    ),
    Case(
        "values of a chart of k3s that are an alias bomb",
        {
            "bootstrap/k3s.yaml": "apiVersion: helm.cattle.io/v1\nkind: HelmChart\nmetadata: {name: a, namespace: kube-system}\nspec:\n  chart: a\n  repo: https://example.org\n  valuesContent: "
            + bomb(4)
        },
        (f"problem bootstrap/k3s.yaml:7 … {ALIASES}",),
    ),
    Case(
        "a manifest in a Talos configuration that is an alias bomb",
        {"talos/patch.yaml": "cluster:\n  inlineManifests:\n    - name: a\n      contents: " + bomb(8)},
        (f"problem talos/patch.yaml:4 … {ALIASES}",),
    ),
)


WRONG_TYPES = """\
apiVersion: kustomize.toolkit.fluxcd.io/v1
kind: Kustomization
metadata: {name: wrong, namespace: flux-system}
spec:
  path: [neighbour]
  wait: "yes"
  dependsOn: neighbour
  sourceRef: [flux-system]
---
apiVersion: helm.toolkit.fluxcd.io/v2
kind: HelmRelease
metadata: {name: wrong, namespace: neighbour}
spec:
  chart: charts/app
  values: [a]
  valuesFrom: {kind: ConfigMap, name: values}
  dependsOn: [a, {name: 5}, {name: "${unknown}"}]
---
apiVersion: external-secrets.io/v1
kind: ExternalSecret
metadata: {name: wrong, namespace: neighbour}
spec:
  secretStoreRef: aws
  target: [wrong]
  data: {secretKey: a}
---
apiVersion: argoproj.io/v1alpha1
kind: ApplicationSet
metadata: {name: wrong, namespace: argocd}
spec:
  generators: [{list: [a]}]
  template: 7
"""
TYPES = (
    Case(
        "wrong types in the fields of engines",
        {"clusters/production/wrong.yaml": WRONG_TYPES},
        (
            "problem clusters/production/wrong.yaml:5 … spec.path of Kustomization/flux-system/wrong must be text",
            "problem clusters/production/wrong.yaml:6 … spec.wait of Kustomization/flux-system/wrong must be a boolean",
            "problem clusters/production/wrong.yaml:7 … spec.dependsOn of Kustomization/flux-system/wrong must be a list",
            "problem clusters/production/wrong.yaml:8 … spec.sourceRef of Kustomization/flux-system/wrong must be a mapping",
            "problem clusters/production/wrong.yaml:14 … spec.chart of HelmRelease/neighbour/wrong must be a mapping",
            "problem clusters/production/wrong.yaml:15 … spec.values of HelmRelease/neighbour/wrong must be a mapping",
            "problem clusters/production/wrong.yaml:16 … spec.valuesFrom of HelmRelease/neighbour/wrong must be a list",
            "problem clusters/production/wrong.yaml:17 … spec.dependsOn[0] of HelmRelease/neighbour/wrong must be a mapping",
            "problem clusters/production/wrong.yaml:17 … spec.dependsOn[1].name of HelmRelease/neighbour/wrong must be text",
            "problem clusters/production/wrong.yaml:23 … spec.secretStoreRef of ExternalSecret/neighbour/wrong must be a mapping",
            "problem clusters/production/wrong.yaml:24 … spec.target of ExternalSecret/neighbour/wrong must be a mapping",
            "problem clusters/production/wrong.yaml:25 … spec.data of ExternalSecret/neighbour/wrong must be a list",
            "problem clusters/production/wrong.yaml:32 … spec.template of ApplicationSet/argocd/wrong must be a mapping",
            "build-failed clusters/production/wrong.yaml:31 … its list generator is no mapping",
        ),
        unsaid=("dependsOn[2]",),
    ),
    Case(
        "wrong types in the fields of a pod",
        one(
            "apiVersion: v1\nkind: Pod\nmetadata: {name: p, namespace: neighbour}\nspec:\n  serviceAccountName: 5\n  volumes: {secret: x}\n"
            "  imagePullSecrets: [registry]\n  containers: [{name: c, image: x, envFrom: [{secretRef: x}]}, c]\n"
        ),
        (
            "problem case/bad.yaml:5 … spec.serviceAccountName of Pod/neighbour/p must be text",
            "problem case/bad.yaml:6 … spec.volumes of Pod/neighbour/p must be a list",
            "problem case/bad.yaml:7 … spec.imagePullSecrets[0] of Pod/neighbour/p must be a mapping",
            "problem case/bad.yaml:8 … spec.containers[0].envFrom[0].secretRef of Pod/neighbour/p must be a mapping",
        ),
    ),
    Case(
        "options of kustomize in an Application that are no mappings",
        {
            **built("resources: [settings.yaml]\n"),
            "clusters/production/app.yaml": str(
                application("    kustomize: {replicas: [5], images: [5], patches: [7]}\n")["clusters/production/app.yaml"]
            ).replace("path: chart", "path: case"),
        },
        ("build-failed clusters/production/app.yaml",),
    ),
)


LONG_PATH = "a." * 50_000 + "b"
DEEP_PATH = "a path into values leads too deep; --limit yaml-depth=NUMBER allows more than 200"
RELEASES = "releases:\n" + "".join(f"- {{name: r{n}, namespace: n{n}, chart: a/b, values: [values.yaml]}}\n" for n in range(3_000))
VALUE_PATHS = (
    Case(
        "values of a config map at a path of 50,000 steps",
        {
            "clusters/production/release.yaml": "apiVersion: helm.toolkit.fluxcd.io/v2\nkind: HelmRelease\nmetadata: {name: r, namespace: neighbour}\nspec:\n  interval: 1h\n"
            f"  valuesFrom: [{{kind: ConfigMap, name: v, valuesKey: a, targetPath: {LONG_PATH}}}]\n---\n" + settings("v")
        },
        (f"problem clusters/production/release.yaml:6 … {DEEP_PATH}",),
    ),
    Case(
        "a parameter of an Application with a path of 50,000 steps",
        application(f"    helm: {{parameters: [{{name: {LONG_PATH}, value: x}}]}}\n"),
        (f"invalid-yaml clusters/production/app.yaml:10 … {DEEP_PATH}",),
    ),
    Case(
        "a setting of a helmfile with a path of 50,000 steps",
        {"bootstrap/helmfile.yaml": f"releases:\n- {{name: r, namespace: n, chart: a/b, set: [{{name: {LONG_PATH}, value: x}}]}}\n"},
        (f"problem bootstrap/helmfile.yaml:2 … {DEEP_PATH}",),
    ),
    Case(
        "bases of helmfiles that double at each level",
        {f"bootstrap/helmfile{n}.yaml": f"bases: [helmfile{n + 1}.yaml, other{n + 1}.yaml]\n" for n in range(24)}
        | {f"bootstrap/other{n}.yaml": f"bases: [helmfile{n + 1}.yaml, other{n + 1}.yaml]\n" for n in range(24)},
    ),
    Case(
        "a secret of every one of many ClusterExternalSecrets in every one of many namespaces",
        one(
            "---\n".join(
                f"apiVersion: external-secrets.io/v1\nkind: ClusterExternalSecret\nmetadata: {{name: c{n}}}\nspec:\n  namespaceSelector: {{}}\n"
                f"  externalSecretSpec: {{target: {{name: x{n}}}, data: [{{secretKey: a, remoteRef: {{key: b}}}}]}}\n"
                for n in range(100)
            )
            + "".join(f"---\napiVersion: v1\nkind: Namespace\nmetadata: {{name: n{n}}}\n" for n in range(100))
        ),
        ("problem case/bad.yaml … is left out, with those after it: with the others it makes too many ExternalSecrets; --limit objects",),
        options=("--limit", "objects=1000"),
        briefly=True,
    ),
    Case(
        "many releases of a helmfile with a value file of many keys",
        {"bootstrap/helmfile.yaml": RELEASES, "bootstrap/values.yaml": "".join(f"k{n}: v\n" for n in range(5_000))},
        ("problem bootstrap/helmfile.yaml:1 … --limit steps",),
        options=("--limit", "steps=500000"),
        briefly=True,
    ),
    Case(
        "a kustomization of 2,000 unknown fields",
        {"case/kustomization.yaml": "".join(f"resourcez{n}: x\n" for n in range(2_000))},
        ("build-failed case/kustomization.yaml",),
        briefly=True,
    ),
)


def many(count: int, text: str = "", kind: str = "v1\nkind: ConfigMap") -> str:
    """Objects of one kind."""
    return "---\n".join(f"apiVersion: {kind}\nmetadata: {{name: s{number}, namespace: neighbour}}\n{text}" for number in range(count))


def listed(name: str, entry: str, count: int) -> str:
    """A kustomization of `many.yaml` with a field of many entries; `N` in one stands for its number."""
    return f"resources: [many.yaml]\n{name}:\n" + "".join(f"- {entry.replace('N', str(number))}\n" for number in range(count))


STEPS = ("--limit", "steps=200000")
TEXT = ("--limit", "made-text=1000000")
TOO_MUCH_WORK = "build-failed case/kustomization.yaml{} … --limit steps"
TOO_MUCH_TEXT = "build-failed case/kustomization.yaml{} … --limit made-text"
SET = "apiVersion: fluxcd.controlplane.io/v1\nkind: ResourceSet\nmetadata: {name: set, namespace: flux-system}\nspec:\n"
APPLICATIONS = "apiVersion: argoproj.io/v1alpha1\nkind: ApplicationSet\nmetadata: {name: set, namespace: argocd}\nspec:\n"
TEMPLATE = "  template: {metadata: {name: 'x{{a}}-{{b}}'}, spec: {project: default, source: {repoURL: x, path: y}, destination: {name: in-cluster}}}\n"
# What a few lines can make large: told at their place, with the option that allows more.
AMPLIFIERS = (
    *(
        Case(name, {**built(kustomization), "case/many.yaml": objects, **files}, (said,), options=options, briefly=True)
        for name, kustomization, objects, files, said, options in (
            (
                "a file in many keys of a generator",
                "configMapGenerator:\n- name: x\n  files: [" + ", ".join(f"k{n}=big.txt" for n in range(200)) + "]\n",
                "",
                {"case/big.txt": "x" * 10_000},
                TOO_MUCH_TEXT.format(":3"),
                TEXT,
            ),
            (
                "a file in many generated Secrets",
                listed("secretGenerator", "{name: xN, files: [big.txt]}", 200),
                many(1),
                {"case/big.txt": "x" * 10_000},
                TOO_MUCH_TEXT.format(":103"),
                TEXT,
            ),
            (
                "an environment of many lines in many generators",
                listed("configMapGenerator", "{name: xN, envs: [e.env]}", 100),
                many(1),
                {"case/e.env": "".join(f"K{n}=v\n" for n in range(1_000))},
                TOO_MUCH_WORK.format(":22"),
                STEPS,
            ),
            ("a long prefix of many objects", "namePrefix: " + "p" * 50_000 + "\nresources: [many.yaml]\n", many(50), {}, TOO_MUCH_TEXT.format(":1"), TEXT),
            (
                "many labels of many objects",
                "resources: [many.yaml]\ncommonLabels:\n" + "".join(f"  k{n}: v\n" for n in range(300)),
                many(100),
                {},
                TOO_MUCH_WORK.format(":2"),
                STEPS,
            ),
            (
                "many patches of many objects",
                listed("patches", "{target: {kind: ConfigMap}, patch: '{apiVersion: v1, kind: ConfigMap, metadata: {name: x}, data: {a: xN}}'}", 2_000),
                many(100),
                {},
                TOO_MUCH_WORK.format(""),
                STEPS,
            ),
            (
                "many operations on an object of many keys",
                "resources: [many.yaml]\npatches:\n- target: {kind: ConfigMap}\n  patch: |\n"
                + "".join(f"    - {{op: add, path: /data/y{n}, value: y}}\n" for n in range(1_000)),
                settings() + "".join(f"  k{n}: v\n" for n in range(1_000)),
                {},
                TOO_MUCH_WORK.format(":3"),
                STEPS,
            ),
            (
                "many merges with an object of many keys",
                listed("patches", "{patch: '{apiVersion: v1, kind: ConfigMap, metadata: {name: settings, namespace: neighbour}, data: {yN: z}}'}", 500),
                settings() + "".join(f"  k{n}: v\n" for n in range(1_000)),
                {},
                TOO_MUCH_WORK.format(""),
                STEPS,
            ),
            (
                "operations that double an object",
                "resources: [many.yaml]\npatches:\n- target: {kind: ConfigMap}\n  patch: |\n"
                + "".join(f"    - {{op: copy, from: /data, path: /data/{key}}}\n" for key in "xy" * 40),
                many(1, "data: {a: b}\n"),
                {},
                TOO_MUCH_WORK.format(":3"),
                STEPS,
            ),
            (
                "replacements that double an object",
                listed(
                    "replacements",
                    "{source: {kind: ConfigMap, name: s0, fieldPath: data}, targets: [{select: {kind: ConfigMap}, fieldPaths: [data.xN, data.yN], options: {create: true}}]}",
                    60,
                ),
                many(1, "data: {a: b}\n"),
                {},
                TOO_MUCH_WORK.format(""),
                STEPS,
            ),
            (
                "replacements that double a text",
                listed(
                    "replacements",
                    "{source: {kind: ConfigMap, name: s0, fieldPath: data.a}, targets: [{select: {kind: ConfigMap}, fieldPaths: [data.a], options: {delimiter: '-', index: -1}}]}",
                    60,
                ),
                many(1, "data: {a: b}\n"),
                {},
                TOO_MUCH_TEXT.format(""),
                TEXT,
            ),
            (
                "many images in many pods",
                listed("images", "{name: iN, newTag: x}", 500),
                many(200, "spec: {containers: [{name: c, image: x}]}\n", "v1\nkind: Pod"),
                {},
                TOO_MUCH_WORK.format(""),
                STEPS,
            ),
            (
                "a long variable in many places",
                "resources: [many.yaml]\nvars:\n- {name: A, objref: {apiVersion: v1, kind: Pod, name: s0}, fieldref: {fieldPath: spec.hostname}}\n",
                many(1, f"spec: {{hostname: {'h' * 10_000}, containers: [{{name: c, image: x, args: [{', '.join(['$(A)$(A)'] * 100)}]}}]}}\n", "v1\nkind: Pod"),
                {},
                TOO_MUCH_TEXT.format(""),
                TEXT,
            ),
            (
                "many fields of a configuration",
                "resources: [many.yaml]\nconfigurations: [fields.yaml]\n",
                many(1),
                {"case/fields.yaml": "namePrefix:\n" + "".join(f"- {{path: a/b{n}}}\n" for n in range(1_000))},
                TOO_MUCH_WORK.format(":2"),
                STEPS,
            ),
        )
    ),
    Case(
        "problems that double at each level",
        {
            "case/kustomization.yaml": "resources: [../b0, 'https://example.org/x.git?ref=1']\nhelmCharts: [{name: x}]\n",
            **{f"b{n}/kustomization.yaml": f"resources: [../b{n + 1}, ../b{n + 1}]\nhelmCharts: [{{name: x}}]\n" for n in range(40)},
            "b40/kustomization.yaml": "resources: [gone.yaml]\n",
        },
        ("build-failed b40/kustomization.yaml:1",),
        briefly=True,
    ),
    Case(
        "a set of long templates",
        {"clusters/production/set.yaml": SET + "  resourcesTemplate: |\n    << range until 1000 >><< repeat 3000 `y` >><< end >>\n"},
        ("build-failed clusters/production/set.yaml:5 … --limit template-text",),
        options=("--limit", "template-text=100000"),
    ),
    Case(
        "a set of templates that take long",
        {"clusters/production/set.yaml": SET + "  resourcesTemplate: |\n    << range until 1000 >><< range until 1000 >><< end >><< end >>\n"},
        ("build-failed clusters/production/set.yaml:5 … --limit template-steps",),
        options=("--limit", "template-steps=10000"),
    ),
    Case(
        "a set of many inputs",
        {
            "clusters/production/set.yaml": SET
            + "  inputs:\n"
            + "".join(f"  - {{n: a{n}}}\n" for n in range(500))
            + "  resourcesTemplate: |\n    << inputs.n >><< range until 900 >><< end >>\n"
        },
        ("build-failed clusters/production/set.yaml … --limit steps",),
        options=STEPS,
    ),
    Case(
        "a set of many objects",
        {
            "clusters/production/set.yaml": SET
            + "  resourcesTemplate: |\n    << range $i := until 200 >>\n    ---\n    {apiVersion: v1, kind: ConfigMap, metadata: {name: 'n<< $i >>'}}\n    << end >>\n"
        },
        ("build-failed clusters/production/set.yaml:5 … --limit objects",),
        options=("--limit", "objects=100"),
    ),
    Case(
        "a matrix of many Applications",
        {
            "clusters/production/set.yaml": APPLICATIONS
            + "  generators:\n  - matrix:\n      generators:\n"
            + "".join(f"      - list: {{elements: [{', '.join(f'{{{key}: x{n}}}' for n in range(300))}]}}\n" for key in "ab")
            + TEMPLATE
        },
        ("build-failed clusters/production/set.yaml:6 … --limit objects",),
        options=("--limit", "objects=1000"),
    ),
    Case(
        "elements of a generator that are an alias bomb",
        {
            "clusters/production/set.yaml": APPLICATIONS
            + "  generators:\n  - list:\n      elementsYaml: |\n"
            + "".join(f"        {line}\n" for line in BILLION_LAUGHS.splitlines())
            + TEMPLATE
        },
        ("build-failed clusters/production/set.yaml:6 … --limit yaml-aliases",),
    ),
)

# What a finding costs must not grow with the number of the others.
MANY_FINDINGS = (
    Case(
        "3,000 references that lead nowhere, each beside a name that is much alike",
        one("---\n".join(REFERRING.format(n=n) for n in range(1_000))),
        (
            "missing-secret case/bad.yaml:12 … (did you mean credentials-for-web-0?)",
            "missing-secret case/bad.yaml:20991 … (did you mean credentials-for-web-999?)",
            "missing-key case/bad.yaml:13 … (did you mean url?)",
            "missing-store case/bad.yaml:19",
        ),
        briefly=True,
    ),
    Case(
        "1,000 dependencies on units that are not there",
        {
            f"clusters/production/u{n}.yaml": "apiVersion: kustomize.toolkit.fluxcd.io/v1\nkind: Kustomization\n"
            f"metadata: {{name: unit-{n}, namespace: flux-system}}\nspec:\n  path: ./nowhere-{n}\n  dependsOn: [{{name: units-{n}}}]\n" + SOURCED
            for n in range(1_000)
        },
        ("dangling-depends-on clusters/production/u0.yaml:6", "missing-path clusters/production/u0.yaml:5"),
        briefly=True,
    ),
)

GATEWAY = "apiVersion: gateway.networking.k8s.io/v1\nkind: Gateway\nmetadata: {{name: g{n}, namespace: neighbour}}\nspec: {{gatewayClassName: c}}\n"
ROUTE = "apiVersion: gateway.networking.k8s.io/v1\nkind: HTTPRoute\nmetadata: {{name: r{n}, namespace: neighbour}}\nspec:\n  parentRefs: [{parents}]\n  rules: [{{backendRefs: [{backends}]}}]\n"
# What names much is looked at in the time of what it names.
MANY_NAMED = (
    Case(
        "a variable that names 50,000 hosts",
        one(
            "apiVersion: v1\nkind: Pod\nmetadata: {name: p, namespace: neighbour}\nspec:\n  containers: [{name: c, image: x, env: [{name: HOSTS, value: '"
            + ",".join(f"http://s{n}.n{n % 50}.svc:80" for n in range(50_000))
            + "'}]}]\n"
        ),
        briefly=True,
    ),
    Case(
        "80 routes that each name 80 gateways and 80 backends",
        one(
            "---\n".join(GATEWAY.format(n=n) for n in range(80))
            + "---\n"
            + "---\n".join(
                ROUTE.format(n=n, parents=", ".join(f"{{name: g{g}}}" for g in range(80)), backends=", ".join(f"{{name: b{b}, port: 80}}" for b in range(80)))
                for n in range(80)
            )
        ),
        briefly=True,
    ),
    Case(
        "1,000 dependencies of a unit on units that are not there",
        {
            "clusters/production/lost.yaml": "apiVersion: kustomize.toolkit.fluxcd.io/v1\nkind: Kustomization\nmetadata: {name: lost, namespace: flux-system}\nspec:\n  path: ./nowhere\n"
            + SOURCED
            + "  dependsOn:\n"
            + "".join(f"  - name: neighbor-{n}\n" for n in range(1_000))
        },
        ("dangling-depends-on clusters/production/lost.yaml:8", "dangling-depends-on clusters/production/lost.yaml:1007"),
        briefly=True,
    ),
    Case(
        "2,000 resources that are not there",
        {
            "case/kustomization.yaml": "resources:\n" + "".join(f"- setting-{n}.yaml\n" for n in range(2_000)),
            **{f"case/settings-{n}.yaml": "" for n in range(300)},
        },
        ("build-failed case/kustomization.yaml:2", "build-failed case/kustomization.yaml:2001"),
        briefly=True,
    ),
)

# Every other field and command that names a file.
READING_FILES = """\
apiVersion: helm.toolkit.fluxcd.io/v2
kind: HelmRelease
metadata: {{name: reading, namespace: neighbour}}
spec:
  interval: 1h
  chart: {{spec: {{chart: {way}, valuesFiles: [{way}], sourceRef: {{kind: GitRepository, name: flux-system, namespace: flux-system}}}}}}
---
apiVersion: argoproj.io/v1alpha1
kind: ApplicationSet
metadata: {{name: reading, namespace: argocd}}
spec:
  goTemplate: true
  generators:
    - git: {{repoURL: "ssh://git@example.org/platform.git", files: [{{path: {way}}}]}}
    - git: {{repoURL: "ssh://git@example.org/platform.git", directories: [{{path: {way}}}]}}
  template:
    metadata: {{name: "{{{{.metadata.name}}}}"}}
    spec:
      project: default
      source: {{repoURL: "ssh://git@example.org/platform.git", path: {way}, directory: {{recurse: true, include: {way}}}}}
      destination: {{name: in-cluster, namespace: neighbour}}
"""
READERS = tuple(
    Case(
        f"{way} in charts, sets, scripts, helmfiles and Terraform",
        {
            **one(settings()),
            "clusters/production/reading.yaml": READING_FILES.format(way=way),
            "scripts/up.sh": f"kubectl apply -f {way}\nkubectl apply -k {way}\nhelm install a {way} --values {way}\nhelmfile -f {way} apply\n",
            "bootstrap/helmfile.yaml": f"bases: [{way}]\nhelmfiles: [{way}]\nreleases: [{{name: a, namespace: b, chart: {way}, values: [{way}]}}]\n",
            "infra/main.tf": f'module "a" {{\n  source = "{way}"\n}}\nresource "kubectl_manifest" "b" {{\n  yaml_body = file("{way}")\n}}\n',
            "link.yaml": Link("../outside.yaml"),
            "scripts/link.yaml": Link("../../outside.yaml"),
            "bootstrap/link.yaml": Link("../../outside.yaml"),
        },
        briefly=True,
    )
    for way in WAYS_OUT
)

FAMILIES = (
    REPOSITORIES,
    NOT_YAML,
    BOMBS,
    NAMES,
    CYCLES,
    TRAVERSAL,
    PATHS,
    PATTERNS,
    PATCHES,
    EXPRESSIONS,
    FILES,
    CONFIGURATIONS,
    VALUES,
    TEXTS,
    TYPES,
    VALUE_PATHS,
    AMPLIFIERS,
    MANY_FINDINGS,
    MANY_NAMED,
    READERS,
)
CASES = tuple(case for family in FAMILIES for case in family)
