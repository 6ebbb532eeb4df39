"""The report of a review session."""
