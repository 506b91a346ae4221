"""Checks of a release's method: what each needs, and what it cannot have."""

from typing import Any

from seatrial.spec.problems import Findings
from seatrial.spec.units import show_duration

Values = dict[str, Any]

TAKES: dict[str, tuple[str, ...]] = {
    "always-valid": (),
    "fixed": ("after", "units"),
    "group-sequential": ("units", "looks", "spending"),
    "bayes": ("prior",),
}
_ALWAYS = ("name", "alpha", "plan_units", "family")


def method_of(release: Values) -> str:
    """The method's name; the default where none is written, and where it was refused."""
    method = release.get("method")
    name = method.get("name", "always-valid") if isinstance(method, dict) else "always-valid"
    return name if isinstance(name, str) else "always-valid"


def check_method(release: Values, found: Findings) -> None:
    """Notes keys that a method lacks or has no use for, and what would act on more than it holds."""
    method, path = release.get("method"), "release.method"
    if not isinstance(method, dict) or not isinstance(method.get("name", "always-valid"), str):
        return
    name = method_of(release)
    for key in method:
        if key not in (*_ALWAYS, *TAKES[name]):
            found.add(f"{path}.{key}", key, f"the method `{name}` has no use for `{key}`; remove it")
    given = [key for key in ("after", "units") if key in method]
    if name == "fixed" and len(given) != 1:
        message = "the method `fixed` needs its planned end: write `after: 14d`, or `units: 20000`, and not both"
        found.add(path, name, message)
    if name == "group-sequential" and "units" not in method:
        message = "the method `group-sequential` needs the planned end: write `units: 20000`, matured ones of both arms"
        found.add(path, name, message)
    if name == "bayes":
        _bayes(release, found)
    _lasts(release, method.get("after"), found)


def _bayes(release: Values, found: Findings) -> None:
    for key, what in (("then", "promote"), ("challenge", None)):
        if key in release and (what is None or release[key] == what):
            said = f"`{key}: {what}`" if what else f"`{key}`"
            message = (
                f"{said} promotes without asking, and stopping on a posterior does not hold `alpha`; write "
                "`name: always-valid`, or let a person decide (`then: ask`)"
            )
            found.add(f"release.{key}", what or key, message)


def _lasts(release: Values, after: Any, found: Findings) -> None:
    """The planned end must come before the release's own."""
    stages = release.get("stages")
    kinds = [stage for stage in stages if isinstance(stage, dict)] if isinstance(stages, list) else []
    test: Values = next((stage["test"] for stage in kinds if isinstance(stage.get("test"), dict)), {})
    most = test.get("at_most")
    if isinstance(after, float) and isinstance(most, float) and not any("canary" in s for s in kinds) and after >= most:
        message = (
            f"the planned end is after {show_duration(after)}, and the test ends at {show_duration(most)}; write a "
            "longer `at_most`, with the metric's window, or a shorter `after`"
        )
        found.add("release.method.after", show_duration(after), message)
