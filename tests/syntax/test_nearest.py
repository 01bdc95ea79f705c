"""Which name was meant, as difflib would say it, and what that takes where thousands of names are not there."""

from __future__ import annotations

import difflib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gitops_secrets.syntax.nearest import Names, nearest, share

WORDS = st.text(alphabet="abcs1:Å", min_size=1, max_size=12)


@settings(max_examples=150, deadline=None)
@given(WORDS, st.lists(WORDS, max_size=12), st.sampled_from([0.6, 0.75, 0.85, 0.93]))
def test_the_closest_name_is_the_one_that_difflib_finds(name: str, known: list[str], similarity: float) -> None:
    others = sorted({other for other in known if other != name})
    found = difflib.get_close_matches(name, others, 2, similarity)

    assert Names(known).closest(name, similarity) == (found[0] if found else None)
    assert Names(known).only(name, similarity) == (found[0] if len(found) == 1 else None)


@pytest.mark.parametrize(
    ("name", "known", "meant"),
    [
        ("shop-tls-secret", "pix-tls-secret", None),
        ("k8s/apps/minio-operator", "k8s/apps/trivy-operator", None),
        ("./crd.yaml", "./pdb.yaml", None),
        ("cluster-apps-openebs-lvmlocalpv", "cluster-apps-openebs-localpv", "cluster-apps-openebs-localpv"),
        ("rook-ceph-block", "ceph-block", "ceph-block"),
        ("vault-cert", "vault-lab-cert", "vault-lab-cert"),
        ("credentials-of-web-10", "credentials-for-web-10", "credentials-for-web-10"),
    ],
)
def test_words_that_two_names_share_at_an_end_make_them_no_more_alike(name: str, known: str, meant: str | None) -> None:
    assert nearest(name, [known]) == meant


def test_a_hint_is_found_among_thousands_of_names_that_are_much_alike() -> None:
    known = Names(f"credentials-{word}-web-{number}" for word in ("of", "for") for number in range(3_000))

    assert [known.closest(f"credential-for-web-{number}", 0.75, share(3_000)) for number in range(0, 3_000, 500)] == [
        f"credentials-for-web-{number}" for number in range(0, 3_000, 500)
    ]


def test_names_that_were_not_meant_are_passed_over() -> None:
    assert Names(["stores", "store-a"]).closest("store", 0.6, besides={"stores"}) == "store-a"


def test_names_longer_than_names_are_compared_with_nothing() -> None:
    assert nearest("n" * 254, ["n" * 253]) is None
    assert nearest("n" * 253, ["n" * 254]) is None


def test_where_the_work_does_not_do_for_all_names_those_of_the_same_length_are_looked_at() -> None:
    known = Names([*(f"{number:020}" for number in range(1_000)), "stores"])

    assert known.closest("stroes", 0.6, 50) == "stores"
