"""Estimates without labels on real data whose population was moved by resampling, beside what labels said later.

`python -m tests.statistics.unlabelled_worlds` runs 100 splits of each and fails where a bar is missed.

The data ships with scikit-learn: 1 797 images of digits. ``digits`` tells which digit an image is; ``ink`` looks at the
eight neighbours of a pixel and says whether it is dark (classification), or how dark (regression), 36 pixels an image.
"""

import argparse
import sys
from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from seatrial.drift.estimates import Estimate, LossTree, calibrate, estimate_accuracy, estimate_loss

Floats = NDArray[np.float64]
WINDOW = 1000
TILTS = (-0.7, 0.7)
"""How strongly windows prefer rows with much, or little, of what the data varies by most; 0 is no shift."""


class Window(NamedTuple):
    """One window: what was estimated, what came, and what the holdout had promised."""

    estimate: Estimate
    realised: float
    promised: float

    @property
    def gap(self) -> float:
        return abs(self.estimate.value - self.realised)


Labels = Callable[[Any, np.random.Generator], Any]


def honest(labels: Any, _rng: np.random.Generator) -> Any:
    """Labels as they are."""
    return labels


def flipped(labels: Any, rng: np.random.Generator) -> Any:
    """Three labels of ten become another's: the same inputs mean something else."""
    return np.where(rng.random(len(labels)) < 0.3, rng.permutation(labels), labels)


@cache
def images() -> tuple[Floats, NDArray[np.int64]]:
    from sklearn.datasets import load_digits

    found = load_digits()
    return found.images, found.target


@cache
def pixels() -> tuple[Floats, Floats]:
    """Neighbours [pixels, 8] and the ink of the pixel itself [pixels], image by image."""
    pictures, _ = images()
    inner = [(r, c) for r in range(1, 7) for c in range(1, 7)]
    around = [(i, j) for i in (-1, 0, 1) for j in (-1, 0, 1) if (i, j) != (0, 0)]
    rows = np.stack([np.stack([pictures[:, r + i, c + j] for i, j in around], axis=1) for r, c in inner], axis=1)
    return rows.reshape(-1, 8), np.stack([pictures[:, r, c] for r, c in inner], axis=1).ravel()


def tilted(rows: Floats, size: int, tilt: float, rng: np.random.Generator) -> NDArray[np.intp]:
    """A window drawn without repeats, by how much ink a row has: of inputs alone."""
    ink = rows.sum(axis=1)
    weights = np.exp(tilt * (ink - ink.mean()) / ink.std())
    return rng.choice(len(rows), size, replace=False, p=weights / weights.sum())


def digits(seed: int, tilt: float, labels: Labels = honest) -> Window:
    """Ten classes, calibrated on 500 held-out images; a window of 350 images."""
    from sklearn.linear_model import LogisticRegression

    pictures, target = images()
    rng = np.random.default_rng([1, seed])
    order = rng.permutation(len(target))
    x, y = pictures.reshape(len(target), -1)[order], target[order]
    model = LogisticRegression(C=0.01, max_iter=60, tol=0.01).fit(x[:500], y[:500])
    scores = model.predict_proba(x[500:])
    answers, confidence = model.classes_[scores.argmax(axis=1)], scores.max(axis=1)
    holdout, live = slice(0, 600), slice(600, None)
    calibrator = calibrate(confidence[holdout], answers[holdout] == y[500:][holdout])
    picked = tilted(x[500:][live], 350, tilt, rng)
    truth = labels(y[500:][live][picked], rng)
    found = estimate_accuracy(calibrator, confidence[live][picked])
    promised = float((answers[holdout] == y[500:][holdout]).mean())
    return Window(found, float((answers[live][picked] == truth).mean()), promised)


def ink(seed: int, tilt: float, labels: Labels = honest) -> Window:
    """Two classes: is the pixel dark? Calibrated on 4 000 held-out pixels."""
    from sklearn.linear_model import LogisticRegression

    train, holdout, live, rng = _pixel_parts(seed)
    rows, value = pixels()
    dark = value >= 8
    model = LogisticRegression(C=0.01, max_iter=200).fit(rows[train], dark[train])
    scores = model.predict_proba(rows[holdout])[:, 1]
    calibrator = calibrate(scores, dark[holdout])
    picked = live[tilted(rows[live], WINDOW, tilt, rng)]
    later = model.predict_proba(rows[picked])[:, 1]
    truth = labels(dark[picked], rng)
    found = estimate_accuracy(calibrator, later, later > 0.5)
    promised = float(((scores > 0.5) == dark[holdout]).mean())
    return Window(found, float(((later > 0.5) == truth).mean()), promised)


def shade(seed: int, tilt: float, labels: Labels = honest) -> Window:
    """A regression: how dark is the pixel? Mean absolute error, of 16 shades."""
    from sklearn.linear_model import LinearRegression

    train, holdout, live, rng = _pixel_parts(seed)
    rows, value = pixels()
    model = LinearRegression().fit(rows[train], value[train])
    losses = np.abs(model.predict(rows[holdout]) - value[holdout])
    tree = LossTree.fit(_known(model, rows[holdout]), losses, seed=seed)
    picked = live[tilted(rows[live], WINDOW, tilt, rng)]
    truth = labels(value[picked], rng)
    found = estimate_loss(tree, _known(model, rows[picked]))
    return Window(found, float(np.abs(model.predict(rows[picked]) - truth).mean()), float(losses.mean()))


def _known(model: Any, rows: Floats) -> Floats:
    return np.column_stack([rows, model.predict(rows)])


def _pixel_parts(seed: int) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.intp], np.random.Generator]:
    """Pixels of images that the other parts do not have: to train on, to hold out, to come."""
    rng = np.random.default_rng([2, seed])
    image = np.repeat(rng.permutation(len(images()[1])), 36) // 600
    train, holdout, live = (np.flatnonzero(image == part) for part in range(3))
    return train, rng.choice(holdout, 4000, replace=False), live, rng


SCENES = {"digits": digits, "ink": ink, "shade": shade}


class Summary(NamedTuple):
    """Over windows of many splits: mean |estimate − realised|, mean |promised − realised|, share inside."""

    gap: float
    naive: float
    inside: float


def summary(name: str, splits: int, labels: Labels = honest, first: int = 0) -> Summary:
    found = [SCENES[name](seed, tilt, labels) for seed in range(first, first + splits) for tilt in TILTS]
    return Summary(
        float(np.mean([w.gap for w in found])),
        float(np.mean([abs(w.promised - w.realised) for w in found])),
        float(np.mean([w.estimate.holds(w.realised) for w in found])),
    )


def main() -> int:
    """Prints the table; 1 when an estimate of accuracy is off by more than 0.015, or less than 90 % are inside."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--splits", type=int, default=100)
    splits: int = parser.parse_args().splits
    bad = False
    for name in SCENES:
        moved, blind = summary(name, splits), summary(name, splits, flipped)
        told = (
            f"{name}: inputs moved: |estimate - realised| {moved.gap:.4f} (the holdout's own figure: {moved.naive:.4f})"
        )
        flip = f"labels flipped: {blind.gap:.4f}, inside {100 * blind.inside:.1f} %"
        print(f"{told}, inside {100 * moved.inside:.1f} %; {flip}", flush=True)
        bad |= moved.inside < 0.9 or (name != "shade" and moved.gap > 0.015)
    return int(bad)


if __name__ == "__main__":
    sys.exit(main())
