"""How much what moved matters to the model: the importance of its features, beside how far they moved."""

from collections.abc import Sequence

from seatrial.drift import FeatureDrift, Profile
from seatrial.watch.window import Weights

SOURCES = {"model": "as the model says", "permutation": "by permutation on the holdout"}


def weights_of(drifts: Sequence[FeatureDrift], profile: Profile) -> Weights | None:
    """Of the columns that moved or broke; None where nobody knows what matters, or nothing moved."""
    moved = [d.feature for d in drifts if (d.severity, d.quality) != ("none", "none")]
    shares = {name: share for name in moved if (share := profile.importance_of(name)) is not None}
    if not shares:
        return None
    features = {
        next((f for f in sorted(profile.importance, key=len, reverse=True) if _is_of(name, f)), name) for name in shares
    }
    return Weights(
        shares=shares,
        together=min(1.0, sum(profile.importance[name] for name in features)),
        little=tuple(name for name, share in shares.items() if share < profile.little),
        source=profile.importance_from or "model",
    )


def sentence_of(weights: Weights | None) -> str:
    """In words; "" of nothing."""
    if weights is None:
        return ""
    return f" What moved carries {weights.together:.0%} of the importance of its features, {SOURCES[weights.source]}."


def _is_of(column: str, feature: str) -> bool:
    return column == feature or column.startswith(f"{feature}.")
