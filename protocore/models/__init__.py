"""What is examined: classifiers, where they come from and how they are made fast."""

from protocore.models.catalog import CatalogEntry, catalog, find_entry, search_catalog
from protocore.models.classifier import Classifier
from protocore.models.devices import available_devices, default_device
from protocore.models.loading import load_classifier
from protocore.models.pool import ModelPool
from protocore.models.spec import ModelSpec

__all__ = [
    "CatalogEntry",
    "Classifier",
    "ModelPool",
    "ModelSpec",
    "available_devices",
    "catalog",
    "default_device",
    "find_entry",
    "load_classifier",
    "search_catalog",
]
