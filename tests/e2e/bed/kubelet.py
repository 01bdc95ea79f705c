"""Plays the kubelet for the few pods that have to do something: kwok says that all pods run, and this runs the operators' programs."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from threading import Event, Lock, Thread

import urllib3

from tests.e2e.bed.api import DEPLOYMENT, Api, ApiError, Object, ready_condition
from tests.e2e.bed.control_plane import write_kubeconfig
from tests.e2e.bed.processes import Process

INTERVAL = 0.1


@dataclass(frozen=True, slots=True)
class Operator:
    """A program that runs while a Deployment with its image is available."""

    name: str
    image: str  # without registry and tag
    binary: Path
    own_arguments: Callable[[], tuple[str, ...]]  # addresses of the bed, after those of the container
    environment: Mapping[str, str]
    prepare: Callable[[str], None] | None = None  # gets the namespace, before the first start


class Kubelet:
    """Starts, restarts and stops operators as their Deployments come and go, each with the token of its service account."""

    def __init__(self, api: Api, operators: tuple[Operator, ...], folder: Path, logs: Path) -> None:
        folder.mkdir()
        self._api = api
        self._operators = operators
        self._folder = folder
        self._logs = logs
        self._running: dict[tuple[str, str], tuple[str, Process]] = {}  # by namespace and name of the Deployment: its pod template
        self._held: set[str] = set()
        self._lock = Lock()
        self._stopped = Event()
        # A child dies with the thread that started it, so one thread starts them all and lives as long as the bed.
        self._thread = Thread(target=self._run, name="kubelet", daemon=True)
        self._thread.start()

    def hold(self, name: str) -> None:
        """Ends the operator's process and keeps it down, while its Deployment stays available."""
        with self._lock:
            self._held.add(name)
            for _, process in self._running.values():
                if process.name == name:
                    process.stop()

    def release(self, name: str) -> None:
        with self._lock:
            self._held.discard(name)

    def process(self, name: str) -> Process | None:
        """The operator's process, where its Deployment is there."""
        with self._lock:
            return next((process for _, process in self._running.values() if process.name == name), None)

    def stop(self) -> None:
        self._stopped.set()
        self._thread.join()
        for _, process in self._running.values():
            process.kill()

    def _run(self) -> None:
        while not self._stopped.wait(INTERVAL):
            try:
                deployments = {(item["metadata"]["namespace"], item["metadata"]["name"]): item for item in self._api.list(DEPLOYMENT)}
                with self._lock:
                    self._follow(deployments)
            except (ApiError, OSError, urllib3.exceptions.HTTPError):
                continue  # the API server is away: what runs goes on running, as with a real kubelet

    def _follow(self, deployments: dict[tuple[str, str], Object]) -> None:
        for place in [place for place in self._running if place not in deployments]:
            self._running.pop(place)[1].stop()
        for place, deployment in deployments.items():
            operator = self._operator_of(deployment)
            if operator is None or ready_condition(deployment, "Available").get("status") != "True":
                continue
            template = json.dumps(deployment["spec"]["template"], sort_keys=True)
            if place in self._running and self._running[place][0] != template:
                self._running.pop(place)[1].stop()
            if place not in self._running:
                self._running[place] = (template, self._process(operator, deployment))
            # Also one that ended by itself: External Secrets Operator does if one of its CRDs is not served yet.
            if operator.name not in self._held:
                self._running[place][1].start()

    def _operator_of(self, deployment: Object) -> Operator | None:
        container = deployment["spec"]["template"]["spec"]["containers"][0]
        image = container["image"].partition("@")[0].rpartition(":")[0]
        is_side_program = (container.get("args") or ["-"])[0][:1] != "-"  # the webhook and the certificate controller share the image
        return None if is_side_program else next((operator for operator in self._operators if image.endswith("/" + operator.image)), None)

    def _process(self, operator: Operator, deployment: Object) -> Process:
        namespace = deployment["metadata"]["namespace"]
        pod = deployment["spec"]["template"]["spec"]
        if operator.prepare is not None:
            operator.prepare(namespace)
        token = self._api.token_of(namespace, pod.get("serviceAccountName", "default"))
        kubeconfig = self._folder / f"{operator.name}.{namespace}.kubeconfig"
        write_kubeconfig(kubeconfig, self._api.server, token, self._api.certificate_authority, namespace)
        arguments = pod["containers"][0].get("args") or []
        environment = {"KUBECONFIG": str(kubeconfig), "POD_NAMESPACE": namespace, **operator.environment}
        return Process(operator.name, [operator.binary, *arguments, *operator.own_arguments()], logs=self._logs, environment=environment)
