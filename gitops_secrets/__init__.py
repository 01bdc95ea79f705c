"""Builds the dependency graph of a GitOps repository, checks its order, and writes it."""

__version__ = "0.1.0"
