"""The rules, written out by hand."""

from gitops_secrets.checks.base import Context, Rule
from gitops_secrets.checks.missing import (
    MissingConfigMap,
    MissingCustomResourceDefinition,
    MissingKey,
    MissingNamespace,
    MissingObject,
    MissingSecret,
    MissingServiceAccount,
    MissingSource,
    MissingStore,
    UnservedVersion,
    WrongNamespace,
)
from gitops_secrets.checks.order import (
    DanglingDependsOn,
    DependencyCycle,
    DependencyNotGated,
    InertHealthCheck,
    MisreadHealthCheck,
    MissingDependsOn,
    ParentWaitsForChild,
    RedundantDependsOn,
    SuspendedDependency,
    UnitNeedsSplit,
)
from gitops_secrets.checks.reading import BuildFailed, DuplicateKey, InvalidYaml, MissingPath, PatchMatchesNothing, UndefinedVariable
from gitops_secrets.checks.secrets import DuplicateOwner, StoreNotAllowed

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
)

__all__ = ["RULES", "Context", "Rule"]
