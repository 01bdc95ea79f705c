"""What a user tells the tool about a repository: the frozen configuration, its schema, and comments that suppress findings."""

from gitops_secrets.config.configuration import (
    Bootstrap,
    BootstrapChart,
    ClusterSetting,
    Configuration,
    DestinationSetting,
    Ignore,
    Named,
    RuleSetting,
    SourceSetting,
    load_configuration,
)
from gitops_secrets.config.schema import configuration_schema, suggestion
from gitops_secrets.config.suppress import Suppression, suppressions_in

__all__ = [
    "Bootstrap",
    "BootstrapChart",
    "ClusterSetting",
    "Configuration",
    "DestinationSetting",
    "Ignore",
    "Named",
    "RuleSetting",
    "SourceSetting",
    "Suppression",
    "configuration_schema",
    "load_configuration",
    "suggestion",
    "suppressions_in",
]
