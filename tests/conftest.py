"""What every test shares: Hypothesis runs the same examples each time, so a red run can be repeated."""

from hypothesis import HealthCheck, settings

settings.register_profile("house", derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("house")
