"""Who goes by another name than when was last read."""

import pyarrow as pa
import pyarrow.compute as pc

NOBODY = pa.table({"alias": pa.array([], pa.string()), "unit": pa.array([], pa.string())})
"""Persons by their other names, of whom there are none."""


def renamed_units(before: pa.Table, now: pa.Table) -> set[str]:
    """Every name, an alias or a person's, whose rows belonged to somebody else then or may do so now.

    Args:
        before: Columns ``alias``, each once, and ``unit``, the person, as they were.
        now: Likewise, as they are.
    """
    both = before.join(now, keys="alias", join_type="full outer", right_suffix="_now")
    same = pc.equal(both["unit"], both["unit_now"]).fill_null(False)
    moved = both.filter(pc.invert(same))
    return {name for column in moved.columns for name in column.to_pylist() if name is not None}
