"""The challenger in shadow beside the champion: the same requests, answered by both."""
