"""The command line: thin; one file a group of commands. What a command needs is imported when it runs."""
