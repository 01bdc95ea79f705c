"""`gitops-secrets generate`: a subcommand for each engine."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from gitops_secrets.cli.options import Call, PathType, reading_options
from gitops_secrets.cli.output import note, write

if TYPE_CHECKING:
    from pathlib import Path

    from gitops_secrets.pipeline.generate import Generated
    from gitops_secrets.pipeline.scan import Repository

STALE = 1


@click.group()
def generate() -> None:
    """Write what orders a repository that has no order yet, or a new environment."""


@generate.command()
@click.argument("overlay", type=PathType())
@click.option("--source", metavar="[KIND/]NAMESPACE/NAME", default="flux-system/flux-system", show_default=True, help="The source that Flux builds from.")
@click.option("--check", is_flag=True, help="Write nothing; exit with 1 if a file is not what it should be.")
@click.option("--diff", is_flag=True, help="Write nothing; show what would change.")
@reading_options
@click.pass_context
def flux(context: click.Context, overlay: Path, source: str, check: bool, diff: bool, call: Call) -> None:
    """Write one Flux Kustomization for each component of OVERLAY, with the fewest dependsOn that make the order sound.

    They go into OVERLAY/flux, with a kustomization that lists them. Running it again changes nothing; what people wrote in other fields stays.
    """
    from gitops_secrets.pipeline.generate import FLUX_FOLDER, generate_flux

    repository = _open(overlay, overlay / FLUX_FOLDER, call, writes=not (check or diff))
    _finish(context, repository, generate_flux(repository, overlay, source=source), call, check=check, diff=diff)


@generate.command()
@click.argument("overlay", type=PathType())
@click.option("--repository", "url", metavar="URL", default="", help="Where Argo CD reads this repository; the remote of the checkout by default.")
@click.option("--target-revision", metavar="REV", default="HEAD", show_default=True, help="What it reads there.")
@click.option("--namespace", default="argocd", show_default=True, help="The namespace of the Applications.")
@click.option("--project", default="default", show_default=True, help="The AppProject of the Applications.")
@click.option("--check", is_flag=True, help="Write nothing; exit with 1 if a file is not what it should be.")
@click.option("--diff", is_flag=True, help="Write nothing; show what would change.")
@reading_options
@click.pass_context
def argo(context: click.Context, overlay: Path, url: str, target_revision: str, namespace: str, project: str, check: bool, diff: bool, call: Call) -> None:
    """Write one Argo CD Application for each component of OVERLAY, in the fewest sync waves that make the order sound.

    They go into OVERLAY/argocd, with a kustomization that lists them, for a root Application to read. Where objects of a component need waves of their own, a
    kustomization of patches there says so. Running it again changes nothing; what people wrote in other fields stays.
    """
    from gitops_secrets.generate.argo import ArgoOptions
    from gitops_secrets.pipeline.generate_argo import ARGO_FOLDER, generate_argo

    repository = _open(overlay, overlay / ARGO_FOLDER, call, writes=not (check or diff))
    _finish(context, repository, generate_argo(repository, overlay, ArgoOptions(url, target_revision, namespace, project)), call, check=check, diff=diff)


def _open(path: Path, target: Path, call: Call, *, writes: bool) -> Repository:
    """The repository that `path` lies in, of which files in `target` are to be written."""
    from gitops_secrets.pipeline.generate import refuse_left_out, relative
    from gitops_secrets.pipeline.scan import open_repository

    if call.revision is not None and writes:
        raise click.UsageError("--rev reads a commit, which nothing can be written to; add --check or --diff")
    repository = open_repository(path, revision=call.revision, config=call.config, limits=call.limits)
    if call.revision is None:
        refuse_left_out(repository, relative(repository.root, target), call.limits)
    return repository


def _finish(context: click.Context, repository: Repository, generated: Generated, call: Call, *, check: bool, diff: bool) -> None:
    """Writes what was generated, or shows it, and says which files that are."""
    from gitops_secrets.generate.changes import diff_of
    from gitops_secrets.pipeline.changes import write as write_changes

    for remark in generated.remarks:
        note(remark, call)
    if diff:
        write(diff_of(generated.stale), call)
    elif not check:
        write_changes(repository.root, generated.stale)
    for change in generated.stale:
        verb = "deleted" if change.after is None else "written"
        note(f"{change.path}: {'stale' if check else f'would be {verb}' if diff else verb}", call)
    if not generated.stale:
        note("everything is as it should be", call)
    if check and generated.stale:
        context.exit(STALE)


@generate.command()
@click.argument("name")
@click.option("--from", "base", metavar="BASE", type=PathType(exists=True, file_okay=False), help="The directory with the components.")
@click.option("--into", metavar="FOLDER", type=PathType(file_okay=False), help="The folder of the overlays; `overlays` beside BASE by default.")
@click.option("--component", "components", metavar="NAME", multiple=True, help="A component of BASE, or a folder of some; all by default. Repeatable.")
@click.option("--namespace", "namespaces", metavar="[COMPONENT=]NAME", multiple=True, help="The namespace of all applications, or of one. Repeatable.")
@click.option("--region", metavar="REGION", help="The region of the stores of AWS.")
@click.option("--role-arn", metavar="ARN", help="The role that the stores of AWS act with (IRSA).")
@click.option("--store-prefix", metavar="PREFIX", help="What the names of the stores begin with.")
@click.option("--store", "stores", metavar="OLD=NEW", multiple=True, help="Read from the store NEW what BASE reads from OLD. Repeatable.")
@click.option("--key-prefix", "key_prefixes", metavar="[OLD=]NEW", multiple=True, help="What keys at the provider begin with, instead of OLD. Repeatable.")
@click.option("--source", metavar="[KIND/]NAMESPACE/NAME", help="The source that Flux builds from; flux-system/flux-system by default.")
@click.option("--check", is_flag=True, help="Write nothing; exit with 1 if a file is not what it should be.")
@click.option("--diff", is_flag=True, help="Write nothing; show what would change.")
@reading_options
@click.pass_context
def overlay(
    context: click.Context,
    name: str,
    base: Path | None,
    into: Path | None,
    components: tuple[str, ...],
    namespaces: tuple[str, ...],
    region: str | None,
    role_arn: str | None,
    store_prefix: str | None,
    stores: tuple[str, ...],
    key_prefixes: tuple[str, ...],
    source: str | None,
    check: bool,
    diff: bool,
    call: Call,
) -> None:
    """Write a new environment NAME from the components of BASE, with the Flux Kustomizations that apply it in order.

    Running it again changes nothing, and what people wrote stays. Options that are not given are those of the last run; an empty one takes it back.
    """
    from pathlib import Path

    from gitops_secrets.pipeline.generate import relative
    from gitops_secrets.pipeline.overlay import generate_overlay
    from gitops_secrets.pipeline.overlay_state import Request

    folder = into or (base.parent / "overlays" if base is not None else Path("overlays"))
    if "/" in name or name in {"", ".", ".."}:
        raise click.UsageError(f"{name!r} can't be the name of an overlay: its folder is set by --into")
    anchor = base or next((known for known in (folder, *folder.absolute().parents) if known.exists()), Path())
    repository = _open(anchor, folder / name, call, writes=not (check or diff))
    request = Request(
        None if base is None else relative(repository.root, base),
        components or None,
        _pairs("--namespace", namespaces, optional=True),
        region,
        role_arn,
        store_prefix,
        _pairs("--store", stores),
        None if not key_prefixes else tuple((_pairs("--key-prefix", key_prefixes, optional=True) or {}).items()),
        source,
    )
    _finish(context, repository, generate_overlay(repository, folder / name, request), call, check=check, diff=diff)


def _pairs(option: str, texts: tuple[str, ...], *, optional: bool = False) -> dict[str, str] | None:
    """`OLD=NEW` as pairs, of which OLD may be left out where it is `optional`. None where nothing is given, no pairs for an empty text."""
    if not texts:
        return None
    pairs = {}
    for text in filter(None, texts):
        old, equals, new = ("", "=", text) if optional and "=" not in text else text.partition("=")
        if not equals or not new:
            raise click.UsageError(f"{option} {text!r} is not {'[OLD=]NEW' if optional else 'OLD=NEW'}")
        pairs[old] = new
    return pairs
