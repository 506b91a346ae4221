"""Anybody's experiment, from files: exposures and outcomes in, verdicts, pages and plans out. No platform is needed."""
