"""Plotly figures and ECharts options from arrays."""
