"""Published snapshots, release state, revisions, audit.

``releases.publication`` and ``releases.subscription`` work on files alone; only ``releases.state`` knows a database.
"""
