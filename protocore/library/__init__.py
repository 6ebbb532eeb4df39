"""What is kept: the database, files, bundles, verification."""
