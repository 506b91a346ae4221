"""Reads ``features.yaml``, the corrections of a model's inferred features: kind, nullable, categories, width, zone."""

from typing import Any, NotRequired, TypedDict, cast, get_args

from seatrial.spec.calendar import is_zone
from seatrial.spec.errors import BadInput
from seatrial.spec.problems import Findings, SpecError
from seatrial.spec.shapes import BAD, Boolean, Choice, Either, Key, Listed, Named, Number, Parsed, Record, Text
from seatrial.spec.signature import FeatureKind
from seatrial.spec.tree import lines_of, parse
from seatrial.spec.units import show

KINDS: tuple[str, ...] = get_args(FeatureKind)
VECTORS: frozenset[str] = frozenset({"list", "embedding"})


class FeatureOverride(TypedDict):
    """What a user says of one feature; what is absent stays as it was inferred."""

    kind: NotRequired[FeatureKind]
    nullable: NotRequired[bool]
    categories: NotRequired[tuple[str, ...]]
    width: NotRequired[int]
    zone: NotRequired[str]


def load_features(text: str, source: str = "features.yaml") -> dict[str, FeatureOverride]:
    """Reads corrections, by feature name.

    Args:
        text: ``features: {tenure: integer, country: {kind: category, categories: [US, DE], nullable: true}}``.
        source: The file's name, for messages.

    Raises:
        SpecError: With all of the file's problems, in order of lines.
    """
    root = parse(text, source, FEATURES_FILE.least)
    found = Findings(lines_of(root))
    values = FEATURES_FILE.read(root, "", found)
    named = values.get("features") if isinstance(values, dict) else None
    overrides: dict[str, Any] = {}
    for name, given in named.items() if isinstance(named, dict) else ():
        overrides[name] = _override(name, given, found)
    if found.problems:
        raise SpecError(source, found.problems)
    return cast("dict[str, FeatureOverride]", overrides)


def _override(name: str, given: Any, found: Findings) -> Any:
    if isinstance(given, str):
        return {"kind": given}
    if not isinstance(given, dict):
        return BAD
    path, kind = f"features.{name}", given.get("kind")
    categories = given.get("categories")
    if isinstance(kind, str) and "categories" in given and kind != "category":
        message = f"`{name}` is a {kind} and has no `categories`; remove them, or make it a category"
        found.add(f"{path}.categories", "", message)
    if isinstance(kind, str) and "width" in given and kind not in VECTORS:
        message = f"`{name}` is a {kind} and has no `width`; remove it, or make it a list or an embedding"
        found.add(f"{path}.width", given["width"], message)
    if isinstance(kind, str) and "zone" in given and kind != "time":
        message = f"`{name}` is a {kind} and has no `zone`; remove it, or make it a time"
        found.add(f"{path}.zone", given["zone"], message)
    if isinstance(categories, list) and BAD not in categories:
        for category in sorted({c for c in categories if categories.count(c) > 1}):
            found.add(f"{path}.categories", category, f"`{name}` has the category {show(category)} twice; keep one")
        return {**given, "categories": tuple(categories)}
    return given


def _category(value: object) -> str:
    """A category as requests write it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str | int):
        return str(value)
    raise BadInput(f"{show(value)} is not a category; write a text, a whole number or a boolean")


def _zone(value: object) -> str:
    """The name of a zone that the machine knows."""
    if not isinstance(value, str) or not is_zone(value):
        raise BadInput(f"{show(value)} is not a known zone; write it as IANA does, like Europe/Paris")
    return value


FEATURE = Record(
    "a feature",
    {
        "kind": Key(Choice(KINDS), "How it is validated, packed, logged and watched."),
        "nullable": Key(Boolean(), "Whether missing is accepted."),
        "categories": Key(
            Listed(Parsed(_category, {"type": ["string", "integer", "boolean"]}), least=1),
            "For `category`: the known values, in the model's own order.",
        ),
        "width": Key(Number(minimum=1, maximum=1e6, whole=True), "For `list` and `embedding`: the number of elements."),
        "zone": Key(
            Parsed(_zone, {"type": "string"}),
            "For `time`: the zone by whose clock its hours are watched, like `Europe/Paris`; left out, that of the "
            "reference data, else UTC.",
        ),
    },
    forms="write a kind, like `number`, or a mapping like `{kind: number, nullable: true}`",
)

FEATURES_FILE = Record(
    "a features file",
    {
        "features": Key(
            Named(
                Text(r"[^\n]{1,200}", "a feature's name has 1 to 200 characters"),
                Either(Choice(KINDS), FEATURE),
                least=1,
            ),
            "Corrections by feature name.",
            required=True,
        )
    },
    forms="write `features: {tenure: integer}`",
)


def json_schema() -> dict[str, Any]:
    """The file's JSON Schema (draft 2020-12), for editors."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Seatrial features",
        **FEATURES_FILE.schema(),
    }
