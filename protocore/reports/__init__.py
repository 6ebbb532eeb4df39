"""What leaves the app: HTML, tables, figures."""
