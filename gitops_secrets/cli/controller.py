"""`gitops-secrets controller`."""

from __future__ import annotations

import logging
import os
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import click

from gitops_secrets.cli.options import Duration, PathType, connection_options, limit_option, path_argument

if TYPE_CHECKING:
    from pathlib import Path


@click.command()
@path_argument
@click.option("--source", metavar="KIND/NAMESPACE/NAME", required=True, help="The GitRepository or OCIRepository to follow; PATH is a folder in it.")
@click.option("--cluster", metavar="NAME", help="The entry point, where there are several below PATH.")
@click.option("--config", metavar="FILE", type=PathType(dir_okay=False), help="Configuration, instead of the source's .gitops-secrets.yaml.")
@click.option("--name", default="gitops-secrets", show_default=True, help="Of the SourceVerification that is told how it stands, and of the lease.")
@click.option("--namespace", envvar="RUNTIME_NAMESPACE", default="gitops-secrets", show_default=True, help="Of both. RUNTIME_NAMESPACE by default.")
@click.option("--listen", metavar="[HOST]:PORT", default=":8080", show_default=True, help="Where /metrics, /healthz and /readyz are.")
@click.option("--events-addr", metavar="URL", help="Of notification-controller, which makes alerts and the status of commits from events.")
@click.option("--leader-election/--no-leader-election", default=True, show_default=True, help="Act only while holding the lease.")
@click.option("--lease-duration", type=Duration(), default="15s", show_default=True, help="After which another replica takes over from one that is gone.")
@click.option("--no-read-secrets", is_flag=True, help="Do not look at Secrets themselves, only at what makes them.")
@limit_option
@click.option("-v", "--verbose", is_flag=True, help="Log more.")
@click.option("--debug", is_flag=True, help="Show tracebacks.")
@connection_options
def controller(
    path: Path,
    source: str,
    cluster: str | None,
    config: Path | None,
    name: str,
    namespace: str,
    listen: str,
    events_addr: str | None,
    leader_election: bool,
    lease_duration: float,
    no_read_secrets: bool,
    limits: tuple[tuple[str, int], ...],
    verbose: bool,
    debug: bool,
    context_name: str | None,
    kubeconfig: Path | None,
) -> None:
    """Follow one source inside of the cluster: have Flux apply each artifact in order, and say how it stands in status, events and metrics.

    Runs until SIGTERM or SIGINT, and then exits with 0.
    """
    del debug  # seen by `Program.main`
    import socket

    from gitops_secrets.cluster.client import connect
    from gitops_secrets.controller.main import serve
    from gitops_secrets.controller.settings import Address, Settings, Terms
    from gitops_secrets.model.limits import Limits
    from gitops_secrets.pipeline.artifact import source_called

    if events_addr is not None and not (urlsplit(events_addr).scheme in ("http", "https") and urlsplit(events_addr).hostname):
        raise click.BadParameter(f"{events_addr!r} is no address of http or https", param_hint="--events-addr")
    host, colon, port = listen.rpartition(":")
    if not (colon and port.isascii() and port.isdigit() and int(port) < 65536):
        raise click.BadParameter(f"{listen!r} is no [HOST]:PORT", param_hint="--listen")
    if lease_duration < 3:
        raise click.BadParameter("a lease of less than 3s can't be renewed in time", param_hint="--lease-duration")
    settings = Settings(
        source_called(source),
        path.as_posix(),
        cluster,
        config,
        namespace,
        name,
        f"{socket.gethostname()}-{os.getpid()}",
        Address(host.strip("[]"), int(port)),
        events_addr,
        # As client-go shares out a lease: two thirds to renew it, a try at every seventh.
        Terms(lease_duration, lease_duration * 2 / 3, lease_duration * 2 / 15) if leader_election else None,
        not no_read_secrets,
        Limits(**dict(limits)),
    )
    serve(settings, lambda patience: connect(kubeconfig, context_name, patience), logging.DEBUG if verbose else logging.INFO)
