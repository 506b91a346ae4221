"""Dashboards over machines with an experiment of several variants, or with a release in shadow."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
import numpy as np

from seatrial.control.loop import Loop
from seatrial.dashboard.house import House
from seatrial.experiments.checks import Losses
from seatrial.experiments.judgement import Judgement
from seatrial.experiments.shadow.compare import compare_shadow
from seatrial.ledger.log import PredictionLog
from seatrial.releases.leadership import Leadership
from seatrial.releases.run import ReleaseRun
from seatrial.spec.deployment import Deployment
from tests.harbour import RELEASE, SECOND, Harbour, World, gateway_worker
from tests.houses import SCHEMA, house_of
from tests.ledger_events import envelope
from tests.unit.experiments.test_shadow import DEPLOYMENT, NOW, RUN, pairs

EXPERIMENT = """\
deployment: churn
task: classification
variants:
  champion: {model: "models:/churn/1"}
  challenger: {model: "models:/churn/2"}
routing:
  - {name: everybody, split: {champion: 50%, challenger: 50%}}
outcomes: {buy: {}}
metrics: {conversion: {kind: proportion, outcome: buy, within: 1h, grace: 0s}}
experiment:
  in: everybody
  primary: {metric: conversion, minimum_effect: {relative: 2%}}
  guardrails: {errors: {absolute: 1%}}
"""


@contextmanager
def contested(home: Path, *, units: int = 600) -> Iterator[tuple[House, Harbour]]:
    """A house with an experiment of a day ago, half of whose units met the challenger."""
    harbour = Harbour(home)
    with gateway_worker(home):
        harbour.apply(EXPERIMENT)
        revision = harbour.state.deployments.get("churn").revision
        moment = harbour.clock.now
        log = PredictionLog(home, "w0", clock=lambda: moment)
        buffer = log.buffer(SCHEMA)
        for i in range(units):
            variant, version = ("champion", "challenger")[i % 2], f"churn:{1 + i % 2}"
            row = envelope(
                request_id=f"r{i}", at=moment + i * SECOND, unit=f"c{i}", variant=variant, assigned_version=version,
                answered=variant, version=version, release="", reason="split", revision=revision, entry="everybody",
            )  # fmt: skip
            assert buffer.append(row, (), None, None, None, ("yes",))
        log.close()
        harbour.clock.forward(days=1)
        try:
            yield house_of(home, harbour), harbour
        finally:
            harbour.close()


class Paired(World):
    """A world in whose shadow the challenger is right more often."""

    def judge(self, spec: Deployment, run: ReleaseRun, now: int, before: Losses) -> Judgement:
        rng = np.random.default_rng(1)
        truth = rng.integers(0, 2, 400)
        champion, challenger = (np.where(rng.random(400) < right, truth, 1 - truth) for right in (0.8, 0.9))
        shadow = compare_shadow(DEPLOYMENT, RUN, pairs(champion, challenger, truth), NOW)
        return msgspec.structs.replace(super().judge(spec, run, now, before), shadow=shadow)


@contextmanager
def in_shadow(home: Path) -> Iterator[tuple[House, Harbour]]:
    """A house with a release in shadow that was judged once."""
    harbour = Harbour(home)
    with gateway_worker(home):
        harbour.apply(RELEASE)
        with Leadership(home, harbour.url) as leadership:
            loop = Loop(harbour.site, Paired(), leadership)
            for _ in range(2):
                loop.step(harbour.clock.forward(seconds=60))
        try:
            yield house_of(home, harbour), harbour
        finally:
            harbour.close()
