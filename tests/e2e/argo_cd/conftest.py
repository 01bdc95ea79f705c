"""Fixtures of the tests with Argo CD."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.e2e.bed import argo_cd, programs
from tests.e2e.bed.bed import Bed, running
from tests.e2e.bed.programs import Programs


@pytest.fixture(scope="session")
def built() -> Programs:
    return programs.build(*programs.ARGO_CD)


@pytest.fixture
def bed(built: Programs, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bed]:
    """An empty cluster with Argo CD, which knows the health of Applications."""
    with running(built, tmp_path_factory.mktemp("bed") / "bed") as bed:
        argo_cd.start(bed)
        yield bed
