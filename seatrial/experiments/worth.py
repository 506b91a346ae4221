"""What one outcome ``o`` is worth, as SQL over the view ``outcomes``."""

OWN = """CASE WHEN isfinite(coalesce(o.value_number, TRY_CAST(o.value_text AS DOUBLE)))
THEN coalesce(o.value_number, TRY_CAST(o.value_text AS DOUBLE)) WHEN o.value_text IS NULL THEN 1 END"""
"""Its own value; one without any simply happened: 1. A word is no number."""

HAPPENED = f"(coalesce({OWN}, 1) <> 0)::INT"
"""As in a proportion: a word happened too; 0 and false did not."""

FIELD = """TRY_CAST(CASE json_extract_string(o."fields", $path) WHEN 'true' THEN '1' WHEN 'false' THEN '0'
ELSE json_extract_string(o."fields", $path) END AS DOUBLE)"""
"""The field at ``$path``; null where it is none."""
