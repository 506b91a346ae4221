"""What a user writes: deployment, metrics, release, monitors, features and settings, as frozen values.

This room is the lowest: it imports nothing of the house. Its parts are imported by module (``seatrial.spec.read``,
``seatrial.spec.signature``), so that a server that needs only a signature does not load a YAML parser.
"""
