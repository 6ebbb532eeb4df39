"""Arrays in, plotly figures out. Knows nothing of models, files or pages."""
