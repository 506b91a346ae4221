"""What the client gives back: predictions and assignments, frozen, each saying whether it is real or the default."""

from typing import Any

import msgspec


class Prediction(msgspec.Struct, frozen=True, kw_only=True):
    """One answer.

    Attributes:
        request_id: Identity of the request; outcomes can name it.
        prediction: What the model says; the caller's ``default`` when the gateway was away.
        variant: The variant assigned, or None when nobody was asked.
        model_version: ``name:version`` that answered, or None.
        reason: Why that variant, or None.
        answered_by: ``assigned``, ``cache``, ``default`` (variant), ``fallback``; or ``client``: the gateway was away.
        score: P(positive) of a classification with two classes.
        scores: Per class.
        key: The caller's key of the instance.
        error: Why the gateway, or this instance, gave no answer.
    """

    request_id: str
    prediction: Any = None
    variant: str | None = None
    model_version: str | None = None
    reason: str | None = None
    answered_by: str | None = None
    score: float | None = None
    scores: dict[str, float] | None = None
    key: str | None = None
    error: str | None = None

    @property
    def is_default(self) -> bool:
        """Whether this is the caller's default and no answer of the gateway."""
        return self.answered_by == "client"


class Assignment(msgspec.Struct, frozen=True, kw_only=True):
    """Which variant a unit gets, and with which probability it could have been this one.

    Attributes:
        unit: Who it is for; None when nobody was named (then it is never evidence).
        context, features: What the request carried; ``log`` writes it with the row.
        revision: Of the routing snapshot that decided.
        error: Why this is the caller's default variant, or None.
    """

    request_id: str
    deployment: str
    variant: str
    model_version: str | None = None
    reason: str | None = None
    propensity: float | None = None
    revision: int | None = None
    unit: str | int | None = None
    context: dict[str, Any] | None = None
    features: dict[str, Any] | None = None
    error: str | None = None

    @property
    def is_default(self) -> bool:
        """Whether this is the caller's default variant and no decision of the gateway."""
        return self.error is not None
