"""Does it matter on images: cohorts, plans, predictions, statistics, analysis."""
