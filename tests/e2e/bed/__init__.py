"""A Kubernetes control plane with Flux and External Secrets Operator on loopback: real programs, built from their Go modules, no container engine.

The docstring of each module says what it starts. `Bed` in `bed.py` strings them together; `python -m tests.e2e.bed` runs one by hand.
"""
