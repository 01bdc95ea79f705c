"""From the shared options to an analysis; what commands say when there is nothing to analyse."""

from __future__ import annotations

import gc
from collections.abc import Callable, Hashable
from typing import TYPE_CHECKING, NamedTuple

from gitops_secrets.cli.options import Call
from gitops_secrets.cli.output import note
from gitops_secrets.cli.progress import progress_bar

if TYPE_CHECKING:
    from pathlib import Path

    from gitops_secrets.ordering.order import Plan
    from gitops_secrets.pipeline.checkout import Checkout, Edited
    from gitops_secrets.pipeline.scan import Analysis, Repository

NO_ENTRY_POINT = """\
no entry point found{where}
looked for: Flux bootstrap files (gotk-sync.yaml), FluxInstance objects and the values of their chart, Flux Kustomizations,
Applications and ApplicationSets of Argo CD, and directories with a kustomization.yaml that nothing else uses
if yours is elsewhere, name it in .gitops-secrets.yaml at the root:

clusters:
  production:
    path: clusters/production
    engine: flux"""
_CHARTS = """
Applications stand in templates of charts: {charts}
an Application that reads such a chart starts them: if Terraform or people make it, write it to a file here, too"""
_FEW = 5


class Answer(NamedTuple):
    """What a command writes, and the exit status that goes with it."""

    text: str
    status: int = 0
    lasts: bool = True  # as long as the files are the same
    keep: Callable[[], object] = lambda: None  # makes what tells the answer after an edit too


def answered(
    path: Path,
    call: Call,
    question: Callable[[Checkout], tuple[Hashable, ...]],
    answer: Callable[[Repository, Analysis], Answer],
    *,
    quotes_files: bool = False,
    after_edit: Callable[[Edited, Checkout], str | None] = lambda edited, checkout: None,
) -> Answer:
    """The answer to a question about the repository at `path`: from the cache if it was given before to the same files, else by `answer`.

    After an edit of few files `after_edit` may tell it from what was kept with the answer before. `question` tells it from all others that calls with the
    same shared options ask. It may rest on nothing but the repository and these options.
    """
    from gitops_secrets.pipeline.checkout import Answers, open_checkout
    from gitops_secrets.repository.cache import user_cache

    checkout = open_checkout(path, call.revision, call.limits)
    cache = user_cache() if call.cache else None
    if cache is None:
        return answer(*_analyse(checkout, call))
    answers, asked = Answers(cache, checkout, call.limits), (*question(checkout), *_reading(call))
    known = answers.recall(asked, to_the_letter=quotes_files)
    if known is not None:
        return Answer(*known)
    gc.disable()  # as in `_analyse`
    edited = answers.edited(asked)
    if edited is not None and (text := after_edit(edited, checkout)) is not None:
        return Answer(text, edited.answer[1])
    repository, analysis = _analyse(checkout, call)
    found = answer(repository, analysis)
    if analysis.clusters and repository.is_whole and found.lasts:
        answers.remember(asked, found[:2], *repository.read_whole, found.keep)
    return found


def _reading(call: Call) -> tuple[Hashable, ...]:
    """The shared options that an answer rests on."""
    try:
        config = None if call.config is None else (str(call.config), call.config.read_bytes())
    except OSError:
        config = None  # said when it is read
    return (config, call.cluster, call.limits, *call.look)


def open_and_analyse(path: Path, call: Call) -> tuple[Repository, Analysis]:
    """The repository at `path` and all that is known of it, for the one command of a process. Says so where it has no entry point: that is no error."""
    from gitops_secrets.pipeline.checkout import open_checkout

    return _analyse(open_checkout(path, call.revision, call.limits), call)


def analyse_repository(repository: Repository, call: Call) -> Analysis:
    """All that is known of a repository that is open. Says so where it has no entry point."""
    from gitops_secrets.pipeline.scan import analyse

    with progress_bar(call) as progress:
        analysis = analyse(repository, cluster=call.cluster, progress=progress)
    if not analysis.clusters:
        from gitops_secrets.rendering.argo.discovery import application_charts

        charts = application_charts(repository.loader)
        named = ", ".join(charts[:_FEW]) + (f" and {len(charts) - _FEW} more" if len(charts) > _FEW else "")
        where = f" below {repository.scope}" if repository.scope else ""
        note(NO_ENTRY_POINT.format(where=where) + (_CHARTS.format(charts=named) if charts else ""), call)
    return analysis


def _analyse(checkout: Checkout, call: Call) -> tuple[Repository, Analysis]:
    # A run makes millions of nodes and next to no cycles among them: looking for garbage took a third of the time (1,000 Kustomizations of 8 manifests:
    # 3.6 s of CPU with the collector, 2.4 s without), for 2 MiB.
    gc.disable()
    from gitops_secrets.pipeline.scan import repository_at

    repository = repository_at(checkout, config=call.config, limits=call.limits)
    analysis = analyse_repository(repository, call)
    return repository, analysis


def plans_of(analysis: Analysis) -> list[Plan]:
    """The plans of all clusters, in the order in which every format shows them."""
    return sorted((cluster.plan for cluster in analysis.clusters), key=lambda plan: (plan.graph.cluster.name, plan.graph.cluster.entry_point))
