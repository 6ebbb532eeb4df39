"""An atlas: prototypes of many or all classes of a classifier, kept in a folder and resumable."""

from protocore.jobs.atlas.folder import Atlas, AtlasManifest, open_atlas, start_atlas
from protocore.jobs.atlas.workers import make_atlas

__all__ = ["Atlas", "AtlasManifest", "make_atlas", "open_atlas", "start_atlas"]
