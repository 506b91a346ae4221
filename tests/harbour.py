"""A machine in miniature for control: a registry in memory, a state and a gateway on a temporary disk, a fake clock."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

import msgspec

from seatrial.control.apply import Applied, apply_to
from seatrial.control.site import Site
from seatrial.experiments.checks import Losses
from seatrial.experiments.judgement import Counts, Judgement, MetricJudgement, PhaseEffect
from seatrial.experiments.shadow.comparison import ShadowComparison
from seatrial.models.manifest import Manifest
from seatrial.releases.popular_files import Scored
from seatrial.releases.publication import Publication
from seatrial.releases.run import ReleaseRun
from seatrial.releases.state import State
from seatrial.releases.subscription import Subscription
from seatrial.routing.snapshot import Snapshot
from seatrial.spec.deployment import Deployment
from seatrial.spec.errors import NotFound
from seatrial.spec.read import load_deployment
from seatrial.spec.signature import Answer, Feature, Signature, Tensor
from seatrial.stats.recommendation import Recommendation
from seatrial.stats.verdict import Role, Verdict, Word
from seatrial.watch.window import Window

SECOND = 1_000_000
START = 1_700_000_000 * SECOND
DAY = 86_400 * SECOND

PLAIN = """\
deployment: churn
task: classification
variants:
  champion: {model: "models:/churn@champion"}
"""

RELEASE = """\
deployment: churn
task: classification
unit: {name: customer}
variants:
  champion:   {model: "models:/churn@champion"}
  challenger: {model: "models:/churn/2"}
routing:
  - {name: everybody, split: {champion: 100%}}
outcomes:
  purchase: {}
metrics:
  conversion: {kind: proportion, outcome: purchase, within: 1d, want: higher}
release:
  of: challenger
  into: everybody
  stages:
    - shadow: {share: 100%, for: 1d}
    - test: {share: 50%, at_least: 2d, at_most: 10d}
  primary: {metric: conversion, minimum_effect: {relative: 2%}}
  guardrails: {errors: {absolute: 0.1%}}
  then: promote
rollback_window: 1d
"""


def signature(task: str = "classification", *more: Feature, classes: tuple[str, ...] = ("no", "yes")) -> Signature:
    """One number ``tenure``, one text ``note``, and what is asked for beside."""
    features = (Feature(name="tenure", kind="number"), Feature(name="note", kind="text", nullable=True), *more)
    return Signature(
        task=task,  # type: ignore[arg-type]
        features=features,
        inputs=(Tensor(name="in", datatype="FP32", shape=(-1, 1), features=("tenure",)),),
        outputs=(Tensor(name="label", datatype="BYTES", shape=(-1,)),),
        answer=Answer(prediction="label", classes=classes if task == "classification" else ()),
    )


class FakeRegistry:
    """Models, versions and aliases in memory; files under ``home``."""

    def __init__(self) -> None:
        self.manifests: dict[tuple[str, int], Manifest] = {}
        self.named: dict[str, dict[str, int]] = {}
        self.away: Exception | None = None
        self.copies: dict[tuple[str, int], int] = {}

    def add(self, name: str, version: int, **manifest: object) -> None:
        values: dict[str, object] = {
            "file": "model.onnx",
            "format": "onnx",
            "runtime": "onnx",
            "signature": signature(),
        }
        self.manifests[name, version] = Manifest(name=name, **(values | manifest))  # type: ignore[arg-type]

    def resolve(self, uri: str) -> tuple[str, int]:
        name, _, rest = uri.removeprefix("models:/").replace("@", "/@").partition("/")
        newest = self.versions(name)[-1:] if rest == "latest" else ()
        version = self.aliases(name).get(rest[1:], 0) if rest.startswith("@") else (*newest, 0)[0] or int(rest)
        if (name, version) not in self.manifests:
            raise NotFound(f"{uri} does not exist.")
        return name, version

    def materialise(self, name: str, version: int, store: Path) -> tuple[str, Path]:
        digest = f"{name}{self.copies.get((name, version), version):064x}"[-64:]
        directory = store / digest
        directory.mkdir(parents=True, exist_ok=True)
        (directory / "manifest.json").write_bytes(msgspec.json.encode(self.manifests[name, version]))
        return digest, directory

    def set_alias(self, name: str, alias: str, version: int) -> None:
        if self.away:
            raise self.away
        self.named.setdefault(name, {})[alias] = version

    def versions(self, name: str) -> tuple[int, ...]:
        if self.away:
            raise self.away
        return tuple(sorted(version for model, version in self.manifests if model == name))

    def aliases(self, name: str) -> dict[str, int]:
        if self.away:
            raise self.away
        return self.named.get(name, {})


class Clock:
    """Microseconds since 1970 UTC, moved by hand."""

    def __init__(self, now: int = START) -> None:
        self.now = now

    def __call__(self) -> int:
        return self.now

    def forward(self, *, days: float = 0, seconds: float = 0) -> int:
        self.now += round(days * DAY + seconds * SECOND)
        return self.now


class Harbour:
    """A site whose registry has ``churn`` 1 (``@champion``), 2 and 3."""

    def __init__(self, home: Path, url: str | None = None) -> None:
        self.home = home
        self.clock = Clock()
        self.registry = FakeRegistry()
        for version in (1, 2, 3):
            self.registry.add("churn", version)
        self.registry.named["churn"] = {"champion": 1}
        self.url = url or f"sqlite:///{home / 'state.db'}"
        self._runs = count(1)
        self.state = State(self.url)
        self.publication = Publication(home)
        self.site = self.another_site()

    def another_site(self, **changes: object) -> Site:
        """The same machine, seen by another process."""
        values: dict[str, object] = {
            "home": self.home,
            "state_url": self.url,
            "state": self.state,
            "publication": self.publication,
            "registry": self.registry,
            "clock": self.clock,
            "new_id": lambda: f"run-{next(self._runs)}",
            "prepare_seconds": 10.0,
        }
        return Site(**(values | changes))  # type: ignore[arg-type]

    def apply(self, text: str = PLAIN, **more: object) -> Applied:
        return apply_to(self.site, load_deployment(text), text, **({"actor": "ada"} | more))  # type: ignore[arg-type]

    @property
    def serving(self) -> Snapshot:
        """What gateways serve of ``churn`` now."""
        revision = self.publication.active("churn")
        assert revision is not None
        return self.publication.read("churn", revision)

    @property
    def versions(self) -> dict[str, str]:
        """``name:version`` by variant, as gateways serve it."""
        return {slot.variant: slot.model_version for slot in self.serving.slots}

    @property
    def weights(self) -> dict[str, float]:
        """Weights of the entry ``everybody``, as gateways serve it."""
        entry = next(entry for entry in self.serving.entries if entry.name == "everybody")
        return {arm.variant: arm.weight for arm in entry.arms}

    def actions(self) -> list[str]:
        return [entry.action for entry in self.state.audit.of("churn")]

    def close(self) -> None:
        self.state.close()


class World:
    """What the loop sees, as a test wants it: each attribute is what the next judgement says."""

    def __init__(self) -> None:
        self.recommendation: Recommendation = "wait"
        self.matured = 1_000
        self.pairs = 0
        self.failures = 0
        self.shadow_word: Word | None = None
        self.worse: tuple[str, ...] = ()
        self.fresh = 0
        self.said: dict[str, Word] = {}
        self.caps: dict[str, float] = {}
        self.broken: Exception | None = None
        self.windows: tuple[Window, ...] = ()
        self.lost = 0
        self.warm_units: tuple[str, ...] = ()
        self.popular: tuple[Scored, ...] = ()
        self.held_back_by = ""
        self.judged: list[ReleaseRun] = []
        self.lost_before: list[Losses] = []

    def judge(self, _spec: Deployment, run: ReleaseRun, now: int, before: Losses) -> Judgement:
        if self.broken:
            raise self.broken
        self.judged.append(run)
        self.lost_before.append(before)
        shadow = ShadowComparison(
            pairs=self.pairs,
            inputs=self.pairs,
            clustered_by="unit",
            failures=self.failures,
            verdict=verdict("accuracy", "primary", self.shadow_word) if self.shadow_word else None,
            sentence="",
        )
        return Judgement(
            deployment=run.deployment,
            release=run.id,
            stage=run.stage,
            unit="customer",
            champion=run.champion,
            challenger=run.challenger,
            champion_version=run.champion_version,
            challenger_version=run.challenger_version,
            at=now,
            recommendation=self.recommendation,
            because=self.worse,
            metrics=self._metrics(run) if run.phases else (),
            fresh=self.fresh if run.phases else 0,
            caps=self.caps,
            shadow=shadow if run.stage == "shadow" else None,
            sentence="As the test wants it.",
        )

    def _metrics(self, run: ReleaseRun) -> tuple[MetricJudgement, ...]:
        counts = Counts(champion=self.matured, challenger=self.matured)
        words: dict[str, tuple[Role, Word]] = {"conversion": ("primary", "inconclusive")}
        words |= {name: ("guardrail", word) for name, word in self.said.items()}
        words |= dict.fromkeys(self.worse, ("guardrail", "worse"))
        return tuple(
            MetricJudgement(
                name=name,
                part=part,
                kind="proportion",
                verdict=verdict(name, part, word),
                within=1,
                matures=1,
                counts=counts,
                phases=(_phase(run, 0 if word == "no-data" else self.fresh),),
                sentence=f"{name}: {word}.",
            )
            for name, (part, word) in words.items()
        )

    def watch(self, *_: object) -> tuple[Window, ...]:
        return self.windows

    def held_back(self, *_: object) -> str:
        return self.held_back_by

    def warm(self, *_: object) -> tuple[str, ...]:
        return self.warm_units

    def items(self, *_: object) -> tuple[Scored, ...]:
        return self.popular

    def losses(self, _deployment: str) -> Losses:
        return Losses(dropped=self.lost, by_variant={"challenger": self.lost})


def _phase(run: ReleaseRun, units: int) -> PhaseEffect:
    assert run.phase is not None
    return PhaseEffect(
        number=run.phase.number, share=0.5, champion=units, challenger=units, effect=None, standard_error=None
    )


def verdict(metric: str, role: Role, word: Word) -> Verdict:
    return Verdict(metric=metric, role=role, word=word, want="higher", method="", alpha=0.05)


@contextmanager
def gateway_worker(
    home: Path, name: str = "w0", *, refuses: Callable[[Snapshot], str | None] = lambda _snapshot: None
) -> Iterator[list[tuple[str, int]]]:
    """A live worker in a thread that loads what ``refuses`` gives no reason against; yields what it was told."""
    subscription = Subscription(home, name)
    subscription.join()
    done: list[tuple[str, int]] = []
    over = threading.Event()

    def run() -> None:
        while not over.is_set():
            for change in subscription.poll():
                revision = change.snapshot.revision
                done.append((change.kind, revision))
                if change.kind == "prepare":
                    subscription.acknowledge(change.deployment, revision, refuses(change.snapshot))
                elif change.kind == "activate":
                    subscription.activated(change.deployment, revision)
            over.wait(0.005)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield done
    finally:
        over.set()
        thread.join()
        subscription.leave()
