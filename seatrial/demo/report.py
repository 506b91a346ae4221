"""What the demo leaves behind: one HTML file with what happened, as sentences, charts and pictures."""

from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from seatrial.demo.mail import DEPLOYMENT, Tally
from seatrial.demo.mailroom import PIXELS, Mailroom, dimmed
from seatrial.experiments.judgement import Judgement
from seatrial.experiments.points import verdict_point
from seatrial.ledger.reader import Reader
from seatrial.releases.state import State
from seatrial.reports import charts
from seatrial.reports.page import Section, Table, render_page
from seatrial.reports.points import DriftCell
from seatrial.spec.settings import Settings
from seatrial.spec.units import show_count
from seatrial.watch.window import Window

Image = NDArray[np.float64]
INK = 16.0
"""The darkest a pixel can be: pictures share this scale, or a dim one would look like a clear one."""


def write_report(path: Path, mailroom: Mailroom, settings: Settings, said: list[str], tally: Tally) -> None:
    """Write the report; everything in it is read from the state and ledger of the demo's own system."""
    with State(settings.state_url) as state:
        judgements = [msgspec.json.decode(r.judgement, type=Judgement) for r in state.verdicts.of(DEPLOYMENT)]
        windows = [msgspec.json.decode(r.window, type=Window) for r in state.windows.of(DEPLOYMENT)]
        alerts = state.alerts.of(DEPLOYMENT)
    sections = [
        Section("What happened", tuple(said)),
        Section("Who read how well", table=_readers(tally)),
        *_contests(judgements),
        *_drift(windows, settings, mailroom),
        Section(
            "Alerts that were sent", table=Table(("event", "sentence"), tuple((a.event, a.sentence) for a in alerts))
        ),
    ]
    total = f"{show_count(tally.sent)} letters over HTTP, {show_count(tally.reported)} true digits reported"
    path.write_text(render_page("The mail room", total, sections), "utf-8")


def on_images(sentence: str) -> str:
    """A comparison's sentence in the mail room's words: its distinct inputs are images."""
    return sentence.replace(" inputs", " images")


def _readers(tally: Tally) -> Table:
    rows = tuple(
        (version, show_count(read), f"{tally.right[version] / read:.2%}")
        for version, read in sorted(tally.read.items())
    )
    return Table(("version", "letters read", "right"), rows)


def _contests(judgements: list[Judgement]) -> list[Section]:
    sections = []
    for release in dict.fromkeys(j.release for j in judgements):
        own = [j for j in judgements if j.release == release]
        last = own[-1]
        shadow = next((j.shadow for j in reversed(own) if j.shadow is not None), None)
        points = [p for p in map(verdict_point, own) if p is not None]
        sentences = (*((on_images(shadow.sentence),) if shadow else ()), last.sentence)
        drawn = (charts.verdict_over_time(points),) if points else ()
        heading = f"{last.challenger_version} against {last.champion_version}"
        good = last.recommendation == "ship"
        sections.append(
            Section(heading, sentences, drawn, badge=last.recommendation, verdict="good" if good else "bad")
        )
    return sections


def _drift(windows: list[Window], settings: Settings, mailroom: Mailroom) -> list[Section]:
    data = [w for w in windows if w.monitor == "data" and w.variant == "champion"]
    loud = [w for w in data if w.drift.severity == "major"]
    if not loud:
        return []
    last = loud[-1]
    cells = [
        DriftCell(w.start, f.feature, f.severity, abs(w.shifts.get(f.feature) or 0.0), "mean shift in sd", f.sentence)
        for w in data
        for f in w.features
        if f.feature in _loudest(last)
    ]
    reference = mailroom.training[list(PIXELS)].to_numpy()
    shift = np.array([last.shifts.get(name) or 0.0 for name in PIXELS]).reshape(8, 8)
    pictures = (
        charts.grid_image(_rows(reference.mean(axis=0)), title="average image learned from", label="ink", top=INK),
        charts.grid_image(_rows(_seen(settings, last)), title="average image in the dim window", label="ink", top=INK),
        charts.grid_image(shift.tolist(), title="pixels that moved", label="shift, sd"),
        charts.grid_image(_rows(dimmed(mailroom.mail[0])), title="one dimmed digit", label="ink", top=INK),
    )
    return [
        Section("The scanner goes dim", (last.sentence,), pictures, badge="major drift", verdict="bad"),
        Section("Pixel × window", (), (charts.drift_heatmap(cells),)),
    ]


def _loudest(window: Window, most: int = 24) -> set[str]:
    return set(sorted(window.shifts, key=lambda name: -abs(window.shifts[name] or 0.0))[:most])


def _seen(settings: Settings, window: Window) -> Image:
    """The average image that arrived in a window, from the ledger."""
    columns = ", ".join(f'avg("feature.{name}")' for name in PIXELS)
    query = f'select {columns} from rows where role = \'answer\' and epoch_us("at") >= ? and epoch_us("at") < ?'
    with Reader(settings.home).open(DEPLOYMENT) as view:
        row = view.sql(query, [window.start, window.end]).to_pylist()[0]
    return np.array([value or 0.0 for value in row.values()])


def _rows(image: Image) -> list[list[float]]:
    found: list[list[float]] = np.round(image.reshape(8, 8), 3).tolist()
    return found
