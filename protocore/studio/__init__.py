"""What keeps it running: background jobs and the library of everything made."""
