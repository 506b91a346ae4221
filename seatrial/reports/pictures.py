"""Charts as picture files: SVG or PNG, drawn on this machine."""

from pathlib import Path
from typing import Any

from seatrial.spec.errors import BadInput

SUFFIXES = (".svg", ".png")
INSTALL = "pip install 'seatrial[png]'"

_WIDTH = 720
_SCALE = 2
"""Pixels of a PNG for each of the drawing's."""


def write_picture(chart: Any, file: Path) -> None:
    """Draws an Altair chart into ``file``.

    Raises:
        BadInput: The file is neither .svg nor .png, or the package that draws is not installed.
    """
    if file.suffix not in SUFFIXES:
        raise BadInput(f"{str(file)!r} is no picture that can be drawn; write a .svg or .png file")
    try:
        import vl_convert  # an optional extra
    except ModuleNotFoundError:
        raise BadInput(f"pictures need an extra package: {INSTALL}") from None
    declared = chart.properties(width=_WIDTH).to_dict()
    if file.suffix == ".svg":
        file.write_text(vl_convert.vegalite_to_svg(declared), "utf-8")
    else:
        file.write_bytes(vl_convert.vegalite_to_png(declared, scale=_SCALE))
