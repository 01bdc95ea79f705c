"""`fix` on the cases of every rule, on whole repositories, and on the platform with one thing taken away."""

from __future__ import annotations

import re
import subprocess
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from gitops_secrets.checks import RULES
from gitops_secrets.errors import UsageError
from gitops_secrets.generate.changes import FileChange, diff_of
from gitops_secrets.model.findings import Edit, Finding
from gitops_secrets.model.limits import DEFAULT_LIMITS, Limits
from gitops_secrets.pipeline.check import check
from gitops_secrets.pipeline.fix import Fixed, fix
from gitops_secrets.pipeline.scan import analyse, repository_of
from gitops_secrets.repository.tree import MemoryTree
from gitops_secrets.syntax.spans import YamlText
from gitops_secrets.syntax.splice import apply_edits, remove_key
from gitops_secrets.syntax.yaml import parse
from tests.rules import cases, files_of, units

TESTS = Path(__file__).parents[1]
REPOSITORIES = TESTS / "repositories"

Files = dict[str, str]


def whole(name: str) -> Files:
    root = REPOSITORIES / name
    return {path.relative_to(root).as_posix(): path.read_bytes().decode() for path in sorted(root.rglob("*")) if path.is_file()}


def fixed(files: Mapping[str, str], **options: Any) -> Fixed:
    return fix(repository_of(MemoryTree(files)), **options)


def written(files: Mapping[str, str], result: Fixed) -> Files:
    after = {**files, **{change.path: change.after for change in result.changes}}
    return {path: text for path, text in after.items() if text is not None}


def found(files: Mapping[str, str]) -> tuple[Finding, ...]:
    repository = repository_of(MemoryTree(files))
    return check(repository, analyse(repository)).findings


def serious(files: Mapping[str, str]) -> list[tuple[str, str, str | None]]:
    return [(finding.rule, finding.subject, finding.other) for finding in found(files) if finding.severity.value != "note"]


ALL = [*(files_of(case) for _, case in cases()), *(whole(path.name) for path in sorted(REPOSITORIES.iterdir()) if path.is_dir())]


@pytest.mark.parametrize("number", range(len(ALL)))
def test_what_is_fixed_is_gone_nothing_new_is_there_and_a_second_run_changes_nothing(number: int) -> None:
    files = ALL[number]
    result = fixed(files, splits=True)
    after = written(files, result)
    remaining = Counter((finding.rule, finding.subject, finding.other, finding.field) for finding in found(after))
    mended = [finding for finding in (entry.finding for entry in result.applied) if remaining[finding.rule, finding.subject, finding.other, finding.field]]

    assert mended == []
    assert set(serious(after)) <= set(serious(files))
    assert fixed(after, splits=True).changes == ()


def fixes() -> list[tuple[str, Edit, str]]:
    """Every fix of one edit in all cases: the text of its file, the edit, and the text after it."""
    entries = []
    for files in ALL:
        for finding in found(files):
            if finding.fix is not None and len(finding.fix.edits) == 1:
                (edit,) = finding.fix.edits
                entries.append((files[edit.file], edit, apply_edits(files[edit.file], finding.fix.edits)))
    return entries


def test_a_fix_keeps_every_byte_around_it() -> None:
    entries = fixes()
    changed = []
    for text, edit, after in entries:
        lines = [*text.splitlines(keepends=True), ""]
        before = "".join(lines[: edit.start[0] - 1]) + lines[edit.start[0] - 1][: edit.start[1] - 1]
        behind = lines[edit.end[0] - 1][edit.end[1] - 1 :] + "".join(lines[edit.end[0] :])
        if after != before + edit.text + behind:
            changed.append(edit)

    assert len(entries) > 30
    assert changed == []


@settings(max_examples=15, deadline=None)
@given(st.integers(0, len(ALL) - 1), st.booleans(), st.booleans())
def test_comments_line_ends_and_byte_order_marks_survive(number: int, carriage_returns: bool, mark: bool) -> None:
    files = ALL[number]
    newline = "\r\n" if carriage_returns else "\n"
    noted = {path: ("\ufeff" if mark else "") + f"# of {path}\n{text}".replace("\n", newline) for path, text in files.items() if path.endswith(".yaml")}
    result = fixed(noted)

    for change in result.changes:
        assert change.after is not None
        assert change.after.startswith(("\ufeff" if mark else "") + f"# of {change.path}{newline}")
        assert change.after.count("\n") == change.after.count(newline)


# A thing taken away comes back


def dependents() -> list[tuple[str, int, str]]:
    """File, document and field of everything that orders or gates in the platform."""
    return [
        (path, index, field)
        for path, text in whole("platform").items()
        if path.endswith(".yaml")
        for index, document in enumerate(parse(text, path, DEFAULT_LIMITS).documents)
        for field in ("dependsOn", "wait", "healthChecks", "healthCheckExprs")
        if document.get("kind") == "Kustomization" and field in document.get("spec", {})
    ]


@pytest.mark.parametrize(("path", "index", "field"), dependents())
def test_what_orders_or_gates_is_written_again_where_it_was_taken_away(path: str, index: int, field: str) -> None:
    files = whole("platform")
    files[path] = apply_edits(files[path], remove_key(YamlText(files[path], DEFAULT_LIMITS), path, index, ("spec", field)))
    result = fixed(files)

    assert serious(written(files, result)) == []


def test_there_is_something_to_take_away() -> None:
    assert len([field for *_, field in dependents() if field == "dependsOn"]) >= 8


# What is written


def test_edges_of_one_unit_are_added_together_and_gated() -> None:
    files = units("operator", "store", "shop", operator="", stores="", shop="", web="", operator_2="")
    result = fixed(files)

    assert result.applied
    assert [finding for finding in result.remaining if finding.rule in ("missing-depends-on", "dependency-not-gated")] == []


def test_only_the_rules_asked_for_are_fixed() -> None:
    files = units("operator", "store", operator="", stores="dependsOn: [{name: operatr}]")
    result = fixed(files, rules=["dangling-depends-on"])

    assert [entry.finding.rule for entry in result.applied] == ["dangling-depends-on"]
    assert "dependsOn: [{name: operator}]" in written(files, result)["clusters/test/stores.yaml"]
    assert "wait" not in written(files, result)["clusters/test/operator.yaml"]


def test_an_entry_that_others_imply_goes_only_if_somebody_asks_for_it() -> None:
    files = units("operator", "store", operator="wait: true", stores="dependsOn: [{name: operator}]", web="dependsOn: [{name: stores}, {name: operator}]")
    files["web/settings.yaml"] = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: settings, namespace: default}\n"
    asked = fixed(files, rules=["redundant-depends-on"])

    assert fixed(files).changes == ()
    assert "dependsOn: [{name: stores}]" in written(files, asked)["clusters/test/web.yaml"]


def test_an_edge_of_a_first_round_that_a_later_one_implies_is_not_written() -> None:
    """Once the operator's unit waits for its Deployment it needs the ConfigMap of the shop first, and so the stores come after the shop anyway."""
    files = units("operator", "store", "shop", operator="", stores="dependsOn: [{name: operator}]", shop="")
    files["shop/settings.yaml"] = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: settings, namespace: default}\n"
    files["stores/settings.yaml"] = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: settings, namespace: shop}\n"
    files["operator/deployment.yaml"] = (
        "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: proxy, namespace: default}\n"
        "spec: {template: {spec: {containers: [{name: proxy, image: example.org/proxy, envFrom: [{configMapRef: {name: settings}}]}]}}}\n"
    )
    result = fixed(files)
    after = written(files, result)

    assert ("missing-depends-on", "Kustomization/flux-system/stores", "Kustomization/flux-system/shop") in serious(files)
    assert "name: shop" in after["clusters/test/operator.yaml"]
    assert "name: shop" not in after["clusters/test/stores.yaml"]
    assert found(after) == ()


def test_a_rule_that_is_not_there_is_refused() -> None:
    with pytest.raises(UsageError, match="there is no rule 'missing-dependson'"):
        fixed(units(), rules=["missing-dependson"])


def test_a_fix_that_would_close_a_cycle_is_left_and_named() -> None:
    files = units("operator", "store", operator="dependsOn: [{name: apps}]", apps="dependsOn: [{name: store}]", stores="dependsOn: [{name: operator}]")
    files["apps/settings.yaml"] = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: settings, namespace: default}\n"
    result = fixed(files)

    assert "dependency-cycle" not in {finding.rule for finding in result.remaining}
    assert "dependsOn: [{name: store}]" in written(files, result)["clusters/test/apps.yaml"]


def fixed_within(tries: int) -> tuple[int, list[str]]:
    """How many names of Secrets are mended, and why others are not: those hold no key that is asked of them."""
    secret = "apiVersion: v1\nkind: Secret\nmetadata: {{name: credential-{name}, namespace: default}}\ndata: {{{key}: eA==}}\n"
    reference = "            - {{name: {name}, valueFrom: {{secretKeyRef: {{name: credentail-{name}, key: password}}}}}}\n"
    pod = "apiVersion: v1\nkind: Pod\nmetadata: {name: shop, namespace: default}\nspec:\n  containers:\n    - name: shop\n      image: shop\n      env:\n"
    names = [letter * 4 for letter in "abcdefghij"]
    files = units(apps="") | {
        "apps/secrets.yaml": "---\n".join(secret.format(name=name, key="password" if name == "eeee" else "passwd") for name in names),
        "apps/pod.yaml": pod + "".join(reference.format(name=name) for name in names),
    }
    result = fix(repository_of(MemoryTree(files), limits=Limits(fix_tries=tries)), rules=["missing-secret"])
    return len(result.applied), [entry.why for entry in result.dropped]


def test_fixes_that_would_bring_something_else_are_found_at_once() -> None:
    applied, reasons = fixed_within(4)

    assert applied == 1
    assert [reason.startswith("it would bring missing-key at apps/pod.yaml:") for reason in reasons] == [True] * 9


def test_what_there_are_no_tries_left_for_is_left_and_named() -> None:
    assert fixed_within(1) == (0, ["too much had to be tried out before; --limit fix-tries=NUMBER allows more than 1"] * 10)


def test_where_a_parent_patches_the_field_nothing_is_written_into_the_child() -> None:
    files = units("operator", "store", operator="", stores="")
    files["clusters/test/kustomization.yaml"] = (
        "resources: [flux-system/gotk-sync.yaml, operator.yaml, stores.yaml]\n"
        "patches:\n"
        "  - target: {kind: Kustomization, name: operator}\n"
        '    patch: |\n      [{"op": "add", "path": "/spec/wait", "value": false}]\n'
    )
    result = fixed(files)

    assert [entry.finding.rule for entry in result.applied] == ["missing-depends-on"]
    assert "wait" not in written(files, result)["clusters/test/operator.yaml"]


# Splits


PLATFORM = """\
namespace: external-secrets # for all
commonLabels:
  team: platform
resources:
  - namespace.yaml
  - repository.yaml
  - release.yaml
  - store.yaml # needs the one above
"""


def platform(kustomization: str = PLATFORM) -> Files:
    files = units("operator", "store", platform="")
    files["platform/kustomization.yaml"] = kustomization
    for name in ("namespace", "repository", "release"):
        files[f"platform/{name}.yaml"] = files.pop(f"operator/{name}.yaml")
    files["platform/store.yaml"] = "# The one store.\n" + files.pop("stores/aws.yaml")
    return files


def test_a_split_moves_what_is_refused_and_orders_it() -> None:
    files = platform()
    result = fixed(files, splits=True)
    after = written(files, result)

    assert serious(files)[0][0] == "unit-needs-split"
    assert serious(after) == []
    assert after["platform/kustomization.yaml"] == PLATFORM.replace("  - store.yaml # needs the one above\n", "")
    assert after["platform-config/store.yaml"] == files["platform/store.yaml"]
    assert "platform/store.yaml" not in after
    assert parse(after["platform-config/kustomization.yaml"], "", DEFAULT_LIMITS).documents == (
        {
            "apiVersion": "kustomize.config.k8s.io/v1beta1",
            "kind": "Kustomization",
            "namespace": "external-secrets",
            "commonLabels": {"team": "platform"},
            "resources": ["store.yaml"],
        },
    )
    first, second = parse(after["clusters/test/platform.yaml"], "", DEFAULT_LIMITS).documents
    assert first["spec"]["wait"] is True
    assert second["metadata"] == {"name": "platform-config", "namespace": "flux-system"}
    assert (second["spec"]["path"], second["spec"]["dependsOn"]) == ("./platform-config", [{"name": "platform"}])


def test_a_directory_that_two_clusters_build_is_split_for_both() -> None:
    files = platform()
    files |= {path.replace("clusters/test/", "clusters/other/"): text.replace("clusters/test", "clusters/other") for path, text in files.items()}
    after = written(files, fixed(files, splits=True))

    assert serious(after) == []
    for name in ("test", "other"):
        assert [document["metadata"]["name"] for document in parse(after[f"clusters/{name}/platform.yaml"], "", DEFAULT_LIMITS).documents] == [
            "platform",
            "platform-config",
        ]


def test_a_split_is_only_made_on_request() -> None:
    result = fixed(platform())

    assert result.changes == ()
    assert "unit-needs-split" in {finding.rule for finding in result.remaining}


def test_the_real_kustomize_builds_the_same_objects_of_both_parts(kustomize_binary: str, tmp_path: Path) -> None:
    files = platform()
    after = written(files, fixed(files, splits=True))
    for name, tree in (("before", files), ("after", after)):
        for path, text in tree.items():
            file = tmp_path / name / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)

    def objects(directory: str) -> list[Any]:
        run = subprocess.run([kustomize_binary, "build", str(tmp_path / directory)], capture_output=True, text=True, check=True)
        return list(yaml.safe_load_all(run.stdout))

    parts = objects("after/platform") + objects("after/platform-config")

    assert sorted(map(repr, parts)) == sorted(map(repr, objects("before/platform")))


@pytest.mark.parametrize(
    ("kustomization", "why"),
    [
        (
            PLATFORM + 'patches:\n  - target: {kind: ClusterSecretStore}\n    patch: \'[{"op": "add", "path": "/metadata/annotations", "value": {}}]\'\n',
            "would",
        ),
        (PLATFORM + "images: nothing\n", "does not build"),
        ("resources: [namespace.yaml, repository.yaml, all.yaml]\n", "platform/all.yaml holds both"),
    ],
)
def test_what_cannot_be_split_by_moving_files_is_left_and_says_why(kustomization: str, why: str) -> None:
    files = platform(kustomization)
    files["platform/all.yaml"] = files["platform/release.yaml"] + "---\n" + files["platform/store.yaml"]
    result = fixed(files, splits=True)

    assert result.changes == ()
    assert [why in dropped.why for dropped in result.dropped] == [True]


@pytest.mark.parametrize("name", ["broken", "flux-irsa", "nested-flux", "two-clusters"])
def test_what_the_real_kustomize_builds_it_still_builds_after_a_fix(name: str, kustomize_binary: str, tmp_path: Path) -> None:
    files = whole(name)
    result = fixed(files, splits=True)

    def built(folder: str, tree: Files) -> dict[str, bool]:
        for path, text in tree.items():
            file = tmp_path / folder / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)
        directories = {path.rpartition("/")[0] for path in tree if path.endswith("kustomization.yaml")}
        command = [kustomize_binary, "build", "--load-restrictor", "LoadRestrictionsNone"]
        return {each: subprocess.run([*command, tmp_path / folder / each], capture_output=True, check=False).returncode == 0 for each in directories}

    assert result.changes
    assert built("after", written(files, result)) == built("before", files)


def test_a_directory_without_a_kustomization_is_split_by_moving_the_files() -> None:
    files = platform()
    del files["platform/kustomization.yaml"]
    after = written(files, fixed(files, splits=True))

    assert serious(after) == []
    assert sorted(path for path in after if path.startswith("platform-")) == ["platform-config/kustomization.yaml", "platform-config/store.yaml"]
    assert "platform/store.yaml" not in after


def test_a_name_that_labels_refer_to_by_an_alias_is_spelled_out_in_the_second_unit() -> None:
    files = platform()
    unit = files["clusters/test/platform.yaml"].replace("name: platform,", "name: &app platform,") + "  commonMetadata:\n    labels: {app: *app}\n"
    after = written(files, fixed(files | {"clusters/test/platform.yaml": unit}, splits=True))
    _, second = parse(after["clusters/test/platform.yaml"], "", DEFAULT_LIMITS).documents

    assert (second["metadata"]["name"], second["spec"]["commonMetadata"]) == ("platform-config", {"labels": {"app": "platform"}})


# The diff


def test_a_moved_file_is_shown_by_its_names() -> None:
    changes = [FileChange("a/secret.yaml", "kind: Secret\ndata: {a: b}\n", None), FileChange("b/secret.yaml", None, "kind: Secret\ndata: {a: b}\n")]

    assert diff_of(changes).splitlines()[2:] == ["rename from a/secret.yaml", "rename to b/secret.yaml"]


def test_lines_around_a_change_are_not_shown_where_a_secret_may_stand() -> None:
    before = "kind: Secret\nstringData: {token: canary}\n---\nkind: Kustomization\nspec:\n  prune: true\n"

    assert "canary" not in diff_of([FileChange("a.yaml", before, before + "  wait: true\n")])
    assert "prune" in diff_of([FileChange("a.yaml", before.replace("Secret", "ConfigMap"), before.replace("Secret", "ConfigMap") + "  wait: true\n")])


SECRET = "apiVersion: v1\nkind: Secret\nmetadata: {name: s}\nstringData:\n  token: canary\n"


def test_a_patch_is_applied_beside_secrets_where_it_belongs(tmp_path: Path) -> None:
    unit = "kind: Kustomization\nspec:\n  prune: true\n"
    files = {
        "below.yaml": (f"{unit}---\n{SECRET}", f"{unit}  wait: true\n---\n{SECRET}"),
        "above.yaml": (f"{SECRET}---\n{unit}", f"{SECRET}---\n{unit}  wait: true\n"),
        "between.yaml": (f"{SECRET}---\n{unit}---\n{SECRET}", f"{SECRET}---\n{unit}  wait: true\n---\n{SECRET}"),
        "outside.yaml": (f"{unit}---\n{SECRET}---\n{unit}", f"{unit}  wait: true\n---\n{SECRET}---\n{unit}  wait: true\n"),
        "within.yaml": (SECRET, SECRET.replace("name: s", "name: t")),
    }
    for name, (before, _) in files.items():
        (tmp_path / name).write_text(before)
    patch = diff_of([FileChange(name, before, after) for name, (before, after) in files.items()], to_apply=True)
    subprocess.run(["git", "-C", str(tmp_path), "apply"], input=patch.encode(), check=True)

    assert {name: (tmp_path / name).read_text() for name in files} == {name: after for name, (_, after) in files.items()}
    assert "canary" not in patch


LINES = st.lists(st.sampled_from(["---", "kind: Secret", "kind: ConfigMap", "stringData:", "  a: canary", "  - b.yaml", "c: d"]), min_size=1, max_size=14)


def patched(root: Path, text: str, patch: str, *options: str) -> str | None:
    (root / "a.yaml").write_text(text)
    result = subprocess.run(["git", "-C", str(root), "apply", "--allow-empty", *options], input=patch.encode(), check=False, capture_output=True)
    return (root / "a.yaml").read_text() if result.returncode == 0 else None


@settings(max_examples=25, deadline=None)
@given(LINES, LINES, st.booleans())
def test_git_puts_nothing_of_a_patch_elsewhere(tmp_path_factory: pytest.TempPathFactory, before: list[str], more: list[str], ended: bool) -> None:
    root = tmp_path_factory.mktemp("patch")
    position = len(before) // 2
    old, new = ("\n".join(lines) + "\n" * ended for lines in (before, [*before[:position], *more, *before[position + 1 :]]))
    change = [FileChange("a.yaml", old, new)]
    patch = diff_of(change, to_apply=True)

    assert patched(root, old, diff_of(change), "--unidiff-zero") == new
    assert patched(root, old, patch) in (None, patched(root, old, patch, "--unidiff-zero"))


def test_the_rules_that_say_so_have_fixes_and_no_others() -> None:
    fixable = {finding.rule for files in ALL for finding in found(files) if finding.fix is not None}

    assert fixable == {rule.id for rule in RULES if rule.fixable}


def misspellings() -> list[tuple[str, str, str]]:
    """File, text and the text with one name in it misspelt: every entry of dependsOn and every source and path in the clusters of the platform."""
    found = []
    for path, text in whole("platform").items():
        if path.startswith("clusters/production/") and "flux-system/" not in path and path.endswith(".yaml"):
            for match in re.finditer(r"^( +- name|  path): ([\w./-]{5,})$", text, re.MULTILINE):
                found.append((path, text, text[: match.end() - 1] + text[match.end() :]))
    return found


@pytest.mark.parametrize(("path", "text", "misspelt"), misspellings())
def test_a_misspelt_name_is_written_again_as_it_was(path: str, text: str, misspelt: str) -> None:
    files = whole("platform") | {path: misspelt}

    assert written(files, fixed(files)) == files | {path: text}
