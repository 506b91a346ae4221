"""What the terminal shows while the demo runs: three acts, the mail, what was said."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from rich.console import Console, Group
from rich.live import Live
from rich.panel import Panel
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from seatrial.demo.mail import Tally
from seatrial.spec.units import show_count

ACTS = ("Setting up", "Act 1  in shadow", "Act 2  in command, by evidence", "Act 3  the scanner goes dim")
_SAID_LINES = 12


@dataclass
class Board:
    """The live view; ``say`` keeps a line for good, ``show`` updates the mail.

    Attributes:
        goal: Requests that the demo sends at least.
        address: The dashboard's, once there is one.
    """

    goal: int
    console: Console = field(default_factory=Console)
    address: str = ""
    said: list[tuple[str, str]] = field(default_factory=list)
    _tally: Tally | None = None

    def __post_init__(self) -> None:
        self._acts = Progress(
            SpinnerColumn(finished_text="[green]✓"),
            TextColumn("{task.description}"),
            BarColumn(30),
            TimeElapsedColumn(),
        )
        self._mail = Progress(TextColumn("requests over HTTP"), BarColumn(30), MofNCompleteColumn())
        self._tasks: dict[str, TaskID] = {name: self._acts.add_task(name, total=None, start=False) for name in ACTS}
        self._sent = self._mail.add_task("requests", total=self.goal)
        self._live: Live | None = None

    @contextmanager
    def live(self) -> Iterator[None]:
        """Show the board until the block ends; without a terminal only the lines are printed."""
        if not self.console.is_terminal:
            yield
            return
        with Live(get_renderable=self._render, console=self.console, refresh_per_second=4) as live:
            self._live = live
            yield
        self._live = None

    @contextmanager
    def act(self, name: str) -> Iterator[None]:
        """An act: its bar runs, and is full at the end."""
        task = self._tasks[name]
        self._acts.start_task(task)
        self.say(name, "bold")
        yield
        self._acts.update(task, total=1, completed=1)

    def say(self, line: str, style: str = "") -> None:
        """Add a line that stays."""
        self.said.append((line, style))
        if self._live is None:
            self.console.print(Text(line, style=style), soft_wrap=not self.console.is_terminal)

    def show(self, tally: Tally) -> None:
        """What came of the mail so far."""
        self._tally = tally
        self._mail.update(self._sent, completed=min(tally.sent, self.goal))

    def _render(self) -> Group:
        lines = Text("\n").join(Text(line, style=style) for line, style in self.said[-_SAID_LINES:])
        where = Text(f"dashboard  {self.address}", style="cyan") if self.address else Text("")
        return Group(
            self._acts, self._mail, self._readers(), where, Panel(lines, title="what happened", padding=(0, 1))
        )

    def _readers(self) -> Table:
        table = Table(box=None, padding=(0, 2, 0, 0))
        for column in ("version", "letters read", "right"):
            table.add_column(column, justify="left" if column == "version" else "right")
        if self._tally is not None:
            for version, read in sorted(self._tally.read.items()):
                table.add_row(version, show_count(read), f"{self._tally.right[version] / read:.1%}")
        return table
