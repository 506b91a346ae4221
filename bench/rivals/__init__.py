"""One file a contestant: each serves the same model on a port, by its own framework and in its own way of speaking.

Every one is started as ``python -m bench.rivals.NAME PORT PLACE``, where PLACE holds ``model.onnx``; `bench.field`
lists them. What a rival needs stands in ``requirements/NAME.txt``, without versions: it is measured as a user gets it
today.
"""
