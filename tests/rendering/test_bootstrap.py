from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gitops_secrets.manifests.load import Loader
from gitops_secrets.model.facts import Release, When
from gitops_secrets.model.ids import ResourceId
from gitops_secrets.model.nodes import Place
from gitops_secrets.rendering.bootstrap import bootstrap_directories, bootstrap_objects, bootstrap_remotes
from gitops_secrets.rendering.bootstrap_charts import bootstrap_releases
from gitops_secrets.rendering.scripts import Scripts, read_scripts
from gitops_secrets.repository.tree import MemoryTree

KUSTOMIZATION = "resources: []\n"


OCI_REPOSITORY = "apiVersion: source.toolkit.fluxcd.io/v1\nkind: OCIRepository\nmetadata: {{name: chart}}\nspec: {{url: {}, ref: {{tag: 1.0.0}}}}\n"


def read(files: Mapping[str, str | bytes]) -> tuple[Loader, Scripts]:
    loader = Loader(MemoryTree(files))
    return loader, read_scripts(loader)


def releases(files: dict[str, str]) -> dict[str, Release]:
    return {release.name: release for release in bootstrap_releases(*read(files))}


def directories(files: dict[str, str]) -> list[tuple[str, bool, str]]:
    return [(manifest.path, manifest.is_kustomization, str(manifest.place)) for manifest in bootstrap_directories(*read(files))]


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        ("flux create kustomization start --path=./clusters/east/start --prune", ["clusters/east/start"]),
        ('flux create ks start \\\n  --prune \\\n  --path "$ROOT/clusters/$CLUSTER/start"', ["clusters/east/start", "clusters/west/start"]),
        ("kubectl apply -k clusters/$CLUSTER/start", ["clusters/east/start/settings.yaml", "clusters/west/start"]),
        ("flux create kustomization start --path=./clusters/east/start --export", []),
        ("flux create kustomization start --path=./clusters/$CLUSTER", []),
        ("flux create kustomization start --path=./$PLACE/$CLUSTER/start", []),
        ("flux create source git start --path=./clusters/east/start", []),
        ("flux reconcile kustomization start --path=./clusters/east/start", []),
    ],
)
def test_a_directory_that_a_script_makes_flux_build_is_there_before(command: str, expected: list[str]) -> None:
    files = {
        "scripts/start.sh": f"CLUSTER=$1\n{command}\n",
        "clusters/east/start/settings.yaml": "{}\n",
        "clusters/west/start/kustomization.yaml": KUSTOMIZATION,
        "clusters/other/apps/kustomization.yaml": KUSTOMIZATION,
    }

    assert [path for path, _, _ in directories(files)] == expected


HELMFILE = """\
repositories:
  - {name: jetstack, url: https://charts.jetstack.io}
  - {name: mirror, url: ghcr.io/charts, oci: true}
helmDefaults:
  createNamespace: false
releases:
  - name: external-secrets
    namespace: external-secrets
    chart: oci://ghcr.io/external-secrets/charts/external-secrets
    version: 2.9.0
    createNamespace: true
  - name: cert-manager
    namespace: cert-manager
    chart: jetstack/cert-manager
    needs: [external-secrets/external-secrets]
    values:
      - crds: {enabled: false, keep: true}
      - values/cert-manager.yaml
    set:
      - {name: crds.keep, value: false}
  - name: mirrored
    chart: mirror/team/app
  - name: local
    chart: ./charts/local
  - name: archive
    chart: https://example.org/charts/thing-v1.2.3.tgz
  - name: off
    chart: x/y
    installed: false
"""


def test_a_helmfile_installs_its_releases_before_the_engine() -> None:
    found = releases(
        {"bootstrap/helmfile.yaml": HELMFILE, "bootstrap/charts/local/Chart.yaml": "", "bootstrap/values/cert-manager.yaml": "crds: {enabled: true}\n"}
    )

    operator = found["external-secrets"]
    assert operator.resource == ResourceId("", "Helmfile", "external-secrets", "external-secrets")
    assert (operator.chart, operator.repository, operator.version) == ("external-secrets", "oci://ghcr.io/external-secrets/charts/external-secrets", "2.9.0")
    assert (operator.when, operator.create_namespace, operator.place) == (When.BEFORE, True, Place("bootstrap/helmfile.yaml", 7, 5))
    assert operator.extra == {"description": "bootstrap/helmfile.yaml: external-secrets"}
    assert (found["cert-manager"].chart, found["cert-manager"].repository) == ("cert-manager", "https://charts.jetstack.io")
    assert found["cert-manager"].values == {"crds": {"enabled": True, "keep": False}}
    assert not found["cert-manager"].create_namespace
    assert (found["mirrored"].chart, found["mirrored"].repository) == ("app", "oci://ghcr.io/charts/team/app")
    assert (found["local"].chart, found["local"].extra["path"]) == ("local", "bootstrap/charts/local")
    assert (found["archive"].chart, found["archive"].repository) == ("thing", "https://example.org/charts")
    assert "off" not in found


@pytest.mark.parametrize(
    "path",
    [
        "helmfile.yaml",
        "a/helmfile.yaml.gotmpl",
        "helmfile.d/10-base.yaml",
        "bootstrap/helmfile-crds.yaml",
        "bootstrap/helmfile/apps.yaml",
        "x/bootstrap/apps.yml",
    ],
)
def test_where_helmfiles_are_looked_for(path: str) -> None:
    assert list(releases({path: "releases: [{name: a, chart: b/c}]\n", "apps/values.yaml": "releases: [{name: z, chart: b/c}]\n"})) == ["a"]


def test_templates_are_read_around() -> None:
    text = """\
{{- $version := "1" }}
environments:
  default: {}
---
releases:
{{- if eq .Environment.Name "default" }}
  - name: one
    namespace: {{ .Values.namespace | default "x" }}
    chart: "repo/{{ .Values.chart }}"
    version: {{ $version }}
    values:
      - key: {{ .Values.x }}
{{- end }}
  - name: two
    chart: repo/two
  - name: "{{ .Values.name }}"
    chart: repo/three
"""

    found = releases({"helmfile.yaml.gotmpl": text})

    assert list(found) == ["one", "two"]
    assert (found["one"].chart, found["one"].version, found["one"].namespace, found["one"].place.line) == ("one", "", "default", 7)
    assert found["two"].chart == "two"


def test_releases_inherit_templates_of_their_bases() -> None:
    files = {
        "bootstrap/apps.yaml": "bases: [base.yaml, apps.yaml]\ndefaultInherit: common\n"
        "releases:\n- {name: a}\n- name: b\n  chart: own/b\n  inherit: [{template: more}]\n",
        "bootstrap/base.yaml": "templates:\n  common: {chart: shared/app, version: 1.0.0}\n  more: {namespace: b-system}\n",
    }

    found = releases(files)

    assert (found["a"].chart, found["a"].version) == ("app", "1.0.0")
    assert (found["b"].chart, found["b"].version, found["b"].namespace) == ("b", "1.0.0", "b-system")


def test_a_label_may_stand_for_the_name_in_the_path_that_a_template_reads() -> None:
    files = {
        "bootstrap/helmfile.yaml": "bases: [base.yaml]\ndefaultInherit: common\nreleases:\n- {name: gateway, namespace: network}\n"
        "- {name: operator, namespace: watch, labels: {app: grafana}}\n",
        "bootstrap/base.yaml": "templates:\n  common:\n    chart: '{{ (fromYaml (tpl (readFile \"./t/chart.gotmpl\") .)).chart }}'\n",
        "bootstrap/t/chart.gotmpl": '{{- $app := index .Release.Labels "app" | default .Release.Name -}}\n'
        '{{- $oci := fromYaml (readFile (printf "../apps/%s/%s/repo.yaml" .Release.Namespace $app)) -}}\nchart: {{ $oci.spec.url }}\n',
        "apps/network/gateway/repo.yaml": OCI_REPOSITORY.format("oci://registry.example.org/gateway-helm"),
        "apps/watch/grafana/repo.yaml": OCI_REPOSITORY.format("oci://registry.example.org/grafana-operator"),
    }

    found = releases(files)

    assert (found["gateway"].chart, found["operator"].chart) == ("gateway-helm", "grafana-operator")


def test_a_chart_that_can_not_be_told_is_called_as_its_release() -> None:
    found = releases({"bootstrap/helmfile.yaml": "releases:\n- {name: cert-manager, chart: '{{ .Values.registry }}/{{ .Release.Name }}-chart'}\n"})

    assert found["cert-manager"].chart == "cert-manager"


def test_a_chart_may_be_written_in_the_manifest_that_a_template_reads() -> None:
    files = {
        "bootstrap/helmfile.yaml": "releases:\n- name: eso\n  namespace: es\n  values: [./t/values.gotmpl]\n"
        "  chart: '{{ (tpl (readFile \"./t/chart.gotmpl\") .) }}'\n",
        "bootstrap/t/chart.gotmpl": '{{ $o := readFile (printf "../apps/%s/%s/repo.yaml" .Release.Namespace .Release.Name) }}chart: {{ $o.spec.url }}\n',
        "bootstrap/t/values.gotmpl": '{{- $path := printf "../../apps/%s/%s/release.yaml" .Release.Namespace .Release.Name -}}\n'
        "{{ (readFile $path).spec.values | toYaml }}\n",
        "apps/es/eso/repo.yaml": "kind: OCIRepository\nspec: {url: oci://ghcr.io/x/external-secrets, ref: {tag: 2.0.0}}\n",
        "apps/es/eso/release.yaml": "kind: HelmRelease\nspec: {values: {installCRDs: true}}\n",
    }

    release = releases(files)["eso"]

    assert (release.chart, release.repository, release.version) == ("external-secrets", "oci://ghcr.io/x/external-secrets", "2.0.0")
    assert release.values == {"installCRDs": True}


def test_included_helmfiles_are_read_once_and_cycles_end() -> None:
    files = {
        "helmfile.yaml": "helmfiles: [parts/*.yaml, {path: more}, ../outside.yaml, 'git::https://example.org/x.git']\n",
        "parts/a.yaml": "helmfiles: [../helmfile.yaml]\nreleases: [{name: a, chart: x/a}]\n",
        "more/b.yaml": "releases: [{name: b, chart: x/b}]\n",
    }

    assert sorted(releases(files)) == ["a", "b"]


@pytest.mark.parametrize(
    "files",
    [
        {"bootstrap/crds.yaml": "helmDefaults: {args: [--include-crds]}\nreleases: [{name: a, chart: x/a}]\n"},
        {"crds.yaml": "releases: [{name: a, chart: x/a}]\n", "Makefile": "crds:\n\thelmfile -f crds.yaml template | kubectl apply -f -\n"},
    ],
)
def test_a_helmfile_that_is_only_templated_brings_definitions_alone(files: dict[str, str]) -> None:
    release = releases(files)["a"]

    assert release.extra["only"] == "CustomResourceDefinition"
    assert not release.create_namespace


def test_hooks_apply_manifests() -> None:
    files = {
        "bootstrap/helmfile.yaml": """\
releases:
  - name: store
    namespace: es
    chart: x/y
    hooks:
      - command: kubectl
        args: [apply, --server-side, "--filename=../apps/{{ .Release.Namespace }}/{{ .Release.Name }}.yaml"]
      - command: kubectl
        args: [apply, --kustomize, ../config/]
      - command: kubectl
        args: [wait, --for=create, crd/x]
""",
        "apps/es/store.yaml": "kind: X\n",
        "config/kustomization.yaml": KUSTOMIZATION,
    }

    assert directories(files) == [("apps/es/store.yaml", False, "bootstrap/helmfile.yaml:6"), ("config", True, "bootstrap/helmfile.yaml:8")]


@pytest.mark.parametrize(
    ("path", "text", "line"),
    [
        ("Makefile", "DIR ?= base\nup:\n\t@kubectl apply --server-side -k $(DIR)/crds # now\n", 3),
        ("Makefile", "up:\n\tkustomize build base/crds \\\n\t  | kubectl apply -f -\n", 2),
        ("justfile", "dir := justfile_directory() + '/base'\nup:\n    kubectl apply -k \"{{ dir }}/crds\"\n", 3),
        ("base/mod.just", "up:\n  if ! kustomize build {{ source_directory() }}/crds | kubectl apply -f -; then\n", 2),
        ("Taskfile.yaml", "vars:\n  BASE_DIR: '{{.ROOT_DIR}}/base'\ntasks:\n  up:\n    cmds:\n      - kubectl --context x apply -k {{.BASE_DIR}}/crds\n", 6),
        (".taskfiles/x/Taskfile.yaml", "tasks:\n  up: kubectl apply --kustomize={{.BASE_DIR}}/crds\n", 2),
        ("mise.toml", '[tasks.up]\nrun = "kubectl apply -k base/crds"\n', 2),
        (".mise/tasks/up", "#!/bin/bash\nkubectl apply -k base/crds\n", 2),
        ("scripts/up.sh", 'root="$(git rev-parse --show-toplevel)"\nkubectl apply -k "${root}/base/crds" && echo done\n', 2),
        ("up.sh", "bash -c 'kubectl apply -k base/crds'\n", 1),
    ],
)
def test_scripts_that_apply_a_kustomization(path: str, text: str, line: int) -> None:
    files = {path: text, "base/crds/kustomization.yaml": KUSTOMIZATION, "base/crds/x.yaml": ""}

    assert directories(files) == [("base/crds", True, f"{path}:{line}")]


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        ("kubectl apply -f base/a.yaml,base/b.yaml", ["base/a.yaml", "base/b.yaml"]),
        ("kubectl create --save-config -f base", ["base/a.yaml", "base/b.yaml"]),
        ("sops -d base/a.yaml | kubectl apply -f -", ["base/a.yaml"]),
        ("cat base/a.yaml | envsubst | kubectl apply --filename=-", ["base/a.yaml"]),
        ("kubectl apply -f ../../secret.yaml -f /etc/passwd -f https://example.org/a.yaml -f ~/a.yaml", []),
        ("kubectl apply -f base/$NAME.yaml", []),
        ("kubectl apply --dry-run=server -f base/a.yaml", []),
        ("kubectl delete -f base/a.yaml", []),
        ("kubectl get -f base/a.yaml | kubectl apply -f -", []),
        ("# kubectl apply -f base/a.yaml", []),
        ("kubectl apply -f", []),
        ("kubectl apply -f 'base/a.yaml", []),
        ("kubectl apply -f ${X}base/a.yaml", []),
        ("kubectl apply -f $X/base/a.yaml", ["base/a.yaml"]),
    ],
)
def test_scripts_that_apply_files(command: str, expected: list[str]) -> None:
    found = directories({"up.sh": command + "\n", "base/a.yaml": "", "base/b.yaml": "", "base/readme.md": ""})

    assert [path for path, _, _ in found] == expected


def test_a_filter_between_is_told() -> None:
    files = {"up.sh": "kustomize build base | yq 'select(.kind == \"Namespace\")' | kubectl apply -f -\n", "base/kustomization.yaml": KUSTOMIZATION}

    assert [manifest.only for manifest in bootstrap_directories(*read(files))] == ["Namespace"]


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        (
            "helm install eso es/external-secrets -n es --create-namespace --version 2.0.0",
            ("eso", "es", "external-secrets", "https://charts.example.org", "2.0.0", True),
        ),
        ("helm upgrade --install --wait eso oci://ghcr.io/x/eso", ("eso", "default", "eso", "oci://ghcr.io/x/eso", "", False)),
        ("helm upgrade -i eso eso --repo=https://r.example.org --namespace=es", ("eso", "es", "eso", "https://r.example.org", "", False)),
        ("helm install ./charts/eso --generate-name", ("eso", "default", "eso", "", "", False)),
        ("helm install $NAME es/eso --namespace ${NS} --version $V", ("eso", "", "eso", "https://charts.example.org", "", False)),
    ],
)
def test_scripts_that_install_charts(command: str, expected: tuple[Any, ...]) -> None:
    files = {"up.sh": f"helm repo add es https://charts.example.org\n{command}\n", "charts/eso/Chart.yaml": "name: eso\n"}

    (release,) = bootstrap_releases(*read(files))

    assert (release.name, release.namespace, release.chart, release.repository, release.version, release.create_namespace) == expected
    assert (release.resource.kind, release.when, release.place) == ("Helm", When.BEFORE, Place("up.sh", 2, 1))


def test_a_helmfile_may_read_its_charts_from_objects_of_the_repository_in_place() -> None:
    read = '{{ (fromYaml (readFile (printf "../apps/%s/%s/source.yaml" .Release.Namespace .Release.Name))).spec.url }}'
    helmfile = f"templates: {{default: {{chart: '{read}'}}}}\nreleases: [{{name: es, namespace: security, inherit: [{{template: default}}]}}]\n"
    source = "kind: OCIRepository\napiVersion: v1\nmetadata: {name: es}\nspec: {url: oci://example.org/external-secrets, ref: {tag: 1.0.0}}\n"
    found = releases({"bootstrap/helmfile.yaml": helmfile, "apps/security/es/source.yaml": source})["es"]

    assert (found.chart, found.version, found.values_complete) == ("external-secrets", "1.0.0", True)


def test_values_that_a_template_computes_are_not_all_known() -> None:
    helmfile = "releases: [{name: cert-manager, chart: oci://example.org/cert-manager, values: [values.yaml.gotmpl]}]\n"
    found = releases({"bootstrap/helmfile.yaml": helmfile, "bootstrap/values.yaml.gotmpl": '{{ exec "yq" (list "values.yaml") }}\n'})

    assert not found["cert-manager"].values_complete


def test_manifests_of_terraform_are_there_whatever_their_kind() -> None:
    manifest = (
        "apiVersion: external-secrets.io/v1\nkind: ClusterSecretStore\nmetadata: {{name: {}}}\nspec: {{provider: {{oracle: {{vault: '${{var.vault}}'}}}}}}"
    )
    block = 'resource "kubectl_manifest" "{}" {{\n  yaml_body = <<YAML\n{}\nYAML\n}}\n'
    files = {"infra/stores.tf": block.format("known", manifest.format("vault")) + block.format("computed", manifest.format("'${var.name}'"))}
    (found,) = bootstrap_objects(*read(files))

    assert [(node["kind"], node["metadata"]["name"]) for node in found.nodes] == [("ClusterSecretStore", "vault")]


def test_values_in_a_file_that_is_not_here_are_not_all_known() -> None:
    helmfile = "releases:\n- {name: here, chart: a/here, values: [values.yaml, {a: 1}]}\n- {name: away, chart: a/away, values: [../values.yaml]}\n"
    found = releases({"bootstrap/helmfile.yaml": helmfile, "bootstrap/values.yaml": "crds: {enabled: false}\n"})

    assert {name: release.values_complete for name, release in found.items()} == {"here": True, "away": False}


def test_values_of_a_helmfile_may_lie_below_a_directory_of_the_environment() -> None:
    helmfile = (
        "releases:\n- name: cert-manager\n  chart: jetstack/cert-manager\n  values: ['{{ requiredEnv \"ROOT_DIR\" }}/kubernetes/cert-manager/values.yaml']\n"
    )
    files = {"bootstrap/helmfile.yaml": helmfile, "kubernetes/cert-manager/values.yaml": "crds: {enabled: true}\n"}

    assert releases(files)["cert-manager"].values["crds"]["enabled"] is True


def test_manifests_beside_a_helmfile_of_the_bootstrap_are_applied_with_it() -> None:
    secret = "apiVersion: v1\nkind: Secret\nmetadata: {name: token, namespace: es}\nstringData: {token: op://a/b}\n"
    files = {"bootstrap/helmfile.d/01-apps.yaml": "releases: []\n", "bootstrap/resources/es.yaml": secret, "bootstrap/values.yaml": "a: 1\n"}

    (found,) = bootstrap_objects(*read(files))

    assert (found.path, [node["metadata"]["name"] for node in found.nodes]) == ("bootstrap/resources/es.yaml", ["token"])
    assert bootstrap_objects(*read({"bootstrap/resources/es.yaml": secret})) == ()


def test_values_of_a_helm_command() -> None:
    files = {
        "up.sh": "helm install a b/c -f values.yaml --set crds.enabled=true,x=y --set 'l[0]=z'\n",
        "values.yaml": "crds: {enabled: false, keep: true}\n",
    }

    (release,) = bootstrap_releases(*read(files))

    assert release.values == {"crds": {"enabled": True, "keep": True}, "x": "y"}


@pytest.mark.parametrize(
    "command", ["helm template a b/c", "helm repo update", "helm uninstall a", "helm install", "helm install a $CHART", "# helm install a b/c"]
)
def test_other_helm_commands_install_nothing(command: str) -> None:
    assert releases({"up.sh": command + "\n"}) == {}


def test_charts_that_k3s_installs_at_its_start() -> None:
    text = """\
---
apiVersion: helm.cattle.io/v1
kind: HelmChart
metadata: {name: cilium, namespace: kube-system}
spec:
  repo: https://helm.cilium.io/
  chart: cilium
  version: {{ cilium_version }}
  targetNamespace: network
  valuesContent: |-
    ipam: {mode: kubernetes}
    host: {{ master_ip }}
"""

    (release,) = bootstrap_releases(*read({"ansible/roles/k3s/templates/cilium.yaml.j2": text}))

    assert (release.name, release.namespace, release.chart, release.repository, release.version) == (
        "cilium",
        "network",
        "cilium",
        "https://helm.cilium.io/",
        "",
    )
    assert release.values["ipam"] == {"mode": "kubernetes"}
    assert release.place == Place("ansible/roles/k3s/templates/cilium.yaml.j2", 4, 12)


def test_objects_of_templates_and_machine_configurations_and_commands() -> None:
    files = {
        "bootstrap/mod.just": "up:\n  minijinja-cli {{ source_directory() }}/secrets.yaml.j2 | kubectl apply -f -\n  kubectl create ns flux-system\n"
        "  kubectl -n es create secret generic token --from-literal=a=b --dry-run=client -o yaml | kubectl apply -f -\n",
        "bootstrap/secrets.yaml.j2": "{% for n in names %}\n---\nkind: Secret\napiVersion: v1\nmetadata: {name: op}\n"
        "stringData: {token: 'op://a/b', x: {{ y }}}\n{% endfor %}\n",
        "talos/controlplane.yaml": "cluster:\n  inlineManifests:\n  - name: ns\n    contents: |\n      kind: Namespace\n      metadata: {name: es}\n",
    }

    found = bootstrap_objects(*read(files))

    assert [(objects.path, node["kind"], node["metadata"]["name"]) for objects in found for node in objects.nodes] == [
        ("bootstrap/secrets.yaml.j2", "Secret", "op"),
        ("bootstrap/mod.just", "Namespace", "flux-system"),
        ("bootstrap/mod.just", "Secret", "token"),
        ("talos/controlplane.yaml", "Namespace", "es"),
    ]
    assert "op://" not in repr(found)
    assert [node.place("kind").line for objects in found for node in objects.nodes] == [3, 3, 4, 4]


def test_a_program_in_quotes_may_stand_between_a_template_and_what_applies_it() -> None:
    files = {
        "bootstrap/mod.just": "up:\n  just template bootstrap/secrets.yaml.j2 | python3 -c 'import sys\nprint(sys.stdin.read())' | kubectl apply -f -\n",
        "bootstrap/secrets.yaml.j2": "kind: Secret\napiVersion: v1\nmetadata: {name: token}\n",
    }

    (found,) = bootstrap_objects(*read(files))

    assert (found.path, [node["metadata"]["name"] for node in found.nodes]) == ("bootstrap/secrets.yaml.j2", ["token"])


def test_a_template_may_reach_what_applies_it_through_variables_of_the_script() -> None:
    files = {
        "scripts/resources.sh": 'local -r template="${ROOT}/bootstrap/resources.yaml.j2"\nif ! rendered=$(minijinja-cli "${template}" | op inject); then\n'
        '  exit 1\nfi\necho "${rendered}" | kubectl apply --server-side --filename -\n',
        "bootstrap/resources.yaml.j2": "kind: Secret\napiVersion: v1\nmetadata: {name: token}\n",
    }

    (found,) = bootstrap_objects(*read(files))

    assert (found.path, found.place.line, [node["metadata"]["name"] for node in found.nodes]) == ("bootstrap/resources.yaml.j2", 5, ["token"])


def test_a_script_applies_what_its_lists_name() -> None:
    files = {
        "bootstrap/up.sh": 'crds=(\n  https://example.org/releases/crds.yaml\n)\nfor crd in "${crds[@]}"; do kubectl apply --filename "${crd}"; done\n'
        'secrets=(\n  "${ROOT}/bootstrap/token.sops.yaml"\n  # "${ROOT}/bootstrap/old.yaml"\n)\n'
        'for secret in "${secrets[@]}"; do sops exec-file "${secret}" "kubectl apply --filename {}"; done\n',
        "bootstrap/token.sops.yaml": "kind: Secret\napiVersion: v1\nmetadata: {name: token}\n",
        "bootstrap/old.yaml": "kind: Secret\napiVersion: v1\nmetadata: {name: old}\n",
    }
    found = read(files)

    assert {manifest.path for manifest in bootstrap_directories(*found)} == {"bootstrap/token.sops.yaml"}
    assert ("https://example.org/releases/crds.yaml", Place("bootstrap/up.sh", 4, 1)) in bootstrap_remotes(*found)


@pytest.mark.parametrize(
    "script",
    [
        'local -r apps_dir="${ROOT_DIR}/kubernetes/apps"\nfor app in "${apps_dir}"/*/; do\n  namespace=$(basename "${app}")\n'
        '  kubectl create namespace "${namespace}" --dry-run=client -o yaml | kubectl apply -f -\ndone\n',
        "find kubernetes/apps -mindepth 1 -maxdepth 1 -type d | xargs -I{} kubectl create namespace {}\n",
    ],
)
def test_a_script_makes_a_namespace_of_each_directory(script: str) -> None:
    files = {"scripts/bootstrap.sh": script} | {f"kubernetes/apps/{name}/kustomization.yaml": KUSTOMIZATION for name in ("media", "network")}

    found = bootstrap_objects(*read(files))

    assert [(node["kind"], node["metadata"]["name"]) for objects in found for node in objects.nodes] == [("Namespace", "media"), ("Namespace", "network")]


def test_a_comment_that_says_how_to_create_a_secret_is_a_command() -> None:
    files = {
        "monitoring/provider.yaml": "spec:\n  # kubectl -n flux-system create secret generic chat --from-literal=address=x\n  secretRef: {name: chat}\n",
        "monitoring/other.yaml": "data: {text: kubectl create secret generic text}\n",
    }
    found = bootstrap_objects(*read(files))

    assert [(str(objects.place), node["metadata"]["namespace"], node["metadata"]["name"]) for objects in found for node in objects.nodes] == [
        ("monitoring/provider.yaml:2", "flux-system", "chat")
    ]


def test_a_loop_over_words_is_a_command_for_each() -> None:
    inside = '  kubectl create ns $ns\n  kubectl create configmap brokers -n "${ns}" --from-literal=a=b\n'
    script = f"for ns in shop 'bar' $more; do\n{inside}done\nkubectl create sa $ns -n x\n"
    found = bootstrap_objects(*read({"scripts/bootstrap.sh": script}))

    assert [(node["kind"], node["metadata"]["name"], node["metadata"].get("namespace")) for objects in found for node in objects.nodes] == [
        ("Namespace", "shop", None),
        ("Namespace", "bar", None),
        ("ConfigMap", "brokers", "shop"),
        ("ConfigMap", "brokers", "bar"),
    ]


def test_a_page_that_says_how_to_create_a_secret_is_a_command() -> None:
    page = "Put the token there:\n\n```bash\nkubectl create secret generic token \\\n  --namespace es \\\n  --from-literal=a=b\n```\n"
    found = bootstrap_objects(*read({"docs/setup.md": page}))

    assert [(objects.path, str(node["metadata"])) for objects in found for node in objects.nodes] == [("docs/setup.md", "{'name': 'token', 'namespace': 'es'}")]


def test_manifests_elsewhere_that_a_script_or_a_machine_configuration_applies() -> None:
    files = {
        "talos/main/talconfig.yaml": "cluster:\n  extraManifests:\n    # the Gateway API\n    - https://example.org/gateway.yaml\n"
        "    - 'https://example.org/b.yaml'\n  other:\n    - https://example.org/none.yaml\n",
        "apps/values.yaml": "extraManifests:\n  - https://example.org/none.yaml\n",
        "Makefile": "up:\n\tkubectl apply --server-side -f https://example.org/crds.yaml\n\tkubectl delete -f https://example.org/none.yaml\n",
    }
    found = bootstrap_remotes(*read(files))

    assert [(url, str(place)) for url, place in found] == [
        ("https://example.org/crds.yaml", "Makefile:2"),
        ("https://example.org/gateway.yaml", "talos/main/talconfig.yaml:4"),
        ("https://example.org/b.yaml", "talos/main/talconfig.yaml:5"),
    ]


def test_paths_that_the_user_names_come_first() -> None:
    files = {"a.yaml": "", "k/kustomization.yaml": KUSTOMIZATION, "my.yaml": "releases: [{name: x, chart: a/b}]\n"}
    place = Place(".gitops-secrets.yaml", 2, 5)
    found = read(files)

    assert [manifest.path for manifest in bootstrap_directories(*found, [("a.yaml", place), ("k", place), ("gone", place)])] == ["a.yaml", "k"]
    assert [release.name for release in bootstrap_releases(*found, ["my.yaml", "gone.yaml"])] == ["x"]


anything = st.recursive(
    st.none() | st.booleans() | st.integers(0, 3) | st.sampled_from(["a", "./x.yaml", "kubectl", "apply", "-f", "{{ x }}", "base.gotmpl"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                "releases helmfiles bases templates repositories helmDefaults defaultInherit".split()
                + "name namespace chart values set hooks command args inherit installed".split()
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=14,
)


@given(anything, anything)
@settings(max_examples=150, deadline=None)
def test_wrong_types_in_a_helmfile_never_raise(document: Any, release: Any) -> None:
    files = {
        "helmfile.yaml": json.dumps(document),
        "helmfile.d/a.yaml": json.dumps({"releases": [release, {"name": "n", "inherit": release, "hooks": [release]}]}),
    }
    found = read({**files, "x.yaml": "a: 1", "base.gotmpl": "{{"})

    assert all(isinstance(release.name, str) for release in bootstrap_releases(*found))
    assert bootstrap_directories(*found) is not None


@given(st.text(alphabet="helmkubectl apyinst-fk{}$()|&;'\"\\\n./=:\ue000", max_size=60))
@settings(max_examples=150, deadline=None)
def test_any_script_is_read(text: str) -> None:
    found = read({"up.sh": f"kubectl apply -f x.yaml {text}\nhelm install {text}\nkubectl create secret {text}", "x.yaml": ""})

    assert bootstrap_releases(*found) is not None
    assert bootstrap_directories(*found) is not None
    assert bootstrap_objects(*found) is not None
