"""The loop: whatever happens, what there is now is compared with what was last acted on. Nothing is kept but in the cluster, so another replica can go on."""

from __future__ import annotations

import logging
import math
import queue
import threading
import time
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Final, NoReturn

from gitops_secrets.cluster.flux import artifact_of, requested_at
from gitops_secrets.cluster.informers import Informers
from gitops_secrets.cluster.live import Live, at, live_id, mapping, text
from gitops_secrets.cluster.port import Appeared, ClusterError, ControlPlane, ForbiddenError, Listed, Lost, Notice, Vanished
from gitops_secrets.cluster.run import Phase, View
from gitops_secrets.cluster.runner import Changed, Did, End, Interrupt, Reached, Step, Withheld
from gitops_secrets.controller.attention import Attention
from gitops_secrets.controller.election import Election
from gitops_secrets.controller.events import tidings
from gitops_secrets.controller.metrics import Metrics
from gitops_secrets.controller.recorder import Recorder
from gitops_secrets.controller.settings import GROUP, KIND, Settings
from gitops_secrets.controller.standing import Standing, Told, Trouble, is_told, status_manifest, status_of
from gitops_secrets.errors import GitopsSecretsError, OutsideError, UsageError
from gitops_secrets.model.ids import ResourceId
from gitops_secrets.model.verdicts import Verification
from gitops_secrets.pipeline.follow import Followed, kustomization_of, read
from gitops_secrets.pipeline.reconcile import is_settling
from gitops_secrets.pipeline.verify import verify
from gitops_secrets.rendering.objects import seconds

_LOG: Final = logging.getLogger(__name__)
_DEFAULT_INTERVAL: Final = 600.0
_DEFAULT_TIMEOUT: Final = 600.0
_FIRST_RETRY: Final = 2.0
_LONGEST_RETRY: Final = 60.0
# How far a run is, is written no more often.
_BETWEEN_PROGRESS: Final = 1.0
_BEFORE_NEXT_WRITE: Final = 10.0
_BEFORE_NEXT_WATCH: Final = 15.0
# A lease may be lost without a sign.
_LONGEST_SLEEP: Final = 2.0
_STUCK: Final = 600.0


@dataclass(frozen=True, slots=True)
class _Of:
    """What a run tells."""

    run: _Run
    step: Step | Exception


@dataclass(slots=True)
class _Run:
    """One artifact, from when it came on."""

    revision: str
    came_for: str  # what the watch said when it began; what was read may be newer
    request: str  # to look anew, that it answers
    generation: object
    began: float
    attention: Attention
    standing: Standing
    followed: Followed | None = None
    interrupt: Interrupt = field(default_factory=Interrupt)
    phases: dict[ResourceId, View] = field(default_factory=dict)
    retry_at: float = math.inf
    reached_once: bool = False
    is_silent: bool = False  # what the status says of this artifact holds until more is known


class Controller:
    """One replica."""

    def __init__(self, settings: Settings, plane: ControlPlane, election: Election | None, metrics: Metrics, recorder: Recorder) -> None:
        self._settings, self._plane, self._metrics, self._recorder = settings, plane, metrics, recorder
        self._election = election
        self._informers = Informers(plane)
        self._notices: queue.SimpleQueue[Notice | _Of | None] = queue.SimpleQueue()
        self._objects: dict[ResourceId, Live] = {}
        self._unlisted = {settings.source.group_kind, (GROUP, KIND)}
        self._run: _Run | None = None
        self._failures = 0
        self._written_at = -math.inf
        self._write_at = math.inf
        self._follow_at = -math.inf
        self._told = ""
        self._remarks: set[tuple[str, int, str]] = set()
        self._alive_at = time.monotonic()

    @property
    def is_alive(self) -> bool:
        """Does the loop still come round?"""
        return time.monotonic() - self._alive_at < _STUCK and (self._election is None or self._election.is_alive)

    @property
    def is_ready(self) -> bool:
        """Does it know what it has to?"""
        return not self._unlisted and (self._election is None or self._election.has_tried)

    def wake(self) -> None:
        """Has it look around; from any thread."""
        self._notices.put(None)

    def run(self) -> NoReturn:
        """Until something raises: a signal, or a bug."""
        while True:
            self._alive_at = time.monotonic()
            if self._unlisted and self._follow_at <= self._alive_at:
                self._follow_at = math.inf
                self._informers.follow(sorted(self._unlisted), self._notices.put)
            self._act()
            self._wait()

    def stop(self) -> None:
        """Ends what is under way."""
        if self._run is not None:
            self._informers.leave(self._run.interrupt.sink)
            self._run.interrupt.set()
            self._run = None

    # What happens

    def _wait(self) -> None:
        limit = max(self._next() - time.monotonic(), 0.0)
        try:
            notice = self._notices.get(timeout=min(limit, _LONGEST_SLEEP))
            while True:
                self._take(notice)
                notice = self._notices.get_nowait()
        except queue.Empty:
            return

    def _next(self) -> float:
        if self._run is None:
            return self._follow_at
        look_at = math.inf if self._run.followed is None else self._run.attention.due
        return min(look_at, self._run.retry_at, self._write_at)

    def _take(self, notice: Notice | _Of | None) -> None:
        match notice:
            case Appeared(live):
                self._see(live)
            case Vanished(id):
                self._objects.pop(id, None)
            case Listed(group, kind):
                self._unlisted.discard((group, kind))
            case Lost(group, kind, error):
                self._unlisted.add((group, kind))
                self._say(f"can't watch {kind}: {error}", logging.ERROR)
                self._follow_at = time.monotonic() + _BEFORE_NEXT_WATCH
            case _Of(run, step) if run is self._run:
                self._hear(run, step)

    def _see(self, live: Live) -> None:
        """Keeps the newest state: what was written comes back before the watch tells of what it replaced."""
        id = live_id(live)
        if id == self._settings.resource and _version(live) < _version(self._objects.get(id)):
            return
        self._objects[id] = live

    def _hear(self, run: _Run, step: Step | Exception) -> None:
        now = time.monotonic()
        match step:
            case Changed(view):
                run.phases[view.id] = view
                run.attention.saw(view, now)
                goals = [each for each in run.phases.values() if each.goal]
                run.standing = replace(run.standing, ready=sum(each.phase is Phase.READY for each in goals), goals=len(goals))
                if not run.standing.is_known and not run.is_silent:
                    self._write_at = min(self._write_at, self._written_at + _BETWEEN_PROGRESS)
            case Reached(end):
                run.standing = replace(run.standing, end=end)
                run.attention.reached(end, now)
            case Did(action):
                self._metrics.asked(action.id)
                _LOG.info("asked to reconcile", extra={"about": str(action.id), "revision": run.revision})
            case Withheld(message):
                run.standing = replace(run.standing, withheld=(*run.standing.withheld, message))
                self._say(f"going on without: {message}", logging.ERROR)
            case GitopsSecretsError():
                self._fail(run, step)
            case Exception():
                raise step

    # What is to be done

    def _act(self) -> None:
        leads = self._election is None or self._election.leads
        self._metrics.leads(leads)
        resource, source = self._objects.get(self._settings.resource), self._objects.get(self._settings.source)
        reason = self._idle(leads, resource, source)
        if reason or resource is None or source is None:
            self._say(reason, logging.INFO)
            self.stop()
            return
        revision, now = artifact_of(source), time.monotonic()
        run = self._run
        asked = requested_at(resource), at(resource, "metadata", "generation")
        is_old = run is None or revision not in (run.revision, run.came_for) or asked != (run.request, run.generation)
        if run is None or is_old or run.retry_at <= now:
            if is_old:
                self._failures = 0
            self._begin(resource, revision)
        elif run.attention.due <= now and run.followed is not None:
            self._look(run, run.followed)
        elif self._write_at <= now:
            self._tell(run)

    def _idle(self, leads: bool, resource: Live | None, source: Live | None) -> str:
        """Why there is nothing to do; empty where there is."""
        if self._unlisted:
            return "waits for the first look at the cluster"
        if not leads:
            return "another replica leads"
        if resource is None:
            return f"waits for {self._settings.resource}, which says how often to look and is told how it stands"
        if at(resource, "spec", "suspend") is True:
            return f"{self._settings.resource} is suspended"
        if source is None:
            return f"waits for {self._settings.source}, which is not in the cluster"
        if not artifact_of(source):
            return f"waits for {self._settings.source}, which has fetched nothing yet"
        return ""

    def _begin(self, resource: Live, revision: str) -> None:
        self.stop()
        now = time.monotonic()
        interval, timeout = (
            seconds(text(resource, "spec", name)) or default for name, default in (("interval", _DEFAULT_INTERVAL), ("timeout", _DEFAULT_TIMEOUT))
        )
        asked = requested_at(resource), at(resource, "metadata", "generation")
        run = _Run(revision, revision, *asked, now, Attention(now, timeout, interval), Standing(revision))
        self._run = run
        _LOG.info("takes up an artifact", extra={"about": str(self._settings.source), "revision": revision})
        if not self._failures:
            self._metrics.took_up(revision)
        run.is_silent = is_told(resource, revision)
        if not run.is_silent:
            self._tell(run)
        try:
            run.followed = read(self._plane, self._settings.source, self._settings.folder, self._settings.limits, self._settings.config, self._settings.cluster)
        except GitopsSecretsError as error:
            self._fail(run, error)
            return
        if run.followed.revision != revision:
            # A newer one has come meanwhile, and the watch will say so in a moment.
            run.revision = run.followed.revision
            run.standing = replace(run.standing, revision=run.revision)
        _LOG.info("cluster %s has %s objects to be ready", run.followed.plan.graph.cluster.name, len(run.followed.targets), extra={"revision": run.revision})
        self._metrics.found(run.followed.findings)
        threading.Thread(target=self._pursue, args=(run, run.followed), name=f"run {revision}", daemon=True).start()

    def _pursue(self, run: _Run, followed: Followed) -> None:
        """In a thread of its own: has Flux reconcile in order, for as long as this artifact is the one that counts."""
        runner = followed.runner(self._plane, run.interrupt)
        try:
            runner.follow(self._informers)
            runner.stay(lambda step: self._notices.put(_Of(run, step)))
        except Exception as error:  # noqa: BLE001  raised again by the loop, unless it is one that passes
            self._notices.put(_Of(run, error))
        finally:
            self._informers.leave(run.interrupt.sink)

    def _look(self, run: _Run, followed: Followed) -> None:
        started = time.monotonic()
        try:
            verification = verify(followed.plan, followed.table, self._plane, followed.wanted, read_secrets=self._settings.read_secrets)
        except ClusterError as error:
            self._fail(run, error)
            return
        now = time.monotonic()
        self._metrics.verified(now - started)
        settling = run.standing.end is End.READY and is_settling(verification, followed.plan.graph)
        if not run.attention.looked(started, now, is_well=verification.is_well, is_settling=settling):
            return
        self._failures = 0
        self._remark(verification)
        causes = tuple(Told(cause, kustomization_of(followed.plan.graph, cause.subject) or self._settings.source) for cause in verification.causes)
        run.standing = replace(run.standing, verification=verification, causes=causes, trouble=None)
        if verification.is_well and not run.reached_once:
            run.reached_once = True
            self._metrics.reconciled(now - run.began)
        self._tell(run)

    def _remark(self, verification: Verification) -> None:
        """Logs what could not be looked at, and what else is worth to know though nothing is wrong with it; each once."""
        remarks = {(str(verdict.id), logging.INFO, remark) for verdict in verification.verdicts for remark in verdict.remarks}
        remarks |= {(str(each.id), logging.ERROR, told.message) for each in verification.verdicts for told in each.complaints if told.word == "not-readable"}
        for about, level, remark in sorted(remarks - self._remarks):
            _LOG.log(level, remark, extra={"about": about})
        self._remarks = remarks

    def _fail(self, run: _Run, error: GitopsSecretsError) -> None:
        """Nothing can be said of the artifact. Tried again, unless only a change helps."""
        if isinstance(error, ForbiddenError):
            reason = "AccessDenied"
        elif isinstance(error, ClusterError):
            reason = "Failed"
        else:
            reason = "ArtifactFailed" if isinstance(error, OutsideError) else "BuildFailed"
        is_final = isinstance(error, UsageError)
        run.interrupt.set()
        run.followed = None
        run.retry_at = math.inf if is_final else time.monotonic() + min(_FIRST_RETRY * 2.0**self._failures, _LONGEST_RETRY)
        self._failures += 1
        run.standing = Standing(run.revision, trouble=Trouble(reason, str(error).replace("\n", "; "), is_final))
        self._tell(run)

    # What is told

    def _tell(self, run: _Run) -> None:
        """Events first: whoever dies between the two has told too much, not too little."""
        resource = self._objects.get(self._settings.resource)
        if resource is None or (self._election is not None and not self._election.leads):
            return
        self._write_at, self._written_at = math.inf, time.monotonic()
        self._metrics.stands(run.standing)
        for tiding in tidings(resource, run.standing, self._settings.source):
            self._recorder.record(tiding)
        status = status_of(resource, run.standing, self._settings.source, datetime.now(UTC))
        if status == dict(mapping(resource, "status")):
            return
        try:
            # What comes back is known before the watch tells it.
            self._objects[self._settings.resource] = self._plane.apply(status_manifest(resource, status), status=True)
        except ClusterError as error:
            self._say(f"can't write the status of {self._settings.resource}: {error}", logging.ERROR)
            self._write_at = self._written_at + _BEFORE_NEXT_WRITE

    def _say(self, message: str, level: int) -> None:
        """Once, until something else is to be said."""
        if message and message != self._told:
            _LOG.log(level, message)
        self._told = message


def _version(live: Live | None) -> int:
    """The resourceVersion as a number, which orders those of one object (https://kubernetes.io/docs/reference/using-api/api-concepts/#resource-versions)."""
    version = text(live, "metadata", "resourceVersion")
    return int(version) if version.isdecimal() else 0
