"""Without a kubeconfig, with the files that a kubelet projects into a pod."""

from __future__ import annotations

import shutil
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from gitops_secrets.cluster.client import connect
from gitops_secrets.cluster.port import ControlPlane
from gitops_secrets.errors import OutsideError
from gitops_secrets.model.ids import ResourceId
from tests.e2e.bed.api import SECRET, SERVICE_ACCOUNT
from tests.e2e.bed.bed import Bed
from tests.e2e.bed.processes import wait_until
from tests.e2e.bed.replica import NAMESPACE, install
from tests.e2e.bed.replica import SERVICE_ACCOUNT as ACCOUNT

HERE = ResourceId("", "Namespace", "", NAMESPACE)


class Projected:
    """The volume of a service account: links into a folder that is put in the place of the one before at once."""

    def __init__(self, folder: Path, bed: Bed) -> None:
        self.folder, self.bed, self.turn = folder, bed, 0
        folder.mkdir()
        for name in ("token", "ca.crt", "namespace"):
            (folder / name).symlink_to(Path("..data") / name)

    def rotate(self) -> None:
        """Writes a new token, whose life hangs on that of a Secret."""
        self.turn += 1
        bound = self.bed.api.apply({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": f"bound-{self.turn}", "namespace": NAMESPACE}})
        reference = {"apiVersion": "v1", "kind": "Secret", "name": bound["metadata"]["name"], "uid": bound["metadata"]["uid"]}
        request = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {"boundObjectRef": reference}}
        answer = self.bed.api.request("POST", SERVICE_ACCOUNT.path(NAMESPACE, ACCOUNT) + "/token", request)
        there = self.folder / f"..{self.turn}"
        there.mkdir()
        (there / "token").write_text(answer["status"]["token"])
        (there / "namespace").write_text(NAMESPACE)
        shutil.copy(self.bed.api.certificate_authority, there / "ca.crt")
        (self.folder / "..next").symlink_to(there.name)
        (self.folder / "..next").replace(self.folder / "..data")

    def revoke(self) -> None:
        """Makes the present token worth nothing."""
        self.bed.api.delete(SECRET, NAMESPACE, f"bound-{self.turn}")


def is_let_in(plane: ControlPlane) -> bool:
    try:
        return plane.get(HERE) is not None
    except OutsideError:
        return False


def test_the_token_of_the_service_account_is_used_and_read_anew_when_it_was_rotated(bed: Bed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    server = urlsplit(bed.api.server)
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", str(server.hostname))
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", str(server.port))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("KUBECONFIG", raising=False)
    install(bed)
    volume = Projected(tmp_path / "serviceaccount", bed)
    volume.rotate()
    plane, stranger = (connect(service_account=volume.folder) for _ in range(2))
    at_first = is_let_in(plane)
    volume.revoke()
    wait_until(lambda: not is_let_in(stranger), "the token is worth nothing any more", timeout=60)
    volume.rotate()

    assert (plane.context, plane.server, at_first) == ("in-cluster", bed.api.server, True)
    assert plane.get(HERE) is not None
