"""The accelerated paths of a classifier."""
