"""Permissions one by one: which a run asks for, and roles without one of them."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import yaml

from tests.e2e.bed.api import Kind, Object
from tests.e2e.bed.bed import Bed
from tests.e2e.bed.faults import Request

CLUSTER_ROLE = Kind("rbac.authorization.k8s.io/v1", "clusterroles", namespaced=False)
ROLE = Kind("rbac.authorization.k8s.io/v1", "roles")
_VERBS = {"PATCH": "patch", "POST": "create", "PUT": "update", "DELETE": "delete"}


class Permission(NamedTuple):
    """One verb on one resource, or a subresource of it."""

    verb: str
    group: str
    resource: str

    @property
    def denial(self) -> str:
        """The API server's words where it is missing."""
        return f'cannot {self.verb} resource "{self.resource}"'


def asked_for(request: Request) -> Permission | None:
    """What the API server's authorizer is asked for by a request; None where that is no resource."""
    path = request.path.partition("?")[0]
    root, *parts = path.strip("/").split("/")
    group, parts = ("", parts[1:]) if root == "api" else (parts[0], parts[2:]) if len(parts) > 1 else ("", [])
    if parts[:1] == ["namespaces"] and len(parts) > 2:
        parts = parts[2:]
    if root not in ("api", "apis") or not parts:
        return None
    verb = _VERBS.get(request.method) or ("get" if len(parts) > 1 else "watch" if request.is_watch else "list")
    return Permission(verb, group, "/".join([parts[0], *parts[2:]]))


def asked(requests: Iterable[Request]) -> set[Permission]:
    """All that is asked for by requests."""
    return {permission for request in requests if (permission := asked_for(request)) is not None}


def without(role: Object, left_out: Permission | None) -> Object:
    """A role, its rules one permission each, but for one of them."""
    rules = [
        {**rule, "apiGroups": [group], "resources": [resource], "verbs": [verb]}
        for rule in role["rules"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
        if Permission(verb, group, resource) != left_out
    ]
    return role | {"rules": rules}


def replace(bed: Bed, role: Object) -> None:
    """Puts a Role or ClusterRole in the place of the one that is there."""
    kind = CLUSTER_ROLE if role["kind"] == "ClusterRole" else ROLE
    bed.api.request("PUT", kind.path(role["metadata"].get("namespace", ""), role["metadata"]["name"]), role)


def is_denied(bed: Bed, account: tuple[str, str], permission: Permission, name: str = "") -> bool:
    """May a service account not do that in its own namespace? The authorizer learns of a changed role from a watch."""
    resource, _, subresource = permission.resource.partition("/")
    attributes = {"verb": permission.verb, "group": permission.group, "resource": resource, "subresource": subresource, "namespace": account[0], "name": name}
    review = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SubjectAccessReview",
        "spec": {"user": f"system:serviceaccount:{account[0]}:{account[1]}", "resourceAttributes": attributes},
    }
    return not bed.api.request("POST", "/apis/authorization.k8s.io/v1/subjectaccessreviews", review)["status"]["allowed"]


def token_in(kubeconfig: Path) -> str:
    """The bearer token of a kubeconfig's only user."""
    token: str = yaml.safe_load(kubeconfig.read_text())["users"][0]["user"]["token"]
    return token
