"""How natural prototypes are, layer by layer (paper, section 3.2).

natural = reference_from_set(open_folder("photos"), classifier, class_index)
reference = cached_statistics(classifier, natural, "all")
found = evaluate_images(classifier, prototype.image[None], reference)
naturalness(found)[0].text
"""

from protocore.similarity.image_sets import open_folder, open_zip
from protocore.similarity.live import live_similarity, open_meter
from protocore.similarity.path import evaluate_images, layer_curves
from protocore.similarity.reference import NaturalReference
from protocore.similarity.sources import demo_reference, reference_from_set
from protocore.similarity.statistics import measure_reference
from protocore.similarity.store import cached_statistics
from protocore.similarity.summary import Naturalness, naturalness, summarise, table4

__all__ = [
    "NaturalReference",
    "Naturalness",
    "cached_statistics",
    "demo_reference",
    "evaluate_images",
    "layer_curves",
    "live_similarity",
    "measure_reference",
    "naturalness",
    "open_folder",
    "open_meter",
    "open_zip",
    "reference_from_set",
    "summarise",
    "table4",
]
