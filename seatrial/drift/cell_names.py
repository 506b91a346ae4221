"""The cells of a profile in words, in the order in which they are counted."""

from seatrial.drift.feature import FeatureProfile


def cell_names(profile: FeatureProfile) -> list[str]:
    """``below 1``, ``1``, ``1 to 2``, ``over 2``; a category's known values and ``other``; nothing of ids and times."""
    if profile.form != "numeric":
        return [*profile.categories, "other"] if profile.form == "category" else []
    names, low = [], None
    for edge in profile.bins.edges:
        atom = edge in profile.bins.atoms
        until = f"{'below' if atom else 'up to'} {edge:.4g}"
        names.append(until if low is None else f"{low:.4g} to {edge:.4g}")
        names += [f"{edge:.4g}"] if atom else []
        low = edge
    return [*names, "all" if low is None else f"over {low:.4g}"]
