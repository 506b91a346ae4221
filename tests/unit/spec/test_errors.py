"""One table of causes: the errors carry it, the edges keep to it, the documentation shows it."""

import ast
from pathlib import Path

import grpc
import pytest

from seatrial.serving.messages import PHRASES
from seatrial.spec import errors
from seatrial.spec.errors import CAUSES, SeatrialError

ROOT = Path(__file__).parents[3]


def every_error() -> list[type[SeatrialError]]:
    return [one for one in vars(errors).values() if isinstance(one, type) and issubclass(one, SeatrialError)]


@pytest.mark.parametrize("error", every_error())
def test_an_errors_status_is_its_causes(error: type[SeatrialError]) -> None:
    assert error.status == CAUSES[error.cause].status
    assert error.status in PHRASES


def test_codes_are_grpcs() -> None:
    for cause in CAUSES.values():
        assert cause.code is None or hasattr(grpc.StatusCode, cause.code)


def refusals(module: str) -> set[int]:
    """Statuses with which a module refuses by itself."""
    tree = ast.parse((ROOT / "seatrial" / "serving" / module).read_text())
    return {
        int(call.args[0].value)  # type: ignore[arg-type]
        for call in ast.walk(tree)
        if isinstance(call, ast.Call)
        and isinstance(call.func, ast.Name)
        and call.func.id in ("HttpError", "Response")
        and isinstance(call.args[0], ast.Constant)
        and call.args[0].value != 200
    }


@pytest.mark.parametrize("module", ["arriving.py", "connection.py", "messages.py", "routes.py"])
def test_the_edges_refuse_with_what_is_in_the_table(module: str) -> None:
    found = refusals(module)
    assert found
    assert found <= {cause.status for cause in CAUSES.values()}


def test_the_documented_table_is_the_codes() -> None:
    rows = [f"| {name} | {one.status} | {one.code or ''} | {one.meaning} |" for name, one in CAUSES.items()]
    table = "\n".join(
        [
            "<!-- table: causes -->",
            "| cause | HTTP | gRPC | what happened |",
            "|---|---|---|---|",
            *rows,
            "<!-- end -->",
        ]
    )
    assert table in (ROOT / "docs" / "serving.md").read_text()
