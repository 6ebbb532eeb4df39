"""Charts as SVG, and the content of charts that SVG and Plotly share."""
