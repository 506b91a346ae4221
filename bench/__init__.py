"""Speed, measured side by side in one interleaved run; never a test. ``python -m bench.serving --help``."""
