"""``demo``: the whole ring on real data."""

import shutil
import webbrowser
from pathlib import Path

import typer

from seatrial.spec.errors import BadInput


def add_to(app: typer.Typer) -> None:
    app.command(epilog="Example: seatrial demo --keep")(demo)


def demo(
    directory: Path = typer.Option(
        Path("seatrial-demo"), help="Where its system lives; replaced when it is an older demo."
    ),
    keep: bool = typer.Option(False, "--keep", help="Leave everything running; stop it with the line that is printed."),
    browse: bool = typer.Option(False, "--open", help="Open the report in a browser."),
) -> None:
    """Show the whole ring on real data in two minutes. Exit code 3 when an act does not come out."""
    try:
        import skl2onnx  # noqa: F401
        import sklearn  # noqa: F401
    except ImportError as error:
        raise BadInput(
            f"the demo trains models and needs {error.name}; install it with: pip install 'seatrial[demo]'"
        ) from None
    from seatrial.demo.board import Board
    from seatrial.demo.play import GOAL, play

    _clear(directory)
    board = Board(GOAL)
    with board.live():
        report = play(directory.resolve(), keep=keep, board=board)
    typer.echo(f"report     {report}")
    if keep:
        typer.echo(f"dashboard  {board.address}/deployments/mailroom")
        typer.echo(f"stop it    SEATRIAL_HOME={report.parent / 'home'} seatrial down")
    if browse:
        webbrowser.open(report.as_uri())


def _clear(directory: Path) -> None:
    """Make room: an earlier demo goes, anything else stays and is named."""
    from seatrial.processes.home import is_up

    if not directory.exists() or not any(directory.iterdir()):
        return
    home = directory / "home"
    if not (directory / "alone.yaml").exists() and not home.exists():
        raise BadInput(f"{directory} holds something that is no demo of ours; choose another --directory")
    if is_up(home):
        raise BadInput(f"an earlier demo still runs there; stop it with: SEATRIAL_HOME={home.resolve()} seatrial down")
    shutil.rmtree(directory)
