"""The command line: one file per command; see __main__."""
