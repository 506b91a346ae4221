"""Reviews by people: the sample as a file to fill in, and the filled file read back."""

import csv
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from seatrial.control.site import microseconds
from seatrial.experiments.review import assess, draw
from seatrial.experiments.shadow.comparison import Review
from seatrial.ledger.reader import Reader
from seatrial.releases.state import State
from seatrial.spec.errors import BadInput, NotFound
from seatrial.spec.settings import Settings


class Drawn(NamedTuple):
    """A file to fill in.

    Attributes:
        rows: Of the file.
        disagreements: Of these, pairs of different answers.
        strata: Kinds of pairs among them.
    """

    rows: int
    disagreements: int
    strata: int


def draw_review(
    settings: Settings, deployment: str, out: Path, *, disagreements: int, agreements: int, seed: int
) -> Drawn:
    """Writes the sample of the release's shadow pairs.

    Raises:
        NotFound: There is no such deployment, or it never had a release.
        BadInput: There are no pairs of classes, or the file is no .csv or there already.
    """
    if out.suffix != ".csv":
        raise BadInput(f"{str(out)!r} is no .csv file; people fill it in, so write review.csv")
    if out.exists():
        raise BadInput(f"{str(out)!r} is there already, perhaps filled in; choose another name")
    with State(settings.state_url) as state:
        run = state.deployments.get(deployment).run
    if run is None:
        raise NotFound(f"{deployment!r} has no release, so no pairs to review; give the file a `release` and apply it")
    with Reader(settings.home).open(deployment) as view:
        features = [name for name in view.columns if name.startswith("feature.") and "#" not in name]
        rows = draw(
            view,
            run,
            features,
            now=microseconds(),
            disagreements=disagreements,
            agreements=agreements,
            seed=seed,
        )
    with out.open("x", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    apart = sum(row["champion"] != row["challenger"] for row in rows)
    return Drawn(len(rows), apart, len({row["stratum"] for row in rows}))


def read_review(filled: Path) -> Review:
    """What a filled file says; raises BadInput where it cannot be read as one."""
    try:
        with filled.open(encoding="utf-8-sig", newline="") as file:
            rows: list[Mapping[str, str]] = list(csv.DictReader(file))
    except OSError as error:
        raise BadInput(f"{str(filled)!r} cannot be read: {error.strerror}") from None
    except (UnicodeDecodeError, csv.Error) as error:
        raise BadInput(f"{str(filled)!r} is no CSV file in UTF-8 ({error}); save it as one") from None
    return assess(rows)
