"""The exceptions that end a command, each branch with its exit status.

    GitopsSecretsError
    ├── BrokenError       1   what is to be worked on can't be, as it stands in the repository
    ├── UsageError        2   flags, configuration, a path or revision that is not there
    └── OutsideError      3   a tool, registry or cluster failed

Elsewhere a broken repository is none of these: it is collected as `model.Problem` and findings. A bug is none of these either.
"""


class GitopsSecretsError(Exception):
    """Ends the command with `exit_code`; the message is a few lines for the user: what, where, what to do."""

    exit_code = 1


class BrokenError(GitopsSecretsError):
    """Nothing can be made of what the call names until it is mended; the message has the file and the line."""

    exit_code = 1


class UsageError(GitopsSecretsError):
    """The call is wrong: a flag, the configuration, a path or a revision that is not there."""

    exit_code = 2


class OutsideError(GitopsSecretsError):
    """Something outside of the repository failed: a binary, a registry, a cluster."""

    exit_code = 3
