from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gitops_secrets.kinds.table import default_table
from gitops_secrets.manifests.load import parse_documents
from gitops_secrets.model.facts import Resource
from gitops_secrets.model.ids import ResourceId
from gitops_secrets.model.limits import DEFAULT_LIMITS
from gitops_secrets.model.nodes import MappingNode
from gitops_secrets.rendering.objects import to_resource
from gitops_secrets.rendering.resource_set import ResourceSetObjects, expand_resource_set, lacks_inputs
from gitops_secrets.syntax.emit import dump


def resources(text: str, file: str = "set.yaml") -> dict[ResourceId, Resource]:
    found = (
        to_resource(document, default_table().is_namespaced, "default")
        for document in parse_documents(text, file, DEFAULT_LIMITS).documents
        if isinstance(document, dict)
    )
    return {resource.id: resource for resource in found if resource is not None}


def expand(spec: str, others: str = "") -> ResourceSetObjects:
    """What the ResourceSet `apps` makes whose `spec` starts at line 4."""
    head = "apiVersion: fluxcd.controlplane.io/v1\nkind: ResourceSet\nmetadata: {name: the-apps, namespace: flux-system}\n"
    (resource,) = resources(head + spec).values()
    return expand_resource_set(resource, resources(others, "others.yaml"))


def names(made: ResourceSetObjects) -> list[str]:
    return [f"{node['kind']}/{node['metadata'].get('namespace', '')}/{node['metadata']['name']}" for node in made.nodes]


def messages(made: ResourceSetObjects) -> list[tuple[str, str]]:
    return [(problem.message.partition(": ")[2], str(problem.place)) for problem in made.problems]


def plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    return [plain(item) for item in value] if isinstance(value, list) else value


TENANTS = """spec:
  inputs:
    - {tenant: team1, replicas: "2"}
    - {tenant: team2, replicas: "3"}
"""


# Templates


def test_each_entry_is_made_once_for_each_set_of_inputs_in_the_order_of_the_entries() -> None:
    made = expand(
        TENANTS
        + """
  resources:
    - {apiVersion: v1, kind: Namespace, metadata: {name: << inputs.tenant >>}}
    - apiVersion: v1
      kind: ServiceAccount
      metadata: {name: flux, namespace: << inputs.tenant >>}
"""
    )

    assert names(made) == ["Namespace//team1", "Namespace//team2", "ServiceAccount/team1/flux", "ServiceAccount/team2/flux"]


def test_an_expression_may_make_a_number_or_a_mapping() -> None:
    made = expand(
        """spec:
  inputs: [{name: a, replicas: "2", layer: {type: tar, operation: copy}}]
  resources:
    - apiVersion: v1
      kind: ConfigMap
      metadata: {name: a}
      spec:
        replicas: << inputs.replicas | int >>
        text: << inputs.replicas | quote >>
        layer: << inputs.layer | toYaml | nindent 4 >>
"""
    )

    assert plain(made.nodes[0]["spec"]) == {"layer": {"operation": "copy", "type": "tar"}, "replicas": 2, "text": "2"}


def test_an_object_without_expressions_is_made_once() -> None:
    made = expand(TENANTS + "  resources:\n    - {apiVersion: v1, kind: Namespace, metadata: {name: shared}}\n")

    assert names(made) == ["Namespace//shared"]


def test_the_first_of_several_objects_of_one_name_stays_whatever_their_version() -> None:
    made = expand(
        TENANTS
        + """
  resources:
    - {apiVersion: apps/v1, kind: Deployment, metadata: {name: a, namespace: b}, spec: {tenant: << inputs.tenant >>}}
  resourcesTemplate: |
    apiVersion: apps/v1beta1
    kind: Deployment
    metadata: {name: a, namespace: b}
    spec: {tenant: other}
"""
    )

    assert [plain(node["spec"]) for node in made.nodes] == [{"tenant": "team1"}]


def test_without_inputs_the_list_is_taken_as_it_is() -> None:
    entry = "    - {apiVersion: v1, kind: Namespace, metadata: {name: a}}\n"

    assert names(expand("spec:\n  resources:\n" + entry * 2)) == ["Namespace//a", "Namespace//a"]


def test_a_template_of_many_documents_may_hold_conditions_and_loops() -> None:
    made = expand(
        """spec:
  inputs:
    - {bundle: addons, encrypted: false, apps: [ingress, dns]}
    - {bundle: apps, encrypted: true, apps: [web]}
  resourcesTemplate: |
    ---
    apiVersion: source.toolkit.fluxcd.io/v1
    kind: OCIRepository
    metadata: {name: << inputs.bundle >>, namespace: flux-system}
    <<- range $app := inputs.apps >>
    ---
    apiVersion: kustomize.toolkit.fluxcd.io/v1
    kind: Kustomization
    metadata:
      name: << $app >>
      namespace: flux-system
    spec:
      path: ./<< $app >>
      <<- if inputs.encrypted >>
      decryption: {provider: sops}
      <<- end >>
    <<- end >>
"""
    )
    ns = "flux-system"

    assert names(made) == [
        f"OCIRepository/{ns}/addons",
        f"Kustomization/{ns}/ingress",
        f"Kustomization/{ns}/dns",
        f"OCIRepository/{ns}/apps",
        f"Kustomization/{ns}/web",
    ]
    assert [plain(node["spec"]) for node in made.nodes if "spec" in node][-1] == {"path": "./web", "decryption": {"provider": "sops"}}


def test_the_items_of_a_list_are_objects_and_kustomize_files_are_none() -> None:
    made = expand(
        """spec:
  resourcesTemplate: |
    apiVersion: v1
    kind: List
    items:
      - {apiVersion: v1, kind: Namespace, metadata: {name: a}}
      - {apiVersion: v1, kind: Namespace, metadata: {name: b}}
    ---
    apiVersion: kustomize.config.k8s.io/v1beta1
    kind: Kustomization
    metadata: {name: no}
"""
    )

    assert names(made) == ["Namespace//a", "Namespace//b"]


@pytest.mark.parametrize(("word", "made_of"), [("disabled", ["team1"]), ("Disabled", ["team1", "team2"])])
def test_an_object_can_be_switched_off_by_its_annotation_in_lower_case(word: str, made_of: list[str]) -> None:
    made = expand(
        TENANTS
        + """
  resources:
    - apiVersion: v1
      kind: Namespace
      metadata:
        name: << inputs.tenant >>
        annotations:
          fluxcd.controlplane.io/reconcile: << if eq inputs.tenant "team1" >>enabled<< else >>WORD<< end >>
""".replace("WORD", word)
    )

    assert names(made) == [f"Namespace//{name}" for name in made_of]


def test_steps_make_their_objects_in_order() -> None:
    made = expand(
        TENANTS
        + """
  steps:
    - name: first
      resources: [{apiVersion: v1, kind: ConfigMap, metadata: {name: "<< inputs.tenant >>", namespace: a}}]
    - name: second
      resourcesTemplate: "{apiVersion: v1, kind: Secret, metadata: {name: << inputs.tenant >>, namespace: a}}"
"""
    )

    assert names(made) == ["ConfigMap/a/team1", "ConfigMap/a/team2", "Secret/a/team1", "Secret/a/team2"]


def test_common_metadata_wins() -> None:
    made = expand(
        """spec:
  commonMetadata: {labels: {team: platform}}
  resources:
    - {apiVersion: v1, kind: Namespace, metadata: {name: a, labels: {team: other, tier: web}}}
"""
    )

    assert plain(made.nodes[0]["metadata"]["labels"]) == {"team": "platform", "tier": "web"}


def test_values_of_secrets_are_cut() -> None:
    made = expand(
        """spec:
  inputs: [{password: hunter2}]
  resources:
    - {apiVersion: v1, kind: Secret, metadata: {name: a}, stringData: {plain: hunter2, password: << inputs.password >>}}
"""
    )

    assert plain(made.nodes[0]["stringData"]) == {"plain": "***", "password": "***"}


# Places


def test_objects_of_resources_have_the_places_of_the_fields_that_they_were_made_of() -> None:
    made = expand(
        """spec:
  inputs: [{name: b, ports: [1, 2], labels: {x: y}}]
  resources:
    - kind: Service
      apiVersion: v1
      metadata:
        namespace: a
        name: << inputs.name >>
        labels: << inputs.labels | toYaml | nindent 4 >>
      spec:
        ports:
          - name: web
            port: 80
          - name: metrics
            port: 90
"""
    )
    node = made.nodes[0]
    metadata, ports = node["metadata"], node["spec"]["ports"]

    assert [str(node.place(key)) for key in ("kind", "apiVersion", "metadata", "spec")] == ["set.yaml:7", "set.yaml:8", "set.yaml:9", "set.yaml:13"]
    assert [str(metadata.place(key)) for key in ("namespace", "name", "labels")] == ["set.yaml:10", "set.yaml:11", "set.yaml:12"]
    assert metadata.place("name").column == 9
    assert str(metadata["labels"].place("x")) == "set.yaml:12"
    assert [str(ports.place(index)) for index in range(2)] == ["set.yaml:15", "set.yaml:17"]
    assert str(ports[1].place("port")) == "set.yaml:18"


def test_objects_of_a_text_have_the_place_of_its_field() -> None:
    made = expand("spec:\n  resourcesTemplate: |\n    apiVersion: v1\n    kind: Namespace\n    metadata:\n      name: a\n")

    assert str(made.nodes[0]["metadata"].place("name")) == "set.yaml:5"


def test_the_nodes_of_the_resource_set_stay_as_they_were() -> None:
    text = "apiVersion: fluxcd.controlplane.io/v1\nkind: ResourceSet\nmetadata: {name: a, namespace: b}\n"
    text += "spec: {inputs: [{x: y}], resources: [{apiVersion: v1, kind: ConfigMap, metadata: {name: << inputs.x >>}, data: {k: v}}]}\n"
    (resource,) = resources(text).values()
    before = dump(resource.data)
    made = expand_resource_set(resource)
    made.nodes[0].put("new", 1, 0)

    assert dump(resource.data) == before


# Inputs


STATIC = """
apiVersion: fluxcd.controlplane.io/v1
kind: ResourceSetInputProvider
metadata: {name: Some.Defaults, namespace: flux-system, labels: {for: apps}}
spec: {type: Static, defaultValues: {color: red}}
---
apiVersion: fluxcd.controlplane.io/v1
kind: ResourceSetInputProvider
metadata: {name: another, namespace: flux-system, labels: {for: apps, env: dev}}
spec: {type: Static, defaultValues: {color: blue}}
---
apiVersion: fluxcd.controlplane.io/v1
kind: ResourceSetInputProvider
metadata: {name: another, namespace: elsewhere, labels: {for: apps}}
spec: {type: Static, defaultValues: {color: green}}
"""
COLORS = '  resources: [{apiVersion: v1, kind: Namespace, metadata: {name: "<< inputs.color >>-<< inputs.provider.name | lower >>"}}]\n'


@pytest.mark.parametrize(
    ("inputs_from", "expected"),
    [
        ("{name: Some.Defaults}", ["red-some.defaults"]),
        ("{selector: {matchLabels: {for: apps}}}", ["red-some.defaults", "blue-another"]),
        ("{selector: {matchLabels: {for: apps, env: dev}}}", ["blue-another"]),
        ("{selector: {matchExpressions: [{key: env, operator: DoesNotExist}]}}", ["red-some.defaults"]),
        ("{selector: {matchExpressions: [{key: env, operator: In, values: [dev]}]}}", ["blue-another"]),
        ("{selector: {matchExpressions: [{key: env, operator: NotIn, values: [dev]}]}}", ["red-some.defaults"]),
        ("{selector: {matchExpressions: [{key: env, operator: Exists}]}}", ["blue-another"]),
        ("{selector: {matchLabels: {for: nobody}}}", []),
    ],
)
def test_static_providers_of_the_same_namespace_give_inputs(inputs_from: str, expected: list[str]) -> None:
    made = expand(f"spec:\n  inputsFrom: [{inputs_from}]\n{COLORS}", STATIC)

    assert made.opaque_reason is None
    assert names(made) == [f"Namespace//{name}" for name in expected]


def test_own_inputs_come_before_those_of_providers() -> None:
    made = expand(f"spec:\n  inputs: [{{color: white}}]\n  inputsFrom: [{{name: another}}, {{name: another}}]\n{COLORS}", STATIC)

    assert names(made) == ["Namespace//white-the-apps", "Namespace//blue-another"]


def test_permuted_inputs_stand_under_the_name_of_who_exports_them() -> None:
    made = expand(
        """spec:
  inputStrategy: {name: Permute}
  inputs: [{app: a}, {app: b}]
  inputsFrom: [{selector: {matchLabels: {for: apps}}}]
  resources:
    - apiVersion: v1
      kind: ConfigMap
      metadata: {name: "<< inputs.the_apps.app >>-<< inputs.some_defaults.color >>-<< inputs.another.color >>-<< inputs.id >>"}
""",
        STATIC,
    )

    assert names(made) == ["ConfigMap//a-red-blue-4232842582", "ConfigMap//b-red-blue-4234612055"]


@pytest.mark.parametrize(("keeps_empty", "count"), [("true", 0), ("false", 1)])
def test_a_provider_without_inputs_is_skipped_or_empties_the_product(keeps_empty: str, count: int) -> None:
    made = expand(
        f"""spec:
  inputStrategy: {{name: Permute, includeEmptyProviders: {keeps_empty}}}
  inputsFrom: [{{name: another}}]
  resources: [{{apiVersion: v1, kind: Namespace, metadata: {{name: "<< inputs.another.color >>"}}}}]
""",
        STATIC,
    )

    assert len(made.nodes) == count


def test_the_id_of_a_provider_is_known_to_the_cluster_only() -> None:
    made = expand(
        """spec:
  inputsFrom: [{name: another}]
  resources:
    - {apiVersion: v1, kind: Namespace, metadata: {name: << inputs.color >>}}
    - {apiVersion: v1, kind: Namespace, metadata: {name: app-<< inputs.id >>}}
""",
        STATIC,
    )

    assert names(made) == ["Namespace//blue"]
    assert made.opaque_reason == "a template of it uses the id of an input provider, which only the cluster knows"


@pytest.mark.parametrize(
    ("inputs_from", "reason"),
    [
        ("{name: nobody}", "its inputs come from ResourceSetInputProvider/flux-system/nobody, which is not in the repository"),
        ("{name: pulls}", "its inputs come from ResourceSetInputProvider/flux-system/pulls, which asks GitHubPullRequest for them"),
        ("{}", "its inputsFrom names no provider"),
        ("text", "its inputsFrom names no provider"),
    ],
)
def test_inputs_that_are_not_in_the_repository_make_it_opaque(inputs_from: str, reason: str) -> None:
    head = "apiVersion: fluxcd.controlplane.io/v1\nkind: ResourceSetInputProvider\n"
    pulls = f"{head}metadata: {{name: pulls, namespace: flux-system}}\nspec: {{type: GitHubPullRequest}}\n"
    made = expand(f"spec:\n  inputsFrom: [{inputs_from}]\n{COLORS}", pulls)

    assert (made.nodes, made.problems, made.opaque_reason) == ((), (), reason)


@pytest.mark.parametrize(
    ("inputs_from", "expected"), [("[]", False), ("[{name: another}]", False), ("[{name: nobody}]", True), ("[{selector: {matchLabels: {a: b}}}]", True)]
)
def test_a_provider_may_still_turn_up(inputs_from: str, expected: bool) -> None:
    text = f"apiVersion: fluxcd.controlplane.io/v1\nkind: ResourceSet\nmetadata: {{name: a, namespace: flux-system}}\nspec: {{inputsFrom: {inputs_from}}}\n"
    (resource,) = resources(text).values()

    assert lacks_inputs(resource, resources(STATIC)) is expected


# What does not build


@pytest.mark.parametrize(
    ("spec", "problem"),
    [
        (
            "  resources:\n    - apiVersion: v1\n      kind: Namespace\n      metadata:\n        name: << inputs.nope >>\n",
            ("map has no entry for key 'nope'", "set.yaml:11"),
        ),
        ("  resources:\n    - apiVersion: v1\n      kind: Namespace\n      metadata: {name: << nope >>}\n", ("function 'nope' is not defined", "set.yaml:10")),
        (
            "  resources:\n    - {apiVersion: v1, metadata: {name: a}}\n",
            ("an entry of resources makes no object: it has no apiVersion, kind or name", "set.yaml:8"),
        ),
        ("  resources: [text]\n", ("resources[0] is no mapping", "set.yaml:7")),
        ("  resourcesTemplate: '<< if true >>'\n", ("'if' without 'end'", "set.yaml:7")),
        ("  resources: [{}]\n  steps: [{name: a}]\n", ("steps exclude resources and resourcesTemplate", "set.yaml:8")),
        (
            "  steps:\n" + "".join(f"    - name: {name}\n      resources: [{{apiVersion: v1, kind: Namespace, metadata: {{name: a}}}}]\n" for name in "ab"),
            ("Namespace//a is in two steps, a and b", "set.yaml:10"),
        ),
    ],
)
def test_one_mistake_leaves_nothing_and_says_where_it_is(spec: str, problem: tuple[str, str]) -> None:
    made = expand(f"spec:\n  inputs:\n    - {{x: y}}\n{spec}")

    assert (made.nodes, messages(made), made.opaque_reason) == ((), [problem], None)


def test_what_is_no_yaml_once_it_is_rendered_says_where() -> None:
    made = expand(
        """spec:
  inputs: [{range: ">=1.0.0"}]
  resources:
    - apiVersion: source.toolkit.fluxcd.io/v1
      kind: OCIRepository
      metadata: {name: a}
      spec:
        ref:
          semver: << inputs.range >>
"""
    )

    assert [place for _, place in messages(made)] == ["set.yaml:12"]


def test_what_can_not_be_rendered_here_is_left_out_and_named() -> None:
    made = expand(
        TENANTS
        + """
  resources:
    - {apiVersion: v1, kind: Namespace, metadata: {name: << inputs.tenant >>}}
    - {apiVersion: v1, kind: Namespace, metadata: {name: '<< regexReplaceAll "a" inputs.tenant "b" >>'}}
"""
    )

    assert names(made) == ["Namespace//team1", "Namespace//team2"]
    assert made.opaque_reason == "a template of it can't be rendered here: function 'regexReplaceAll' is not supported"


def test_too_many_permutations_are_refused() -> None:
    provider = "---\napiVersion: fluxcd.controlplane.io/v1\nkind: ResourceSetInputProvider\nmetadata: {name: p, namespace: flux-system}\nspec: {type: Static}\n"
    made = expand("spec:\n  inputStrategy: {name: Permute}\n  inputs: [" + "{a: b}, " * 10_001 + "]\n  inputsFrom: [{name: p}]\n" + COLORS, provider)

    assert messages(made) == [("its inputs have more than 10000 permutations", "set.yaml:5")]


def _nested(leaves: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.recursive(
        leaves, lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(["a", "name", "kind", "<< x >>"]), inner, max_size=2), max_leaves=5
    )


_FIELDS = ("inputs", "inputsFrom", "inputStrategy", "resources", "resourcesTemplate", "steps", "commonMetadata", "dependsOn")


@given(
    st.dictionaries(
        st.sampled_from(_FIELDS), _nested(st.sampled_from(["<< inputs.a >>", "text", "<< if", "Permute"]) | st.integers(0, 3) | st.none()), max_size=4
    )
)
@settings(max_examples=100, deadline=None)
def test_wrong_types_never_raise(spec: dict[str, Any]) -> None:
    made = expand(dump({"spec": spec}))

    assert all(isinstance(node, MappingNode) for node in made.nodes)


def files_of(nodes: Iterable[MappingNode]) -> set[str]:
    return {node.place(key).file for node in nodes for key in node}


@given(st.lists(st.dictionaries(st.sampled_from(["name", "x"]), st.sampled_from(["a", "b", "c"]), min_size=1), min_size=1, max_size=5))
@settings(max_examples=50, deadline=None)
def test_no_two_objects_of_a_set_with_inputs_have_one_name(inputs: list[dict[str, str]]) -> None:
    made = expand(
        dump(
            {
                "spec": {
                    "inputs": inputs,
                    "resources": [{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": '<< get inputs "name" | default "d" >>'}}],
                }
            }
        )
    )

    assert len(set(names(made))) == len(made.nodes)
    assert files_of(made.nodes) == {"set.yaml"}
