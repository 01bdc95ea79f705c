"""Secret values are gone before anybody sees a document."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gitops_secrets.manifests.load import parse_documents
from gitops_secrets.manifests.secrets import LAST_APPLIED, REDACTED
from gitops_secrets.model.limits import DEFAULT_LIMITS

VALUE = "hunter2"
SECRET = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "a"}, "data": {"key": VALUE}, "stringData": {"other": VALUE}}
CUT = {**SECRET, "data": {"key": REDACTED}, "stringData": {"other": REDACTED}}


def loaded(document: Any) -> Any:
    (found,) = parse_documents(json.dumps(document, ensure_ascii=False), "a.yaml", DEFAULT_LIMITS).documents
    return found


def test_of_a_secret_the_keys_stay() -> None:
    assert loaded(SECRET) == CUT


@pytest.mark.parametrize("value", [VALUE, [VALUE], [{"a": VALUE}], 7])
def test_values_of_a_wrong_type_go_as_a_whole(value: object) -> None:
    assert loaded({**SECRET, "data": value})["data"] is None


@pytest.mark.parametrize("value", [{"deep": VALUE}, [VALUE], 7, True, None])
def test_a_value_of_any_type_is_cut(value: object) -> None:
    assert loaded({**SECRET, "data": {"key": value}})["data"] == {"key": REDACTED}


def test_a_secret_without_an_api_version_is_one() -> None:
    patch = {key: value for key, value in SECRET.items() if key != "apiVersion"}

    assert VALUE not in repr(loaded(patch))


@pytest.mark.parametrize("field", ["resources", "steps"])
def test_of_a_secret_in_a_resource_set_expressions_stay_too(field: str) -> None:
    secret = {**SECRET, "stringData": {"other": VALUE, "made": "<< inputs.password >>"}}
    spec = {"resources": [secret]} if field == "resources" else {"steps": [{"name": "a", "resources": [secret]}]}
    found = loaded({"apiVersion": "fluxcd.controlplane.io/v1", "kind": "ResourceSet", "metadata": {"name": "a"}, "spec": spec})["spec"]
    (cut,) = found["resources"] if field == "resources" else found["steps"][0]["resources"]

    assert (cut["data"], cut["stringData"]) == ({"key": REDACTED}, {"other": REDACTED, "made": "<< inputs.password >>"})


def test_a_list_of_objects_is_looked_into() -> None:
    assert loaded({"apiVersion": "v1", "kind": "List", "items": [SECRET, {"kind": "List", "items": [SECRET]}]})["items"] == [
        CUT,
        {"kind": "List", "items": [CUT]},
    ]


def test_items_of_a_list_of_secrets_need_no_kind() -> None:
    items = [{"metadata": {"name": "a"}, "data": {"key": VALUE}}, "text", None]

    assert loaded({"apiVersion": "v1", "kind": "SecretList", "items": items})["items"][0]["data"] == {"key": REDACTED}


def test_a_document_that_is_a_list_is_looked_into() -> None:
    assert loaded([SECRET, [SECRET]]) == [CUT, [CUT]]


def test_what_kubectl_applied_last_is_cut() -> None:
    metadata = {"name": "a", "annotations": {LAST_APPLIED: json.dumps(SECRET), "note": "kept"}}

    assert loaded({**SECRET, "metadata": metadata})["metadata"]["annotations"] == {LAST_APPLIED: REDACTED, "note": "kept"}


def test_an_alias_to_a_value_of_a_secret_is_cut_where_it_is_a_value_of_one() -> None:
    text = f"apiVersion: v1\nkind: Secret\nmetadata: {{name: a}}\ndata: &values {{key: {VALUE}}}\nstringData: *values\n"

    assert VALUE not in repr(parse_documents(text, "a.yaml", DEFAULT_LIMITS).documents)


@pytest.mark.parametrize("kind", ["ConfigMap", "ExternalSecret", "SealedSecret"])
def test_other_kinds_keep_their_values(kind: str) -> None:
    assert loaded({**SECRET, "kind": kind})["data"] == {"key": VALUE}


def test_of_an_encrypted_file_the_structure_stays() -> None:
    document = {
        "settings": {"user": "ENC[AES256_GCM,data:aHVudGVyMg==]", "plain": "kept", "list": ["ENC[x]", "kept", {"deep": "ENC[y]"}]},
        "sops": {"age": [{"recipient": "age1", "enc": VALUE}], "mac": "ENC[mac]", "lastmodified": "2024-01-01"},
    }

    assert loaded(document) == {"settings": {"user": REDACTED, "plain": "kept", "list": [REDACTED, "kept", {"deep": REDACTED}]}, "sops": {}}


def test_an_encrypted_secret_keeps_its_keys_alone() -> None:
    assert loaded({**SECRET, "sops": {"mac": VALUE}}) == {**CUT, "sops": {}}


def test_keys_and_their_places_stay() -> None:
    (document,) = parse_documents(f"kind: Secret\napiVersion: v1\nstringData:\n  user: {VALUE}\n  password: {VALUE}\n", "a.yaml", DEFAULT_LIMITS).documents

    assert [(key, document["stringData"].place(key).line) for key in document["stringData"]] == [("user", 4), ("password", 5)]  # type: ignore[index]


def test_no_problem_quotes_a_value() -> None:
    texts = [
        f"kind: Secret\nstringData:\n  a: {VALUE}\n  a: {VALUE}\n",
        f"kind: Secret\nstringData:\n  a: [{VALUE}\n",
        f"kind: Secret\nstringData:\n  a: *{VALUE}\n",
        f"kind: Secret\nstringData:\n  a: !{VALUE} b\n",
        f'kind: Secret\nstringData:\n  a: "\\q{VALUE}"\n',
        f"kind: Secret\nstringData:\n  {VALUE}\n",
    ]
    loads = [parse_documents(text, "a.yaml", DEFAULT_LIMITS) for text in texts]

    assert [problem.message for load in loads for problem in load.problems if VALUE in problem.message] == []


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text("aé😀{}[]:#&*!|>%@`-'\" \n", max_size=4),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["kind", "items", "data", "metadata", "sops", "annotations", "x"]), inner, max_size=4)
    ),
    max_leaves=12,
)


@settings(max_examples=100, deadline=None)
@given(JSON)
def test_any_document_can_be_looked_through(document: object) -> None:
    assert parse_documents(json.dumps(document, ensure_ascii=False), "a.yaml", DEFAULT_LIMITS).problems == ()


@settings(max_examples=100, deadline=None)
@given(JSON, st.sampled_from(["data", "stringData"]), st.lists(st.sampled_from(["list", "document", "sops"]), max_size=3))
def test_no_value_of_a_secret_survives_however_it_is_wrapped(value: object, field: str, wrappings: list[str]) -> None:
    document: Any = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "a"}, field: {"key": [VALUE, value]}}
    for wrapping in wrappings:
        if wrapping == "list":
            document = {"apiVersion": "v1", "kind": "List", "items": [document]}
        elif wrapping == "document":
            document = [document]
        elif isinstance(document, dict):
            document = {**document, "sops": {}}

    assert VALUE not in repr(loaded(document))
