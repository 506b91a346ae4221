"""What every test shares: Hypothesis runs the same examples each time, so a red run can be repeated.

`--hypothesis-profile=thorough` tries many more, for an hour or so.
"""

from hypothesis import HealthCheck, settings

_SAME = {"derandomize": True, "deadline": None, "suppress_health_check": [HealthCheck.too_slow]}
settings.register_profile("house", max_examples=60, **_SAME)  # type: ignore[arg-type]
settings.register_profile("thorough", max_examples=1000, **_SAME)  # type: ignore[arg-type]
settings.load_profile("house")
