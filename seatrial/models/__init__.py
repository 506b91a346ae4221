"""A trained model becomes a verified, profiled, versioned artefact that serving can load safely.

Parts are imported by module: ``models.manifest`` and ``models.runtimes`` are all that a server loads; the registry and
the converters are slow and are imported only by those who register.
"""
