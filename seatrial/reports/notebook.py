"""What a notebook shows of a result: sentences and a table, without scripts, beside its plain text."""

from collections.abc import Container, Sequence

from seatrial.reports.page import Table, environment


def html(sentences: Sequence[str], table: Table, warnings: Sequence[str] = ()) -> str:
    """Sentences, warnings in bold, and a table."""
    return environment().get_template("notebook.html").render(sentences=sentences, table=table, warnings=warnings)


def bundle(
    text: str, shown: str, include: Container[str] | None = None, exclude: Container[str] | None = None
) -> dict[str, str]:
    """The forms that IPython chooses from (``_repr_mimebundle_``), those asked for alone."""
    forms = {"text/plain": text, "text/html": shown}
    return {
        kind: form
        for kind, form in forms.items()
        if (include is None or kind in include) and (exclude is None or kind not in exclude)
    }
