"""How units of two files are matched: written alike in both, or refused.

Files come from different hands. A column of whole numbers with one hole is read as fractions (1 becomes 1.0), a file of
CSV drops the zeros that an id begins with, and text beside numbers matches only where it is spelt as they are. A join
that silently matches nothing would say that nothing ever happened.
"""

from seatrial.analysis.files import Files
from seatrial.ledger.sql import quoted
from seatrial.spec.errors import BadInput

_WHOLE = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT", "UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT")
_EXACT = {"FLOAT": 2**24, "DOUBLE": 2**53}
"""Up to where a fraction tells one whole number from the next."""


def keys(files: Files) -> dict[str, str]:
    """SQL of the unit by table, of one type in both.

    Raises:
        BadInput: A unit of one file is a fraction, or a number spelt as the other file does not spell it.
    """
    tables = ("exposures", "outcomes")
    sorts = {table: _sort(files.kind(table, files.columns.unit)) for table in tables}
    if "text" in sorts.values():
        for table in tables:
            if sorts[table] == "whole" and files.reopen_as_text(table, files.columns.unit):
                sorts[table] = "text"
    name = quoted(files.columns.unit)
    kinds = {files.kind(table, files.columns.unit) for table in tables}
    if len(kinds) == 1:
        return dict.fromkeys(tables, name)
    if set(sorts.values()) <= {"whole", "fraction"}:
        return {table: _as_whole(files, table) for table in tables}
    found = {}
    for table in tables:
        found[table] = f"CAST({_as_whole(files, table) if sorts[table] in ('whole', 'fraction') else name} AS VARCHAR)"
        if sorts[table] == "text" and len(set(sorts.values())) > 1:
            _refuse_other_spelling(files, table)
    return found


def _sort(kind: str) -> str:
    if kind in _WHOLE:
        return "whole"
    if kind.startswith(("FLOAT", "DOUBLE", "DECIMAL")):
        return "fraction"
    return "text" if kind.startswith(("VARCHAR", "ENUM")) else kind


def _as_whole(files: Files, table: str) -> str:
    name, kind = quoted(files.columns.unit), files.kind(table, files.columns.unit)
    if _sort(kind) == "fraction":
        bad = f"NOT isfinite({name}::DOUBLE) OR {name} <> floor({name})"
        bad += f" OR abs({name}) > {_EXACT[kind]}" if kind in _EXACT else ""
        found = files.first_row(table, f"{name} IS NOT NULL AND ({bad})", f"{name}::VARCHAR")
        if found is not None:
            raise BadInput(
                f"row {found[0]} of {files.names[table]} has the {files.columns.unit} {found[1]}, a {kind} that is no "
                "whole number as in the other file, or has lost digits; write units as text or whole numbers in both"
            )
    return f"CAST({name} AS HUGEINT)"


def _refuse_other_spelling(files: Files, table: str) -> None:
    text = f"CAST({quoted(files.columns.unit)} AS VARCHAR)"
    other = f"TRY_CAST({text} AS DOUBLE) IS NOT NULL AND TRY_CAST({text} AS HUGEINT)::VARCHAR IS DISTINCT FROM {text}"
    found = files.first_row(table, other, text)
    if found is not None:
        raise BadInput(
            f"row {found[0]} of {files.names[table]} has the {files.columns.unit} {found[1]!r} as text, and the other "
            "file has numbers, which are not spelt so; write units as text in both"
        )
