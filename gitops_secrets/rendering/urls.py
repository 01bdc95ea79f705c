"""Addresses of repositories, as people write them."""

from __future__ import annotations

import re
from typing import Final

_SCP: Final = re.compile(r"^(?:[^@/]+@)?([^:/]+):(?!//)(.+)$")
# What people fill in before anyone reads it: `<GITOPS_REPO_URL>`, `${REPO}`, `{{ repo }}`, `PLACEHOLDER`.
_PLACEHOLDER: Final = re.compile(r"<[A-Za-z_][A-Za-z0-9_ .-]*>|\$\{|\{\{|@@|(?<![A-Za-z])(?:PLACEHOLDER|CHANGE_?ME|REPLACE_?ME)(?![A-Za-z])")


def normalised_url(url: str) -> str:
    """Host and path of a git or OCI url, so that ssh, https and scp-like forms of one repository are equal."""
    url = url.strip()
    if "://" in url:
        url = url.partition("://")[2]
        url = url.rpartition("@")[2] if "@" in url.partition("/")[0] else url
        host, _, path = url.partition("/")
        host = host.partition(":")[0]
    elif match := _SCP.match(url):
        host, path = match[1], match[2]
    else:
        host, path = "", url
    return f"{host.lower()}/{path.strip('/').removesuffix('.git').lower()}"


def owner_of(url: str) -> str:
    """Host and first part of the path of a normalised url, without what tells registries of a forge from the forge."""
    host, _, path = url.partition("/")
    return f"{'github.com' if host == 'ghcr.io' else host}/{path.partition('/')[0]}"


def is_placeholder(text: str) -> bool:
    """Does a value stand for one that is filled in before anyone reads it?"""
    return _PLACEHOLDER.search(text) is not None
