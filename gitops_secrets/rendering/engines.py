"""The engines that are known, and what they make of the roots of an entry point together."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from gitops_secrets.manifests.load import Loader
from gitops_secrets.model.facts import Resource
from gitops_secrets.model.ids import ResourceId
from gitops_secrets.rendering.argo.engine import ArgoEngine
from gitops_secrets.rendering.argo.repositories import Repositories
from gitops_secrets.rendering.expansion import Expansion, State
from gitops_secrets.rendering.flux import FluxEngine
from gitops_secrets.rendering.kustomize import Builder
from gitops_secrets.rendering.objects import ProvisionsOf, ScopeOf, no_provisions
from gitops_secrets.rendering.renderings import Renderings
from gitops_secrets.rendering.sources import Sources

# A unit that nothing applies, or the unit of another cluster that does.
Root = tuple[Resource, ResourceId | None]


def expand(
    roots: Sequence[Root],
    given: Iterable[Resource],
    sources: Sources,
    repositories: Repositories,
    loader: Loader,
    builder: Builder,
    renderings: Renderings,
    scope_of: ScopeOf,
    provisions_of: ProvisionsOf = no_provisions,
) -> Expansion:
    """Expands root units to a fixed point, whatever engine they belong to.

    `given` are objects that are there beside the roots. `sources` and `repositories` say what Flux and Argo CD read from this repository. `renderings` are
    asked, and told, what units come to.
    """
    state = State(loader, builder, renderings, scope_of)
    state.engines = (FluxEngine(state, sources, provisions_of), ArgoEngine(state, repositories))
    for resource in given:
        state.add(resource)
    for root, parent in roots:
        state.enqueue(root, parent)
    return state.run()
