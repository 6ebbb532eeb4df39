"""What is examined: classifiers, where they come from and how they are made fast."""

from protocore.models.classifier import Classifier

__all__ = ["Classifier"]
