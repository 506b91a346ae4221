"""The whole ring on real data: a mail room that reads handwritten digits. Drives the command line and the client."""
