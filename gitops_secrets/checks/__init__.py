"""The rules, written out by hand."""

from gitops_secrets.checks.applications import ApplicationContainsItself, NeverSynced, SharedResource
from gitops_secrets.checks.base import Context, Rule
from gitops_secrets.checks.deadlocks import DependencyCycle, KustomizationContainsItself, ParentWaitsForChild, UnitNeedsSplit
from gitops_secrets.checks.definitions import MissingCustomResourceDefinition, UnservedVersion
from gitops_secrets.checks.differences import InertIgnoreDifferences, UnreadableSyncWindow
from gitops_secrets.checks.health import DependencyNotGated, InertHealthCheck, MisreadHealthCheck
from gitops_secrets.checks.missing import MissingConfigMap, MissingNamespace, MissingObject, MissingSecret, MissingServiceAccount, MissingSource, MissingStore
from gitops_secrets.checks.order import DanglingDependsOn, MissingDependsOn, RedundantDependsOn, SuspendedDependency
from gitops_secrets.checks.projects import ExcludedResource, MissingProject, ProjectForbids
from gitops_secrets.checks.reading import BuildFailed, DuplicateKey, InvalidYaml, MissingPath, PatchMatchesNothing, UndefinedVariable
from gitops_secrets.checks.references import MissingKey, WrongNamespace
from gitops_secrets.checks.secrets import DuplicateOwner, StoreNotAllowed
from gitops_secrets.checks.suppressions import UnusedSuppression
from gitops_secrets.checks.synced_secrets import PermanentlyOutOfSync, PrunedWithOperator, RegeneratedSecret, TrackingCopied
from gitops_secrets.checks.waves import DegradedFailsSync, HookRemovesProvider, MissingSyncOption, MissingSyncWave, SyncWaveNotGated, WrongSyncWave

RULES: tuple[type[Rule], ...] = (
    MissingDependsOn,
    DanglingDependsOn,
    RedundantDependsOn,
    DependencyCycle,
    DependencyNotGated,
    InertHealthCheck,
    MisreadHealthCheck,
    UnitNeedsSplit,
    ParentWaitsForChild,
    KustomizationContainsItself,
    SuspendedDependency,
    MissingCustomResourceDefinition,
    MissingNamespace,
    MissingStore,
    StoreNotAllowed,
    MissingServiceAccount,
    MissingSecret,
    MissingConfigMap,
    MissingKey,
    MissingObject,
    WrongNamespace,
    DuplicateOwner,
    UnservedVersion,
    MissingSource,
    MissingPath,
    BuildFailed,
    UndefinedVariable,
    PatchMatchesNothing,
    InvalidYaml,
    DuplicateKey,
    MissingSyncWave,
    WrongSyncWave,
    SyncWaveNotGated,
    MissingSyncOption,
    DegradedFailsSync,
    HookRemovesProvider,
    ApplicationContainsItself,
    SharedResource,
    ProjectForbids,
    MissingProject,
    ExcludedResource,
    NeverSynced,
    UnreadableSyncWindow,
    TrackingCopied,
    PermanentlyOutOfSync,
    InertIgnoreDifferences,
    PrunedWithOperator,
    RegeneratedSecret,
    UnusedSuppression,
)

__all__ = ["RULES", "Context", "Rule"]
