"""Which version of Flux a cluster runs, as far as the repository tells. A version is given as written, without the `v`: `2.9.1`, or a range like `2.4.x`."""

from __future__ import annotations

import re
from collections.abc import Iterable

from gitops_secrets.manifests.load import Loader
from gitops_secrets.model.facts import Resource
from gitops_secrets.model.nodes import MappingNode, as_mapping, as_text
from gitops_secrets.rendering.units import SOURCE_GROUP

# What installs Flux, with its version: a remote base of kustomize, or a release asset.
_REMOTE = re.compile(r"github\.com/fluxcd/flux2(?:\.git)?/+(?:manifests/install\S{0,200}?[?&](?:ref|version)=|releases/download/)v(\d+\.\d+\.\d+)")
_REMOTE_BYTES = re.compile(_REMOTE.pattern.encode())
_FLUX = b"fluxcd/flux2"
_COMPONENTS = re.compile(rb"^# Flux Version: v(\d+\.\d+\.\d+)", re.MULTILINE)
_SOURCES = re.compile(r"(?:\w+://)?(?:[\w.-]+/)*fluxcd/(?:flux-manifests|flux2)(?:\.git)?/?\Z")
_ANY = "2.x"


def applied_version(resources: Iterable[Resource], things: Iterable[str]) -> str | None:
    """The version that a cluster installs: by the labels of gotk-components.yaml, the tag of a source of Flux's manifests, or a remote base among `things`."""
    tagged = None
    for resource in resources:
        if is_labelled_flux(resource) and (version := as_text(resource.labels.get("app.kubernetes.io/version"))):
            return version.lstrip("v")
        if resource.id.group == SOURCE_GROUP and tagged is None:
            spec = resource.spec
            if _SOURCES.match(as_text(spec.get("url"))):
                tagged = as_text(as_mapping(spec.get("ref")).get("tag")).lstrip("v") or None
    return tagged or next((match[1] for thing in things if (match := _REMOTE.search(thing))), None)


def is_labelled_flux(resource: Resource) -> bool:
    """Is it part of Flux, as its labels have it?"""
    return resource.labels.get("app.kubernetes.io/part-of") == "flux"


def components_version(loader: Loader, sync: str) -> str | None:
    """The version in the gotk-components.yaml that `flux bootstrap` wrote beside the file `sync`, also where no kustomization lists it."""
    components = f"{sync.rpartition('/')[0]}/gotk-components.yaml".lstrip("/")
    match = _COMPONENTS.search(loader.text(components)) if loader.tree.is_file(components) else None
    return match[1].decode() if match is not None else None


def instance_version(instance: MappingNode) -> str | None:
    """The version that the spec of a FluxInstance asks for: a range is the newest one in it, unless `artifact` holds the manifests of an older day."""
    distribution = as_mapping(instance.get("distribution"))
    version = as_text(distribution.get("version")).lstrip("v") or _ANY
    _, _, tag = as_text(distribution.get("artifact")).rpartition("/")[2].partition(":")
    return None if version == _ANY and tag not in ("", "latest") else version


def bootstrapped_version(loader: Loader, files: Iterable[str]) -> str | None:
    """The version that all kustomizations of a repository agree on which install Flux, and which no cluster need include: the bootstrap applies them."""
    naming = (file for file in files if loader.holds(file, _FLUX))
    found = {match[1].decode() for file in naming for match in _REMOTE_BYTES.finditer(loader.text(file))}
    return found.pop() if len(found) == 1 else None
