"""Labels as SQL: which rows an outcome that carries the truth belongs to, and whether an answer is it."""

import math


def finite_number(text: str) -> str:
    """SQL of a text as a finite number, true and false as 1 and 0, anything else NULL."""
    value = f"coalesce(TRY_CAST({text} AS DOUBLE), CASE lower({text}) WHEN 'true' THEN 1 WHEN 'false' THEN 0 END)"
    return f"CASE WHEN isfinite({value}) THEN {value} END"


def labels_of_rows(table: str, value: str | None, outcome: str, field_parameter: str) -> str:
    """SQL that gives each row's labels: ``r``, ``t``, ``came``, ``until``, and the label as ``text`` or ``number``.

    A label belongs to the row of its request (and row or key), else to the rows of its key, else to those of its unit.

    Args:
        table: Has ``r, request_id, i, k, unit`` by row.
        value: The field that holds the label, or None for the outcome's own value.
        outcome: SQL of the outcome's name.
        field_parameter: SQL of the field's path, used when there is one.
    """
    text = f'json_extract_string(l."fields", {field_parameter})' if value is not None else "l.value_text"
    number = "NULL::DOUBLE" if value is not None else "l.value_number"
    joins = (
        "l.request_id = p.request_id AND (l.i IS NULL OR l.i = p.i) AND (l.k IS NULL OR l.k = p.k)",
        "l.k = p.k AND l.request_id IS NULL",
        "l.unit = p.unit AND l.request_id IS NULL AND l.k IS NULL",
    )
    return " UNION ALL ".join(
        f"""SELECT p.r, l.t, l.came, l.until, {text} AS text, {number} AS number FROM {table} p JOIN happened l ON {on}
        WHERE l.outcome = {outcome} AND (l.unit IS NULL OR l.unit = p.unit)
          AND ({text} IS NOT NULL OR {number} IS NOT NULL)"""
        for on in joins
    )


def one_spelling(text: str) -> str:
    """SQL of one spelling, as text, for all that is one label: 3, 3.0 and "3" are, and so are true, "True" and 1, for a
    model of zeros and ones is told booleans. As ``plain_label`` spells it, but for numbers that are not whole.
    """
    word = _word(text)
    number = finite_number(word)
    whole = f"CAST(CAST({number} AS BIGINT) AS VARCHAR)"
    return f"""CASE WHEN {number} IS NULL THEN {word}
      WHEN abs({number}) < {_WHOLE} AND {number} = trunc({number}) THEN {whole} ELSE CAST({number} AS VARCHAR) END"""


def _word(text: str) -> str:
    return f"trim(CAST({text} AS VARCHAR))"


_WHOLE = "1e15"
"""Below, every whole number is told apart by a double."""


def is_right(label: str, answer: str) -> str:
    """SQL of 1 where a label (an alias with ``text`` and ``number``) is spelt as an answer is, else 0; no answer is
    wrong. It compares numbers and words, not spellings: a third of the time."""
    number = f"coalesce({label}.number, {finite_number(_word(f'{label}.text'))})"
    return f"""coalesce({_word(f"{label}.text")} = {_word(answer)} OR {number} = {finite_number(_word(answer))},
      false)::INT"""


def is_positive(label: str, positive: str) -> str:
    """SQL of 1 where a label is the one in the parameter ``positive``, else 0."""
    return is_right(label, positive)


def says_positive(answer: str, positive: str) -> str:
    """SQL of 1 where an answer is the label in the parameter ``positive``, else 0; no answer is not."""
    return f"coalesce({one_spelling(answer)} = {one_spelling(positive)}, false)::INT"


def number_of(label: str) -> str:
    """SQL of a label as a finite number, else NULL."""
    return finite_number(f"coalesce(CAST({label}.number AS VARCHAR), {label}.text)")


def plain_label(label: str) -> str:
    """One spelling for all that ``one_spelling`` takes to be one label: 3, 3.0 and "3", or true, "True" and 1."""
    text = label.strip()
    if text.lower() in ("true", "false"):
        return "1" if text.lower() == "true" else "0"
    try:
        number = float(text)
    except ValueError:
        return text
    return f"{number + 0.0:.17g}" if math.isfinite(number) else text  # no negative zero
