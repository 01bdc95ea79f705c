"""What is said of a repository after an edit, from what was kept of the analysis before it: only the units that read what was edited are built again.

It goes for what concerns nobody but who names it: workloads, their configuration, what External Secrets Operator reads, releases of the same charts. What
steers an engine, brings definitions or admits other objects changes more than its own unit; then all is worked out again. So it is wherever anything is out
of the ordinary: this is a way to be fast, not another way to an answer.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from itertools import accumulate
from typing import Final

from gitops_secrets.kinds.extract import facts_of
from gitops_secrets.kinds.table import KindTable, default_table
from gitops_secrets.manifests.load import Loader
from gitops_secrets.model.facts import Resource
from gitops_secrets.model.ids import ResourceId, split_api_version
from gitops_secrets.model.limits import Limits
from gitops_secrets.model.nodes import as_mapping, as_text
from gitops_secrets.ordering.order import Order
from gitops_secrets.pipeline.checkout import Edited, may_name
from gitops_secrets.pipeline.edited_cluster import EditedCluster, UnusualError
from gitops_secrets.pipeline.edited_unit import edit_of, unplaced, without
from gitops_secrets.pipeline.kept import Kept, KeptCluster, may_be_edited
from gitops_secrets.rendering.flux_build import default_namespace
from gitops_secrets.rendering.kustomize.kustomization import FILE_NAMES
from gitops_secrets.rendering.objects import to_resource
from gitops_secrets.rendering.units import is_kustomization
from gitops_secrets.repository.ignore import FilteredTree
from gitops_secrets.repository.tree import OverlaidTree, Tree
from gitops_secrets.syntax.budget import Budget, BudgetError, Spent

# What a Kustomization says of itself and its order, and nothing of what it applies.
_ORDERING: Final = frozenset("deletionPolicy dependsOn force healthCheckExprs healthChecks interval prune retryInterval suspend timeout wait".split())
# What a kustomization file does to one object after the other.
_DONE_TO_OBJECTS: Final = frozenset(
    """
    buildMetadata commonAnnotations commonLabels configMapGenerator generatorOptions images labels namePrefix nameSuffix namespace patches patchesJson6902
    patchesStrategicMerge replicas secretGenerator sortOptions
    """.split()
)


def text_after(edited: Edited, tree: Tree, limits: Limits, told: Callable[[Order], str], *, tells_places: bool) -> str | None:
    """What is said of a checkout after an edit; None where all has to be worked out.

    `told` tells one cluster; `tells_places`: does it say where everything is written?
    """
    try:
        return _text_after(edited, tree, limits, told, tells_places=tells_places)
    except (UnusualError, BudgetError, FileNotFoundError):
        return None  # in the last case a file has gone since


def _text_after(edited: Edited, tree: Tree, limits: Limits, told: Callable[[Order], str], *, tells_places: bool) -> str | None:
    known, before = Kept(*edited.kept), edited.before
    text, _ = edited.answer
    if not before.keys() <= known.readers.keys() | known.written.keys() or not Budget(limits).allows(Spent(known.text, known.steps)):
        return None
    if any((word in content) != (word in tree.read(path)) for path, content in before.items() for word in edited.words):
        return None
    files = FilteredTree(tree, frozenset(known.left_out))
    now = Loader(files, budget=Budget(limits))
    states = (Loader(OverlaidTree(files, before), beside=now, budget=Budget(limits)), now)
    parts = [text[end - length : end] for end, length in zip(accumulate(known.lengths), known.lengths, strict=True)]
    tells_places = tells_places or any(may_name(text, path) for path in before)
    again = _told_again(known, before, states, told, default_table().within(limits), tells_places=tells_places)
    # Where places are told, those in what is told again are made of the files as they are.
    old = (part for position, part in enumerate(parts) if not (tells_places and position in again))
    if any(may_name(part, path) for part in (*old, *(() if tells_places else again.values())) for path in before):
        return None
    return "".join(again.get(position, part) for position, part in enumerate(parts))


def _told_again(
    known: Kept, paths: Collection[str], states: Sequence[Loader], told: Callable[[Order], str], table: KindTable, *, tells_places: bool
) -> dict[int, str]:
    """The parts of the text about clusters that read these files, by their positions. Raises `UnusualError`."""
    rewritten = _rewritten_in(paths, states, table, known.written, tells_places=tells_places)
    sought = frozenset(ResourceId(*id) for id in known.sought)
    again: dict[int, str] = {}
    for number, (position, row) in enumerate(zip(known.positions, known.clusters, strict=True)):
        units, written = ({unit for path in paths for cluster, unit in found.get(path, ()) if cluster == number} for found in (known.readers, known.written))
        if position is not None and row is not None and (units or written):
            cluster = EditedCluster(KeptCluster(*row), states[-1], table, written, rewritten, paths if tells_places else ())
            again[position] = told(cluster.order({unit: edit_of(cluster, unit, states, sought) for unit in sorted(units)}))
    return again


def _rewritten_in(
    paths: Collection[str], states: Sequence[Loader], table: KindTable, written: Collection[str], *, tells_places: bool
) -> Mapping[ResourceId, tuple[Resource, Resource]]:
    """The Kustomizations in these files that are ordered otherwise than before, as they were and as they are; all of them where places are told.

    Raises `UnusualError` for whatever else steers an engine.
    """
    manifests = [path for path in paths if path.rpartition("/")[2] not in FILE_NAMES]
    found = (each for path in manifests for each in _rewritten(path, states, table, may_be=path in written, also_moved=tells_places))
    rewritten = {resource.id: (was, resource) for was, resource in found}
    if rewritten and len(manifests) < len(paths):
        raise UnusualError  # they may not be applied any more as they are written
    _check_included(set(paths).difference(manifests), states)
    return rewritten


def _check_included(paths: Iterable[str], states: Sequence[Loader]) -> None:
    """Raises `UnusualError` where kustomizations say something else than before that is not done to one object after the other."""
    for path in paths:
        before, after = (loader.load(path) for loader in states)
        fields = [{key: value for key, value in as_mapping(each.first).items() if key not in _DONE_TO_OBJECTS} for each in (before, after)]
        if before.problems or after.problems or len(before.documents) != 1 or len(after.documents) != 1 or repr(fields[0]) != repr(fields[1]):
            raise UnusualError


def _rewritten(path: str, states: Sequence[Loader], table: KindTable, *, may_be: bool, also_moved: bool) -> Iterator[tuple[Resource, Resource]]:
    before, after = (loader.load(path) for loader in states)
    steering = [[each for each in found.documents if may_be or not _is_ordinary_document(each)] for found in (before, after)]
    if before.problems or after.problems or len(steering[0]) != len(steering[1]):
        raise UnusualError
    for old, new in zip(*steering, strict=True):
        is_as_before = repr(old) == repr(new)
        if is_as_before and not (may_be and also_moved):
            continue
        was, resource = (to_resource(each, table.is_namespaced, default_namespace(each)) for each in (as_mapping(old), as_mapping(new)))
        if was is not None and resource is not None and is_kustomization(resource):
            if not may_be or not _is_only_ordered_otherwise(was, resource, table):
                raise UnusualError
            yield was, resource
        elif not is_as_before:
            raise UnusualError


def _is_only_ordered_otherwise(before: Resource, after: Resource, table: KindTable) -> bool:
    facts = [unplaced(facts_of(each, table)) for each in (before, after)]
    return facts[0] == facts[1] and repr(without(before, _ORDERING)) == repr(without(after, _ORDERING))


def _is_ordinary_document(document: object) -> bool:
    manifest = as_mapping(document)
    group, _ = split_api_version(as_text(manifest.get("apiVersion")))
    return bool(manifest) and may_be_edited(ResourceId(group, as_text(manifest.get("kind")), "", ""))
