"""Charts that are installed before the engine starts: by helmfiles, scripts, Terraform, and the controller of k3s."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from gitops_secrets.manifests.load import Loader
from gitops_secrets.manifests.merge import merge
from gitops_secrets.model.facts import Release, When
from gitops_secrets.model.ids import ResourceId
from gitops_secrets.model.nodes import EMPTY_MAPPING, MappingNode, Place, as_mapping, as_text, placed
from gitops_secrets.rendering.chart_directory import is_chart
from gitops_secrets.rendering.commands import Command, options_of, positionals_of, resolve
from gitops_secrets.rendering.helmfile import is_helmfile_path, read_helmfile
from gitops_secrets.rendering.scripts import HELM_FLAGS, TEMPLATES, YAML, Scripts
from gitops_secrets.rendering.templated import UNKNOWN, known, neutralised, read_templated


def bootstrap_releases(loader: Loader, scripts: Scripts, paths: Iterable[str] = ()) -> tuple[Release, ...]:
    """The Helm releases of all helmfiles, scripts, Terraform and k3s charts of the tree, and of the helmfiles `paths`; of equal ones the first."""
    # A helmfile that is run for its CustomResourceDefinitions alone installs nothing else.
    run = {path: only for command in scripts.commands if command.program == "helmfile" for path, only in _helmfiles_of(loader, command)}
    candidates = [path for path in loader.tree.files if is_helmfile_path(path)]
    found: list[Release] = []
    for path in dict.fromkeys([*paths, *candidates, *run]):
        if loader.tree.is_file(path):
            found += read_helmfile(loader, path, definitions_only=run.get(path, False)).releases
    repositories = _helm_repositories(scripts.commands)
    for command in scripts.commands:
        found += _helm_releases(loader, command, repositories)
    found += scripts.terraform.releases
    for path in loader.tree.files:
        if _is_k3s_path(path) and loader.holds(path, b"helm.cattle.io"):
            found += _k3s_releases(loader, path)
    return tuple({(release.resource, release.place, release.extra.get("only")): release for release in reversed(found)}.values())[::-1]


def _helmfiles_of(loader: Loader, command: Command) -> Iterator[tuple[str, bool]]:
    """The helmfiles that a command runs; `template` alone applies nothing but what is piped on, in practice CustomResourceDefinitions."""
    words = positionals_of(command, HELM_FLAGS)
    for path in options_of(command, ("-f", "--file")):
        target = resolve(loader.tree, path, command.place.file)
        if target is not None and loader.tree.is_file(target) and {"apply", "sync", "template"}.intersection(words):
            yield target, "template" in words


def _helm_repositories(commands: Iterable[Command]) -> dict[str, str]:
    """Repositories by the name that `helm repo add` gives them."""
    found = {}
    for command in commands:
        words = positionals_of(command, HELM_FLAGS) if command.program == "helm" else []
        if words[:2] == ["repo", "add"] and len(words) > 3:
            found[words[2]] = words[3]
    return found


def _helm_releases(loader: Loader, command: Command, repositories: dict[str, str]) -> Iterator[Release]:
    """`helm install NAME CHART`, `helm upgrade --install NAME CHART`, and the chart alone with `--generate-name`."""
    words = positionals_of(command, HELM_FLAGS) if command.program == "helm" else []
    if words[:1] not in (["install"], ["upgrade"]) or len(words) < 2:
        return
    name, chart = (words[1], words[2]) if len(words) > 2 else ("", words[1])
    if UNKNOWN in chart:
        return
    alias, _, rest = chart.partition("/")
    local = resolve(loader.tree, chart, command.place.file) if not chart.startswith("oci://") else None
    local = local if local and is_chart(loader.tree, local) else None
    repository = next(iter(options_of(command, ("--repo",))), "")
    if chart.startswith("oci://"):
        repository = chart.rstrip("/")
    elif not repository and rest and local is None:
        repository = repositories.get(alias, "")
    chart = chart.rstrip("/").rpartition("/")[2]
    name = chart if not name or UNKNOWN in name else name
    namespace = next(iter(options_of(command, ("-n", "--namespace"))), "default")
    namespace = "" if UNKNOWN in namespace else namespace
    version = next(iter(options_of(command, ("--version",))), "")
    yield Release(
        resource=ResourceId("", "Helm", namespace, name),
        chart=chart,
        repository="" if UNKNOWN in repository else repository,
        version="" if UNKNOWN in version else version,
        name=name,
        namespace=namespace,
        values=_values_of(loader, command),
        place=command.place,
        create_namespace="--create-namespace" in command.words,
        when=When.BEFORE,
        extra={"description": f"{command.place.file}: {name}"} | ({"path": local} if local else {}),
    )


def _values_of(loader: Loader, command: Command) -> MappingNode:
    found = EMPTY_MAPPING
    for written in options_of(command, ("-f", "--values")):
        path = resolve(loader.tree, written, command.place.file)
        if path is not None and loader.tree.is_file(path):
            for document in read_templated(loader, path)[:1]:
                found = merge(found, as_mapping(document))
    for setting in options_of(command, ("--set",)):
        for pair in setting.split(","):
            key, _, value = pair.partition("=")
            if key and not set(key) & set("\\[{"):
                # As helm reads it, as far as it matters here: the two booleans, else text.
                found = merge(found, _setting(key.split("."), {"true": True, "false": False}.get(value, value), command.place))
    return found


def _setting(path: Sequence[str], value: object, place: Place) -> MappingNode:
    node = MappingNode(place.file)
    node.put(path[0], value if len(path) == 1 else _setting(path[1:], value, place), place)
    return node


def _is_k3s_path(path: str) -> bool:
    """May this be a manifest that lies in the directory k3s applies at start? Ansible and cloud-init put it there."""
    lower = path.lower()
    return lower.endswith((*YAML, *TEMPLATES)) and any(word in lower for word in ("k3s", "rke2", "ansible", "bootstrap"))


def _k3s_releases(loader: Loader, path: str) -> Iterator[Release]:
    """HelmChart objects of k3s (helm.cattle.io/v1), which its own controller installs."""
    for document in read_templated(loader, path):
        node = as_mapping(document)
        metadata, spec = as_mapping(node.get("metadata")), as_mapping(node.get("spec"))
        name, chart = known(metadata.get("name")), known(spec.get("chart"))
        if node.get("kind") != "HelmChart" or not name or not chart:
            continue
        content = neutralised(as_text(spec.get("valuesContent")))
        values = as_mapping(loader.parse(content, path, spec.place("valuesContent")).first)
        repository = chart if chart.startswith("oci://") else known(spec.get("repo"))
        yield Release(
            resource=ResourceId("helm.cattle.io", "HelmChart", known(metadata.get("namespace")) or "kube-system", name),
            chart=chart.rpartition("/")[2],
            repository=repository,
            version=known(spec.get("version")),
            name=name,
            namespace=known(spec.get("targetNamespace")) or known(metadata.get("namespace")) or "kube-system",
            values=placed(values, spec.place("valuesContent")),
            place=metadata.place("name"),
            create_namespace=spec.get("createNamespace") is True,
            when=When.BEFORE,
            extra={"description": f"{path}: {name}"},
        )
