from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gitops_secrets.config import load_configuration
from gitops_secrets.kinds.table import default_table
from gitops_secrets.manifests.load import Loader
from gitops_secrets.model.limits import DEFAULT_LIMITS
from gitops_secrets.model.results import Cluster, Destination, Unit
from gitops_secrets.pipeline.scan import analyse, repository_of
from gitops_secrets.rendering.entry_points import find_clusters
from gitops_secrets.repository.tree import MemoryTree
from gitops_secrets.syntax.emit import dump

TABLE = default_table()
URL = "https://git.example.org/platform"
HERE = {"server": "https://kubernetes.default.svc", "namespace": "default"}


def application(name: str, source: Any = None, **spec: Any) -> dict[str, Any]:
    """An Application that reads ./NAME unless told otherwise."""
    fields = {"project": "default", "source": source or {"repoURL": URL, "path": name}, "destination": HERE, **spec}
    return {"apiVersion": "argoproj.io/v1alpha1", "kind": "Application", "metadata": {"name": name, "namespace": "argocd"}, "spec": fields}


def application_set(generators: list[Any], name: str = "{{ .name }}", path: str = "app", **spec: Any) -> dict[str, Any]:
    """An ApplicationSet in Go's template language."""
    template = {"metadata": {"name": name}, "spec": {"project": "default", "source": {"repoURL": URL, "path": path}, "destination": HERE}}
    fields = {"goTemplate": True, "goTemplateOptions": ["missingkey=error"], "generators": generators, "template": template, **spec}
    return {"apiVersion": "argoproj.io/v1alpha1", "kind": "ApplicationSet", "metadata": {"name": "set", "namespace": "argocd"}, "spec": fields}


def config_map(name: str = "settings") -> str:
    return dump({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": {"a": "b"}})


def clusters(files: Mapping[str, str], *units: dict[str, Any], destinations: tuple[Destination, ...] = ()) -> dict[str, Cluster]:
    named = {f"roots/{unit['metadata']['name']}.yaml": dump(unit) for unit in units}
    found = find_clusters(Loader(MemoryTree({"app/settings.yaml": config_map(), **named, **files})), TABLE.is_namespaced, destinations=destinations)
    return {cluster.name: cluster for cluster in found if cluster.engine == "argo"}


def cluster(files: Mapping[str, str], *units: dict[str, Any]) -> Cluster:
    (found,) = clusters(files, *units).values()
    return found


def names(found: Cluster) -> list[str]:
    return [unit.id.name for unit in found.units if unit.id.kind == "Application"]


def unit(found: Cluster, name: str) -> Unit:
    return next(entry for entry in found.units if entry.id.name == name)


def applied(found: Cluster, name: str) -> list[str]:
    return [str(entry.resource.id) for entry in found.resources if entry.unit.name == name]


def problems(found: Cluster) -> list[str]:
    return [f"{problem.place} {problem.message}" for problem in found.problems]


# Applications


def test_an_object_without_a_namespace_goes_where_the_destination_says() -> None:
    found = cluster({}, application("app", destination={**HERE, "namespace": "shop"}))

    assert applied(found, "app") == ["ConfigMap/shop/settings"]


@pytest.mark.parametrize("url", ["git@git.example.org:platform.git", "ssh://git@git.example.org/platform", "https://git.example.org/platform/"])
def test_a_repository_is_known_by_any_form_of_its_url(url: str) -> None:
    found = cluster({}, application("app"), application("other", {"repoURL": url, "path": "app"}))

    assert applied(found, "other") == ["ConfigMap/default/settings"]


def test_what_another_repository_holds_is_named() -> None:
    elsewhere = application("other", {"repoURL": "https://git.example.org/else", "path": "app"})
    found = cluster({"more/settings.yaml": config_map("more")}, application("app"), application("more"), elsewhere)

    assert unit(found, "other").opaque == "its content is in another repository (https://git.example.org/else)"


def test_what_somebody_fills_in_is_named_and_no_fault() -> None:
    found = cluster({}, application("app"), application("other", {"repoURL": "<REPOSITORY>", "path": "clusters/<CLUSTER>"}))

    assert unit(found, "other").opaque == "its path is filled in elsewhere: clusters/<CLUSTER>"
    assert problems(found) == []


def test_values_that_somebody_fills_in_are_no_fault() -> None:
    chart = {
        "repoURL": "https://charts.example.org",
        "chart": "web",
        "targetRevision": "1.0.0",
        "helm": {"valueFiles": ["$values/envs/PLACEHOLDER/values.yaml"]},
    }
    found = cluster({}, application("app"), application("web", None, sources=[chart, {"repoURL": "PLACEHOLDER", "ref": "values"}]))

    assert problems(found) == []


def test_images_of_an_application_are_set_as_kustomize_sets_them() -> None:
    deployment = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"}, "spec": {"template": {"spec": {"containers": []}}}}
    deployment["spec"]["template"]["spec"]["containers"] = [{"name": "web", "image": "registry.example.org:5000/web:1"}]  # type: ignore[index]
    files = {"app/kustomization.yaml": "resources: [web.yaml]\n", "app/web.yaml": dump(deployment)}
    images = ["registry.example.org:5000/web=mirror.example.org/web:2@sha256:0123"]
    found = cluster(files, application("app", {"repoURL": URL, "path": "app", "kustomize": {"images": images}}))
    (web,) = [entry.resource for entry in found.resources if entry.resource.id.kind == "Deployment"]

    assert web.data["spec"]["template"]["spec"]["containers"][0]["image"] == "mirror.example.org/web:2@sha256:0123"


def test_values_of_parameters_win_over_objects_and_those_over_files() -> None:
    helm = {
        "valueFiles": ["$values/values.yaml"],
        "valuesObject": {"b": "object", "c": "object"},
        "parameters": [{"name": "c", "value": "parameter"}, {"name": "deep.key", "value": "true"}],
    }
    sources = [{"repoURL": "https://charts.example.org", "chart": "web", "targetRevision": "1.0.0", "helm": helm}, {"repoURL": URL, "ref": "values"}]
    found = cluster({"values.yaml": "a: file\nb: file\nc: file\n"}, application("app"), application("web", sources=sources))
    (release,) = found.releases

    assert release.values == {"a": "file", "b": "object", "c": "parameter", "deep": {"key": True}}
    assert release.values.place("a") == ("values.yaml", 1, 1)


def test_a_chart_that_kustomize_inflates_is_a_release_of_the_application() -> None:
    chart = {"name": "web", "repo": "https://charts.example.org", "version": "1.0.0", "valuesFile": "values.yaml", "valuesInline": {"b": 2}}
    files = {"app/kustomization.yaml": dump({"namespace": "shop", "helmCharts": [chart]}), "app/values.yaml": "a: 1\nb: 1\n"}
    (release,) = cluster(files, application("app")).releases

    assert (release.chart, release.namespace, release.crds, release.values) == ("web", "shop", "Skip", {"a": 1, "b": 2})


def test_applications_that_apply_each_other_are_expanded_once() -> None:
    files = {"one/two.yaml": dump(application("two")), "two/one.yaml": dump(application("one"))}
    found = cluster(files)

    assert names(found) == ["one", "two"]


APP_OF_APPS = {
    "apps/Chart.yaml": "name: apps\nversion: 1.0.0\n",
    "apps/values.yaml": "names: [one, two]\n",
    "apps/templates/apps.yaml": """\
{{- range .Values.names }}
---
apiVersion: argoproj.io/v1alpha1
kind: Application
metadata: {name: {{ . }}}
spec:
  project: {{ $.Values.project | default "default" }}
  source: {repoURL: https://git.example.org/platform, path: {{ . }}}
  destination: {server: https://kubernetes.default.svc, namespace: {{ $.Release.Namespace }}}
{{- end }}
""",
    "one/settings.yaml": config_map(),
    "two/settings.yaml": config_map(),
}


def test_applications_that_a_chart_makes_of_its_values_are_expanded() -> None:
    source = {"repoURL": URL, "path": "apps", "helm": {"parameters": [{"name": "names[0]", "value": "ignored"}], "valuesObject": {"names": ["two"]}}}
    found = cluster(APP_OF_APPS, application("root", source))

    assert (names(found), applied(found, "two")) == (["root", "two"], ["ConfigMap/default/settings"])
    assert str(unit(found, "two").place) == "apps/templates/apps.yaml:5"
    assert found.opaque == ()


@pytest.mark.parametrize("template", ['{{ include "name" . }}', "{{ .Values.gone }}", '{{ if .Capabilities.APIVersions.Has "v1" }}x{{ end }}', "{{"])
def test_applications_of_a_template_that_takes_more_than_is_known_stay_unknown(template: str) -> None:
    more = {"apps/templates/apps.yaml": APP_OF_APPS["apps/templates/apps.yaml"] + f"# {template}\n"}
    found = cluster({**APP_OF_APPS, **more}, application("root", {"repoURL": URL, "path": "apps"}))

    assert (names(found), [opaque.why for opaque in found.opaque]) == (["root"], ["the templates of the chart in apps are not rendered"])


def test_a_record_of_an_application_is_a_root_only_where_there_is_no_other() -> None:
    seen = application("seen")
    seen["metadata"]["uid"] = "21e0b446-665f-45c7-b984-f92ae1b71af8"

    assert (names(cluster({}, seen, application("app"))), names(cluster({}, seen))) == (["app"], ["seen"])


@pytest.mark.parametrize("more", ["", ", gone.yaml"])
def test_an_application_that_a_patch_renames_is_known_as_it_is_rendered(more: str) -> None:
    project = {"apiVersion": "argoproj.io/v1alpha1", "kind": "AppProject", "metadata": {"name": "replaceme", "namespace": "argocd"}, "spec": {}}
    patches = [
        {"target": {"kind": kind}, "patch": f"- {{op: replace, path: /metadata/name, value: {name}}}"}
        for kind, name in (("Application", "app"), ("AppProject", "platform"))
    ]
    files = {
        "boot/kustomization.yaml": f"resources: [app.yaml, project.yaml{more}]\n" + dump({"patches": patches}),
        "boot/app.yaml": dump(application("replaceme", {"repoURL": URL, "path": "app"}, project="platform")),
        "boot/project.yaml": dump(project),
    }
    found = cluster(files)

    assert (names(found), [given.id.name for given in found.given]) == (["app"], ["platform"])


def test_an_application_that_its_owner_took_off_the_list_is_stray() -> None:
    files = {"apps/kustomization.yaml": "resources: [app.yaml]\n", "apps/app.yaml": dump(application("app")), "apps/off.yaml": dump(application("off"))}
    found = clusters({**files, "off/settings.yaml": config_map("off")})

    assert {name: (entry.stray, names(entry)) for name, entry in found.items()} == {"apps": (False, ["app"]), "apps-2": (True, ["app", "off"])}


def test_two_of_one_name_in_two_folders_are_two_clusters() -> None:
    found = clusters({f"envs/{env}/app.yaml": dump(application("app")) for env in ("east", "west")})

    assert {name: names(entry) for name, entry in found.items()} == {"east": ["app"], "west": ["app"]}


def test_folders_below_one_are_several_clusters_if_they_apply_the_same() -> None:
    files = {"base/app.yaml": dump(application("app")), "other/app.yaml": dump(application("other"))}
    for env in ("east", "west"):
        files[f"clusters/{env}/root.yaml"] = dump(application(f"{env}-root", {"repoURL": URL, "path": "base"}))
    found = clusters(files)

    assert sorted(names(entry) for entry in found.values()) == [["app", "east-root", "other"], ["app", "west-root"]]


def test_what_goes_to_another_cluster_is_a_cluster_of_its_own() -> None:
    away = application("away", {"repoURL": URL, "path": "app"}, destination={"name": "west", "namespace": "shop"})
    found = clusters({}, application("root", {"repoURL": URL, "path": "below"}), away)

    assert applied(found["west"], "away") == ["ConfigMap/shop/settings"]
    assert applied(found["roots"], "away") == []


def test_a_configured_file_is_where_a_cluster_starts() -> None:
    configuration = load_configuration(b"clusters:\n  main: {path: roots/app.yaml, engine: argo}\n", ".gitops-secrets.yaml", DEFAULT_LIMITS)
    files = {"roots/app.yaml": dump(application("app")), "roots/other.yaml": dump(application("other")), "app/settings.yaml": config_map()}
    (found,) = analyse(repository_of(MemoryTree(files), configuration)).clusters

    assert (found.graph.cluster.name, names(found.graph.cluster)) == ("main", ["app"])


def test_a_checkout_stands_for_a_repository_by_its_url() -> None:
    configuration = load_configuration(f"sources:\n  {URL}-shared.git: {{path: shared}}\n".encode(), ".gitops-secrets.yaml", DEFAULT_LIMITS)
    files = {"roots/app.yaml": dump(application("app", {"repoURL": f"{URL}-shared", "path": "base"})), "shared/base/settings.yaml": config_map()}
    (found,) = analyse(repository_of(MemoryTree(files), configuration)).clusters

    assert applied(found.graph.cluster, "app") == ["ConfigMap/default/settings"]


# ApplicationSets


def test_parameters_of_files_are_what_they_hold_and_where_they_lie() -> None:
    generator = {"git": {"repoURL": URL, "files": [{"path": "envs/**/config.json"}]}}
    files = {"envs/a/b/config.json": '{"team": {"name": "red"}}', "envs/config.json": '[{"team": {"name": "blue"}}]'}
    found = cluster(files, application("app"), application_set([generator], "{{ .team.name }}-{{ .path.basename }}-{{ .path.filenameNormalized }}"))

    assert names(found) == ["app", "blue-envs-config.json", "red-b-config.json"]


def test_the_older_language_leaves_what_it_does_not_know() -> None:
    generator = {"list": {"elements": [{"name": "a", "values": {"size": 3}}]}}
    found = cluster({}, application("app"), application_set([generator], "{{name}}-{{ values.size }}-{{other}}", goTemplate=False))

    assert names(found) == ["a-3-{{other}}", "app"]


def test_without_strictness_a_missing_key_is_nothing() -> None:
    generator = {"list": {"elements": [{"name": "a"}]}}
    found = cluster({}, application("app"), application_set([generator], "{{ .name }}{{ if .other }}x{{ end }}", goTemplateOptions=[]))

    assert names(found) == ["a", "app"]


def test_a_matrix_combines_what_its_first_generator_yields_with_each_of_the_second() -> None:
    first = {"list": {"elements": [{"name": "a", "folder": "app"}, {"name": "b", "folder": "nowhere"}]}}
    second = {"git": {"repoURL": URL, "directories": [{"path": "{{ .folder }}"}]}}
    found = cluster({}, application("app"), application_set([{"matrix": {"generators": [first, second]}}], "{{ .name }}-{{ .path.basename }}"))

    assert names(found) == ["a-app", "app"]


def test_a_merge_changes_what_its_first_generator_yields() -> None:
    base = {"list": {"elements": [{"name": "a", "size": "1"}, {"name": "b", "size": "1"}]}}
    other = {"list": {"elements": [{"name": "b", "size": "2"}, {"name": "c", "size": "3"}]}}
    found = cluster({}, application("app"), application_set([{"merge": {"mergeKeys": ["name"], "generators": [base, other]}}], "{{ .name }}{{ .size }}"))

    assert names(found) == ["a1", "app", "b2"]


def test_a_cluster_generator_sees_the_clusters_of_the_configuration() -> None:
    west = Destination("west", "https://west.example.org", {"tier": "gold"}, {"region": "eu"})
    generator = {"clusters": {"selector": {"matchLabels": {"tier": "gold"}}, "values": {"where": "{{ .metadata.annotations.region }}"}}}
    found = clusters({}, application("app"), application_set([generator], "{{ .nameNormalized }}-{{ .values.where }}"), destinations=(west,))

    assert names(found["roots"]) == ["app", "west-eu"]


def test_clusters_that_nobody_named_are_not_guessed() -> None:
    found = cluster({}, application("app"), application_set([{"clusters": {"selector": {"matchLabels": {"tier": "gold"}}}}]))

    assert unit(found, "set").opaque == "which clusters it is for only Argo CD knows; name them under destinations in the configuration"


def test_without_a_selector_the_cluster_of_argo_cd_itself_is_one() -> None:
    assert names(cluster({}, application("app"), application_set([{"clusters": {}}]))) == ["app", "in-cluster"]


def test_a_patch_of_the_template_takes_away_and_adds() -> None:
    generator = {"list": {"elements": [{"name": "a"}]}}
    patch = "spec:\n  project: null\n  source:\n    path: {{ .name }}pp\n"
    found = cluster({}, application("app"), application_set([generator], templatePatch=patch))
    made = unit(found, "a")

    assert made.path == "app"
    assert "project" not in made.data["spec"]


@pytest.mark.parametrize(
    ("generators", "message"),
    [
        ([{"list": {"elements": [{"other": "a"}]}}], "its template can't be rendered: map has no entry for key 'name'"),
        ([{"list": {"elements": [{"name": "a"}, {"name": "a"}]}}], "it makes two Applications called a"),
        ([{"matrix": {"generators": [{"list": {}}]}}], "a matrix generator has two generators"),
        ([{"merge": {"generators": [{"list": {}}, {"list": {}}]}}], "a merge generator has mergeKeys and at least two generators"),
        ([{"lists": {}}], "a generator names none of the known ones"),
    ],
)
def test_what_the_controller_refuses_makes_no_application_and_is_told(generators: list[Any], message: str) -> None:
    found = cluster({}, application("app"), application_set(generators))

    assert names(found) == ["app"]
    assert any(message in problem for problem in problems(found))


def test_too_many_applications_are_named_and_not_made() -> None:
    elements = [{"name": f"a{number}"} for number in range(150)]
    matrix = {"matrix": {"generators": [{"list": {"elements": elements}}, {"list": {"elements": [{"other": str(number)} for number in range(150)]}}]}}
    found = cluster({}, application("app"), application_set([matrix], "{{ .name }}-{{ .other }}"))

    assert names(found) == ["app"]
    assert any("it makes too many Applications; --limit objects=NUMBER allows more than 20000" in problem for problem in problems(found))


LEAVES = st.none() | st.booleans() | st.integers() | st.text(max_size=8)
JSON = st.recursive(LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3), max_leaves=6)


@settings(max_examples=15, deadline=None)
@given(spec=st.dictionaries(st.sampled_from(["project", "source", "sources", "destination", "syncPolicy", "generators", "template", "strategy"]), JSON))
def test_whatever_stands_in_a_spec_is_read_without_a_fault_of_ours(spec: dict[str, Any]) -> None:
    for kind in ("Application", "ApplicationSet"):
        odd = {"apiVersion": "argoproj.io/v1alpha1", "kind": kind, "metadata": {"name": "odd", "namespace": "argocd"}, "spec": spec}
        analysis = analyse(
            repository_of(MemoryTree({"roots/app.yaml": dump(application("app")), "roots/odd.yaml": dump(odd), "app/settings.yaml": config_map()}))
        )

        assert any(entry.id.name == "app" for found in analysis.clusters for entry in found.graph.cluster.units)


def test_labels_that_no_cluster_of_the_configuration_has_select_none() -> None:
    west = Destination("west", "https://west.example.org", {"tier": "gold"})
    generator = {"clusters": {"selector": {"matchLabels": {"tier": "silver"}}}}
    found = clusters({}, application("app"), application_set([generator]), destinations=(west,))

    assert unit(found["roots"], "set").opaque is None
    assert names(found["roots"]) == ["app"]


def settings_map(**data: str) -> str:
    return dump({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "argocd-cm", "namespace": "argocd"}, "data": data})


@pytest.mark.parametrize(
    ("data", "refused"),
    [
        (None, []),
        ({"url": "https://argocd.example.org"}, ["../shared/settings.yaml is not in", "kustomize hands charts to Helm only with"]),
        ({"kustomize.buildOptions": "--enable-helm"}, ["../shared/settings.yaml is not in"]),
        ({"kustomize.buildOptions": "--enable-helm --load-restrictor LoadRestrictionsNone"}, []),
    ],
)
def test_what_kustomize_refuses_hangs_on_the_options_that_argo_cd_gives_it(data: dict[str, str] | None, refused: list[str]) -> None:
    chart = {"name": "operator", "repo": "https://charts.example.org", "version": "1.0.0"}
    files = {"a/kustomization.yaml": dump({"resources": ["../shared/settings.yaml"], "helmCharts": [chart]}), "shared/settings.yaml": config_map()}
    found = cluster(files | ({"roots/argocd-cm.yaml": settings_map(**data)} if data is not None else {}), application("a"))
    problems = [problem.message for problem in found.problems]

    assert len(problems) == len(refused)
    assert all(message.startswith(words) for message, words in zip(problems, refused, strict=True))


def test_a_patch_of_an_application_set_is_no_root() -> None:
    base = application_set([{"list": {"elements": ["patch-me"]}}])
    patch = application_set([{"list": {"elements": [{"name": "shop"}]}}])
    del patch["spec"]["template"], patch["metadata"]["namespace"]
    overlay = {"resources": ["../base"], "patches": [{"path": "elements.yaml", "target": {"kind": "ApplicationSet", "name": "set"}}]}
    files = {
        "argo/base/set.yaml": dump(base),
        "argo/base/kustomization.yaml": dump({"namespace": "openshift-gitops", "resources": ["set.yaml"]}),
        "argo/production/kustomization.yaml": dump(overlay),
        "argo/production/elements.yaml": dump(patch),
    }
    found = cluster(files)

    assert (names(found), found.problems) == (["shop"], ())


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"directory": {"recurse": False}}, ["a"]),
        ({"helm": {}}, ["a"]),
        ({"directory": {"exclude": "a.yaml"}}, ["b"]),
        ({"directory": {"recurse": True, "include": "b.yaml"}}, ["b"]),
    ],
)
def test_settings_that_say_nothing_leave_the_tool_to_the_files(settings: dict[str, Any], expected: list[str]) -> None:
    files = {"shop/kustomization.yaml": "resources: [a.yaml]\n", "shop/a.yaml": config_map("a"), "shop/b.yaml": config_map("b")}
    found = cluster(files, application("shop", {"repoURL": URL, "path": "shop", **settings}))

    assert [entry.partition("/")[2].rpartition("/")[2] for entry in applied(found, "shop")] == expected
