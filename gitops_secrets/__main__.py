"""`python -m gitops_secrets`: for where the script of the installation is not on PATH."""

from gitops_secrets.cli.main import main

main()
