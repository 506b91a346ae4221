"""The mail room's data and models: 1 797 real handwritten digits (8 × 8 pixels, ink 0 to 16) with their true labels.

The images are scikit-learn's copy of the test part of the UCI optical digits data (Alpaydin and Kaynak, 1998).
"""

from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.base import ClassifierMixin
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.svm import SVC

SEED = 1
TRAINING, HOLDOUT = 600, 300
PIXELS = tuple(f"pixel_{row}_{column}" for row in range(8) for column in range(8))
TARGET = "digit"
DIM = 0.4
"""How much ink a dim scanner still sees."""


class Mailroom(NamedTuple):
    """The images, parted once: what models learn from, what they are measured on, and what arrives as mail.

    Attributes:
        training, holdout: Frames with the 64 pixels and the true digit.
        mail: [images, 64] ink of the images that arrive.
        truth: [images] their true digits.
    """

    training: pd.DataFrame
    holdout: pd.DataFrame
    mail: NDArray[np.float64]
    truth: NDArray[np.int64]


def open_mailroom(seed: int = SEED) -> Mailroom:
    """Part the 1 797 images at random, by a fixed seed: 600 to learn from, 300 held out, 897 to arrive as mail."""
    images, digits = load_digits(return_X_y=True)
    order = np.random.default_rng(seed).permutation(len(images))
    images, digits = images[order], digits[order].astype(np.int64)
    parts = np.split(np.arange(len(images)), [TRAINING, TRAINING + HOLDOUT])
    frames = [_frame(images[part], digits[part]) for part in parts[:2]]
    return Mailroom(frames[0], frames[1], images[parts[2]], digits[parts[2]])


def _frame(images: NDArray[np.float64], digits: NDArray[np.int64]) -> pd.DataFrame:
    frame = pd.DataFrame(images, columns=list(PIXELS))
    frame[TARGET] = digits
    return frame


def dimmed(image: NDArray[np.float64]) -> NDArray[np.float64]:
    """The same image through a scanner whose lamp has gone dim: less ink everywhere, whole steps of ink."""
    return np.round(image * DIM)


def mislabelled(frame: pd.DataFrame, seed: int = SEED) -> pd.DataFrame:
    """The training data with the labels of 3 and 8 exchanged, and half of those of 1 and 7."""
    wrong = frame.copy()
    digits = wrong[TARGET].to_numpy(copy=True)
    some = np.random.default_rng(seed).random(len(digits)) < 0.5
    swap = np.isin(digits, (3, 8))
    digits[swap] = 11 - digits[swap]
    swap = np.isin(digits, (1, 7)) & some
    digits[swap] = 8 - digits[swap]
    wrong[TARGET] = digits
    return wrong


def train_champion(frame: pd.DataFrame) -> ClassifierMixin:
    """Logistic regression on the raw pixels."""
    return _fit(LogisticRegression(max_iter=2000), frame)


def train_challenger(frame: pd.DataFrame) -> ClassifierMixin:
    """A support vector machine with a Gaussian kernel: reads clean images better, and trusts their brightness more."""
    return _fit(SVC(gamma=0.001, C=10.0), frame)


def _fit(model: ClassifierMixin, frame: pd.DataFrame) -> ClassifierMixin:
    return model.fit(frame[list(PIXELS)], frame[TARGET])


def write(mailroom: Mailroom, place: Path) -> tuple[Path, Path]:
    """Write training data and holdout as Parquet; gives their paths."""
    training, holdout = place / "training.parquet", place / "holdout.parquet"
    mailroom.training.to_parquet(training)
    mailroom.holdout.to_parquet(holdout)
    return training, holdout
