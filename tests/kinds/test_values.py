"""References in the values of charts."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gitops_secrets.kinds.paths import field_text
from gitops_secrets.kinds.texts import TextReader
from gitops_secrets.kinds.values import references_in
from gitops_secrets.model.ids import ResourceId
from gitops_secrets.model.limits import DEFAULT_LIMITS
from gitops_secrets.model.nodes import MappingNode, SequenceNode
from gitops_secrets.syntax.yaml import parse

TEXTS = TextReader(ResourceId("helm.toolkit.fluxcd.io", "HelmRelease", "apps", "app"), DEFAULT_LIMITS)


def said(text: str) -> list[str]:
    values = parse(text, "values.yaml", DEFAULT_LIMITS).documents[0]
    assert isinstance(values, MappingNode)
    return [
        " ".join(
            filter(
                None,
                [
                    each.reason,
                    f"{each.kind}/{each.namespace or ''}/{each.name}",
                    f"key {each.key}" if each.key else "",
                    f"at {field_text(each.at.way)}:{each.at.place.line}",
                    "optional" if each.optional else "",
                    "soft" if each.soft else "",
                    each.confidence.value if each.confidence.value != "likely" else "",
                ],
            )
        )
        for each in references_in(values, TEXTS)
    ]


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ("auth: {existingSecret: db}", ["secret Secret//db at auth.existingSecret:1"]),
        ("auth: {existingSecret: ''}", []),
        ("persistence: {existingClaim: data}", ["volume-claim PersistentVolumeClaim//data at persistence.existingClaim:1"]),
        ("persistence: {storageClass: fast}", ["storage-class StorageClass//fast at persistence.storageClass:1"]),
        ("persistence: {storageClass: '-'}", []),
        ("persistence: {enabled: false, storageClass: fast}", []),
        ("grafana: {enabled: false, admin: {existingSecret: admin}}", []),
        (
            "env:\n- name: A\n  valueFrom:\n    secretKeyRef: {name: db, key: password}",
            ["secret Secret//db key password at env[0].valueFrom.secretKeyRef.name:4"],
        ),
        (
            "envFrom: [{secretRef: {name: db}}, {configMapRef: {name: c, optional: true}}]",
            [
                "secret Secret//db at envFrom[0].secretRef.name:1",
                "config-map ConfigMap//c at envFrom[1].configMapRef.name:1 optional",
            ],
        ),
        ("persistence: {config: {type: configMap, name: settings}}", ["config-map ConfigMap//settings at persistence.config.name:1"]),
        ("persistence: {config: {type: secret, name: s, enabled: false}}", []),
        ("imagePullSecrets: [{name: registry}]", ["secret Secret//registry at imagePullSecrets[0].name:1 soft"]),
        ("route: {parentRefs: [{name: public, namespace: network}]}", ["gateway Gateway/network/public at route.parentRefs[0].name:1 soft"]),
        ("ingress: {tls: [{secretName: web-tls}]}", ["secret Secret//web-tls at ingress.tls[0].secretName:1 soft"]),
        ("web: {ingress: {tls: {secretName: web-tls}}}", ["secret Secret//web-tls at web.ingress.tls.secretName:1 soft"]),
        ("ingress: {annotations: {kubernetes.io/tls-acme: 'true'}, tls: [{secretName: web-tls}]}", []),
        ("ingress: {className: nginx, hosts: []}", ["class IngressClass//nginx at ingress.className:1 soft"]),
        (
            "pod: {resourceClaims: [{resourceClaimTemplateName: gpu}]}",
            ["device ResourceClaimTemplate//gpu at pod.resourceClaims[0].resourceClaimTemplateName:1 soft"],
        ),
        (
            "annotations: {cert-manager.io/cluster-issuer: le}",
            ['issuer ClusterIssuer//le at annotations["cert-manager.io/cluster-issuer"]:1 soft'],
        ),
        (
            'annotations: {k8s.v1.cni.cncf.io/networks: \'[{"name": "iot", "namespace": "net"}]\'}',
            ['network NetworkAttachmentDefinition/net/iot at annotations["k8s.v1.cni.cncf.io/networks"]:1'],
        ),
        ("env: {DB_HOST: pg-rw.databases.svc.cluster.local}", ["database Service/databases/pg-rw at env.DB_HOST:1 soft"]),
        ("env: {URL: 'postgres://u@pg-rw.databases:5432/x'}", ["database Service/databases/pg-rw at env.URL:1 optional soft possible"]),
        ("env: {API: 'http://web.apps.svc:8080/x'}", ["service-host Service/apps/web at env.API:1 soft"]),
        ("env: {LLM_URL: 'http://llm.ai:4000/v1'}", ["service-host Service/ai/llm at env.LLM_URL:1 optional soft possible"]),
        ("env: [{name: REDIS_HOST, value: cache.databases}]", ["database Service/databases/cache at env[0].value:1 optional soft possible"]),
        ("env: {SMTP_HOST: mail.example.com}", []),
        ("env: {SITE: web.apps}", []),
        ("env: {HOST: example.com}", []),
        ("image: {repository: 'ghcr.io/team/app.web', registry: 'http://a.b'}", []),
        ("annotations: {widget: 'http://web.apps'}", []),
        ("deep: [[{existingSecret: x}]]", ["secret Secret//x at deep[0][0].existingSecret:1"]),
        ("a: 1", []),
    ],
)
def test_values_name_objects_by_what_nearly_all_charts_call_them(values: str, expected: list[str]) -> None:
    assert expected == said(values)


def as_nodes(value: object) -> object:
    if isinstance(value, dict):
        mapping = MappingNode("values.yaml", 1)
        for key, child in value.items():
            mapping.put(key, as_nodes(child), 1)
        return mapping
    if isinstance(value, list):
        sequence = SequenceNode("values.yaml", 1)
        for child in value:
            sequence.add(as_nodes(child), 1)
        return sequence
    return value


KEYS = st.sampled_from(["existingSecret", "secretRef", "name", "type", "parentRefs", "items", "value", "configMap", "image", "key", "url", "storageClass"])
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.sampled_from(["secret", "configMap", "a.b", "http://a.b:1", "", "x"]),
    lambda children: st.lists(children, max_size=3) | st.dictionaries(KEYS, children, max_size=4),
    max_leaves=12,
)


@settings(max_examples=100, deadline=None)
@given(st.dictionaries(KEYS, VALUES, max_size=4))
def test_values_of_any_shape_never_raise(values: dict[str, object]) -> None:
    node = as_nodes(values)
    assert isinstance(node, MappingNode)

    assert all(each.name for each in references_in(node, TEXTS))
