"""One file a contestant: each serves the same model for the same request body."""
