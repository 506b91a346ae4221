"""Single figures that the house promises, one a file: ``python -m bench.bars.NAME``; all: ``python -m bench.bars``."""
