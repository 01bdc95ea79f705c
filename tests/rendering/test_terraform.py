from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from gitops_secrets.manifests.load import Loader
from gitops_secrets.rendering.bootstrap import bootstrap_directories
from gitops_secrets.rendering.scripts import read_scripts
from gitops_secrets.rendering.terraform import Terraform, read_terraform
from gitops_secrets.repository.tree import MemoryTree

OBJECTS = """\
variable "namespace" {
  type    = string
  default = "external-secrets"
}

locals {
  prefix = "akeyless"
}

resource "kubernetes_namespace_v1" "eso" {
  metadata {
    name = var.namespace
  }
}

resource "kubernetes_secret_v1" "credentials" {
  metadata {
    name      = "${local.prefix}-creds"
    namespace = kubernetes_namespace_v1.eso.metadata.0.name
  }

  data = {
    accessId = var.access_id
  }
}

resource "kubernetes_secret" "elsewhere" {
  metadata {
    name      = each.key
    namespace = var.nobody
  }
}
"""
RELEASE = """\
resource "helm_release" "cert_manager" {
  name             = "cert-manager"
  repository       = "https://charts.jetstack.io"
  chart            = "cert-manager"
  version          = "v1.20.0"
  namespace        = "cert-manager"
  create_namespace = true
}
"""
COMMAND = """\
resource "null_resource" "operator" {
  provisioner "local-exec" {
    command     = "kustomize build --enable-helm . | kubectl apply -f -"
    working_dir = "${path.module}/../platform/operator"
  }
}
"""


def read(**files: str) -> Terraform:
    return read_terraform(Loader(MemoryTree({f"infra/{name}.tf": text for name, text in files.items()})))


def test_objects_are_called_as_variables_locals_and_each_other_say() -> None:
    found = read(objects=OBJECTS).objects

    assert [(made.kind, made.namespace, made.name, str(made.place)) for made in found] == [
        ("Namespace", "default", "external-secrets", "infra/objects.tf:10"),
        ("Secret", "external-secrets", "akeyless-creds", "infra/objects.tf:16"),
    ]


def test_a_release_is_one_of_helm() -> None:
    (release,) = read(release=RELEASE).releases

    assert (release.chart, release.repository, release.version, release.namespace) == ("cert-manager", "https://charts.jetstack.io", "v1.20.0", "cert-manager")
    assert release.create_namespace


def test_a_command_runs_in_its_directory() -> None:
    files = {"infra/main.tf": COMMAND, "platform/operator/kustomization.yaml": "resources: []\n"}
    loader = Loader(MemoryTree(files))
    found = bootstrap_directories(loader, read_scripts(loader))

    assert [(manifest.path, manifest.is_kustomization, str(manifest.place)) for manifest in found] == [("platform/operator", True, "infra/main.tf:2")]


@given(st.text(alphabet='resource "kubernetes_secret" "a" {\n}=.${}local-exec[]<EOT', max_size=120))
@settings(max_examples=60, deadline=None)
def test_any_text_is_read(text: str) -> None:
    assert read(main=text, more=f'resource "helm_release" "x" {{\n{text}\n}}\n') is not None
