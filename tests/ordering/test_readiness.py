"""What others of a unit's dependencies imply, by its definition."""

from __future__ import annotations

import networkx
from hypothesis import given
from hypothesis import strategies as st

from gitops_secrets.model.ids import ResourceId
from gitops_secrets.ordering.readiness import implied

UNITS = [ResourceId("", "Unit", "", str(number)) for number in range(7)]


@given(st.lists(st.tuples(st.sampled_from(UNITS), st.sampled_from(UNITS)), max_size=14, unique=True))
def test_a_dependency_is_implied_where_another_way_leads_there(pairs: list[tuple[ResourceId, ResourceId]]) -> None:
    depends_on = {unit: [target for start, target in pairs if start == unit] for unit in UNITS}

    def has_detour(unit: ResourceId, target: ResourceId) -> bool:
        others = networkx.DiGraph([pair for pair in pairs if pair[0] != unit])
        others.add_nodes_from(UNITS)
        starts = set(depends_on[unit]) - {unit, target}
        return any(networkx.has_path(others, start, target) for start in starts)

    assert implied(depends_on) == {pair for pair in pairs if has_detour(*pair)}
