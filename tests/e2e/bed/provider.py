"""AWS as far as External Secrets Operator knows it: Secrets Manager, Parameter Store and STS of moto, with values that the tests put there."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

import urllib3

from tests.e2e.bed.processes import Processes, free_port, listens
from tests.e2e.bed.programs import Programs

ACCESS_KEY = "AKIAEXAMPLE"  # any that moto did not hand out belongs to its default account


@dataclass(frozen=True, slots=True)
class Account:
    """One account in one region, as the holder of `access_key` sees it."""

    endpoint: str
    access_key: str
    region: str

    def put_secret(self, name: str, value: str) -> None:
        """Makes or changes a secret of Secrets Manager."""
        try:
            self._call("secretsmanager", "secretsmanager.CreateSecret", {"Name": name, "SecretString": value})
        except ProviderError:
            self._call("secretsmanager", "secretsmanager.PutSecretValue", {"SecretId": name, "SecretString": value})

    def delete_secret(self, name: str) -> None:
        self._call("secretsmanager", "secretsmanager.DeleteSecret", {"SecretId": name, "ForceDeleteWithoutRecovery": True})

    def put_parameter(self, name: str, value: str) -> None:
        """Makes or changes a parameter of Parameter Store."""
        self._call("ssm", "AmazonSSM.PutParameter", {"Name": name, "Value": value, "Type": "SecureString", "Overwrite": True})

    def _call(self, service: str, action: str, body: dict[str, Any]) -> None:
        response = urllib3.request(
            "POST",
            self.endpoint,
            body=json.dumps(body).encode(),
            headers={
                "Authorization": _authorization(self.access_key, self.region, service),
                "X-Amz-Target": action,
                "Content-Type": "application/x-amz-json-1.1",
            },
            timeout=30,
            retries=False,
        )
        if response.status != 200:
            raise ProviderError(f"{action} {body.get('Name') or body.get('SecretId')}: {response.status}")


class ProviderError(Exception):
    """moto refused a call."""


class Provider:
    """A running moto."""

    def __init__(self, programs: Programs, processes: Processes) -> None:
        port = free_port()
        self.endpoint = f"http://127.0.0.1:{port}"
        processes.start("moto", [programs.moto, "--host", "127.0.0.1", "--port", str(port)], ready=lambda: listens(port))

    def account(self, region: str, role: str | None = None) -> Account:
        """The default account; with the ARN of a role, that role's account."""
        return Account(self.endpoint, ACCESS_KEY if role is None else self._assume(role, region), region)

    def _assume(self, role: str, region: str) -> str:
        response = urllib3.request(
            "POST",
            self.endpoint,
            body=urlencode({"Action": "AssumeRole", "Version": "2011-06-15", "RoleArn": role, "RoleSessionName": "test-bed"}),
            headers={"Authorization": _authorization(ACCESS_KEY, region, "sts"), "Content-Type": "application/x-www-form-urlencoded"},
            timeout=30,
            retries=False,
        )
        return response.data.decode().partition("<AccessKeyId>")[2].partition("</AccessKeyId>")[0]


def environment(endpoint: str) -> dict[str, str]:
    """What points External Secrets Operator to `endpoint` instead of AWS."""
    return {f"AWS_{service}_ENDPOINT": endpoint for service in ("SECRETSMANAGER", "SSM", "STS")}


def _authorization(access_key: str, region: str, service: str) -> str:
    # moto reads account, region and service from here and checks no signature.
    return f"AWS4-HMAC-SHA256 Credential={access_key}/20260101/{region}/{service}/aws4_request, SignedHeaders=host, Signature=none"
