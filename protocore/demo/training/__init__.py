"""The recipe that makes the shipped demo models."""
