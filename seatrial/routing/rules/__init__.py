"""Rules: typed conditions on a request, parsed, checked, compiled, proved; pure."""
