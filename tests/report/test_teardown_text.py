from __future__ import annotations

import json
from dataclasses import replace

from gitops_secrets.graph.build import build
from gitops_secrets.kinds.table import default_table
from gitops_secrets.model.facts import Resource
from gitops_secrets.model.ids import ResourceId
from gitops_secrets.model.nodes import EMPTY_MAPPING, Place
from gitops_secrets.model.results import Cluster
from gitops_secrets.ordering.order import plan
from gitops_secrets.ordering.teardown import Hold, Keep, Teardown
from gitops_secrets.report.plan_document import TEARDOWN_SCHEMA, teardown_document
from gitops_secrets.report.style import Style
from gitops_secrets.report.teardown_text import teardown_text


def unit(name: str) -> ResourceId:
    return ResourceId("kustomize.toolkit.fluxcd.io", "Kustomization", "flux-system", name)


EMPTY = plan(build(Cluster("production", "clusters/production", "flux", (), ()), ()), default_table())
RELEASE = ResourceId("helm.toolkit.fluxcd.io", "HelmRelease", "external-secrets", "external-secrets")
SECRET = Resource(ResourceId("external-secrets.io", "ExternalSecret", "shop", "db"), "v1", EMPTY_MAPPING, Place("apps/db.yaml", 4, 3))
TEARDOWN = Teardown(
    EMPTY,
    steps=((unit("apps"),), (unit("operators"), unit("parent"))),
    suspend=(unit("flux-system"), unit("parent")),
    engine=(unit("flux-system"),),
    keeps=(Keep(unit("operators"), "prune: false"),),
    holds=(Hold(RELEASE, unit("operators"), "ExternalSecret", "cleanup", (SECRET,), (unit("apps"), unit("operators")), (unit("operators"),)),),
)


def test_the_text_says_what_to_do_step_by_step() -> None:
    assert teardown_text([TEARDOWN], Style(width=200)) == (
        "production  clusters/production\n"
        "3 units in 2 steps; go on once everything of a step is gone\n"
        "\n"
        "suspend first  (while they run they bring back what they apply)\n"
        "  Kustomization flux-system/flux-system, flux-system/parent\n"
        "\n"
        "step 1\n"
        "  Kustomization flux-system/apps\n"
        "\n"
        "step 2\n"
        "  Kustomization flux-system/operators\n"
        "  Kustomization flux-system/parent (resume it just before: deleted while suspended, it leaves what it applied)\n"
        "\n"
        "last  (these apply Flux itself: leave them, and let `flux uninstall` take it away)\n"
        "  Kustomization flux-system/flux-system\n"
        "\n"
        "finalizers  (what takes them off has to go last)\n"
        "  HelmRelease/external-secrets/external-secrets outlives 1 ExternalSecret of Kustomization/flux-system/apps,"
        " Kustomization/flux-system/operators: cleanup\n"
        "    would hang: those of Kustomization/flux-system/operators are taken away together with it; delete them by hand first, or split the unit\n"
        "\n"
        "stays: what Kustomization/flux-system/operators applied (prune: false)\n"
    )


def test_many_units_are_counted_unless_all_is_asked_for() -> None:
    hold = replace(TEARDOWN.holds[0], units=tuple(unit(f"u{number}") for number in range(9)), hangs=())
    short, long = (teardown_text([replace(TEARDOWN, holds=(hold,))], Style(width=400, verbose=verbose)) for verbose in (False, True))

    assert "of 9 units (-v names them): cleanup" in short
    assert "Kustomization/flux-system/u8: cleanup" in long


def test_the_document_says_the_same() -> None:
    document = json.loads(teardown_document([TEARDOWN], (), None))
    (cluster,) = document["clusters"]

    assert (document["schema"], document["revision"], document["problems"]) == (TEARDOWN_SCHEMA, None, [])
    assert cluster["steps"] == [["Kustomization/flux-system/apps"], ["Kustomization/flux-system/operators", "Kustomization/flux-system/parent"]]
    assert (cluster["suspend"], cluster["engine"]) == (
        ["Kustomization/flux-system/flux-system", "Kustomization/flux-system/parent"],
        ["Kustomization/flux-system/flux-system"],
    )
    assert cluster["keeps"] == [{"unit": "Kustomization/flux-system/operators", "why": "prune: false"}]
    assert cluster["holds"][0]["objects"] == [{"id": "ExternalSecret/shop/db", "place": {"file": "apps/db.yaml", "line": 4, "column": 3}}]
    assert cluster["holds"][0]["hangs"] == ["Kustomization/flux-system/operators"]
