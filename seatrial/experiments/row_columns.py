"""Typed columns of ``rows`` as SQL: a name that came back with another type lives on beside itself, ``name#type``."""

from collections.abc import Sequence

from seatrial.experiments.source import Source

_ANSWER = "prediction.label"


def column_names(source: Source) -> list[str]:
    """The columns of ``rows``."""
    names: list[str] = source.sql("SELECT * FROM rows LIMIT 0", {}).column_names
    return names


def answer_column(source: Source) -> str | None:
    """SQL of the label that was answered; None where no row carries one.

    A column whose type changed lives on beside its later ones, ``prediction.label#<type>``.
    """
    names = column_names(source)
    found = [f'"{name}"' for name in names if name == _ANSWER or name.startswith(f"{_ANSWER}#")]
    if len(found) < 2:
        return found[0] if found else None
    return f"coalesce({', '.join(f'CAST({name} AS VARCHAR)' for name in found)})"


def has_column(name: str, names: Sequence[str]) -> bool:
    """Whether any row can carry it, under whatever type."""
    return any(each == name or each.startswith(f"{name}#") for each in names)


def number_column(wanted: Sequence[str], names: Sequence[str], table: str = "") -> str:
    """SQL of the first of the columns ``wanted`` that is a finite number, true as 1; else NULL.

    Args:
        wanted: Full names, ``context.age``.
        names: The columns that there are.
        table: An alias with its dot, ``r.``.
    """
    found = [
        f"TRY_CAST({table}{_quoted(each)} AS DOUBLE)"
        for name in wanted
        for each in names
        if each == name or each.startswith(f"{name}#")
    ]
    if not found:
        return "NULL::DOUBLE"
    finite = [f"CASE WHEN isfinite({value}) THEN {value} END" for value in found]
    return finite[0] if len(finite) == 1 else f"coalesce({', '.join(finite)})"


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
