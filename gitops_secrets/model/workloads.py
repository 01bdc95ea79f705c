"""The kinds whose controllers run pods, and where the template of the pods stands in their manifests (API reference, workload resources)."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

# Those that replace their pods when the template changes: what `kubectl rollout` works on.
ROLLED_OUT: Final = frozenset({("apps", "DaemonSet"), ("apps", "Deployment"), ("apps", "StatefulSet")})
# Those that people write.
WORKLOADS: Final = ROLLED_OUT | {("batch", "CronJob"), ("batch", "Job")}

_TEMPLATE: Final = ("spec", "template")
POD_TEMPLATE: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {"CronJob": ("spec", "jobTemplate", *_TEMPLATE), **dict.fromkeys(("DaemonSet", "Deployment", "Job", "ReplicaSet", "StatefulSet"), _TEMPLATE)}
)
POD_TEMPLATES: Final = (_TEMPLATE, POD_TEMPLATE["CronJob"])
