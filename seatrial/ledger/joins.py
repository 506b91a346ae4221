"""How an outcome finds its rows, as SQL over the views ``rows`` and ``outcomes``.

The narrowest join key an outcome carries decides:

    request_id and row    that instance of that request
    request_id and key    the instance with that key in that request
    request_id            every instance of that request
    key                   the rows with that key
    unit                  the rows of that unit

By key alone or by unit, an outcome belongs to rows that were decided before it happened (5 minutes of clock skew are
tolerated); shadows' rows are not joined.
"""

SKEW_MICROSECONDS = 5 * 60 * 1_000_000

_AFTER = f"o.at >= r.at - INTERVAL {SKEW_MICROSECONDS} MICROSECONDS"


def pairs(rows: str, outcomes: str) -> str:
    """SQL of all pairs of a row and an outcome of it.

    Args:
        rows: A relation with ``row_id, request_id, row, key, unit, role, at``.
        outcomes: A relation with the columns of ``outcomes``.

    Returns:
        A SELECT of ``row_id, row_at`` and the outcome's columns.
    """
    columns = "r.row_id, r.at AS row_at, o.*"
    by_request = f"""
        SELECT {columns} FROM (SELECT * FROM {outcomes} WHERE request_id IS NOT NULL) o
        JOIN (SELECT * FROM {rows} WHERE role <> 'shadow') r ON o.request_id = r.request_id
        AND (o.row IS NULL OR o.row = r.row) AND (o.key IS NULL OR o.key = r.key)"""
    by_key = f"""
        SELECT {columns} FROM (SELECT * FROM {outcomes} WHERE request_id IS NULL AND key IS NOT NULL) o
        JOIN (SELECT * FROM {rows} WHERE role <> 'shadow') r ON o.key = r.key
        AND (o.unit IS NULL OR o.unit = r.unit) AND {_AFTER}"""
    by_unit = f"""
        SELECT {columns} FROM (SELECT * FROM {outcomes} WHERE request_id IS NULL AND key IS NULL) o
        JOIN (SELECT * FROM {rows} WHERE role <> 'shadow') r ON o.unit = r.unit AND {_AFTER}"""
    return f"{by_request} UNION ALL {by_key} UNION ALL {by_unit}"
