"""Everything that Protocore raises on purpose.

ProtocoreError                  catch this one
├── SettingsError               a parameter is outside its range
├── ModelError                  a classifier cannot be used
│   ├── UnknownModelError       no such architecture or weights entry
│   ├── UnknownClassError       no such class in this classifier
│   ├── WeightsUnavailableError weights are neither on disk nor downloadable
│   └── CheckpointError         a weights file is damaged, unsafe or does not fit
├── GenerationError             a run could not go on
│   ├── DivergedError           the loss or the image became NaN or infinite
│   └── OutOfMemoryError        the device has no room for the batch
├── AccessError             a server does not read that file for its visitors
├── DownloadError               a file could not be fetched
├── ImageError                  a file is not an image that can be used
├── NaturalReferenceError       a natural reference cannot be built
├── ReviewError                 a review session or a cohort test is not valid
├── ReportError                 a report or an atlas cannot be written
├── JobError                    a background job does not exist or cannot do that now
│   └── JobEndedError           ends the work of a job that was given up or taken over
└── LibraryError                the library cannot be read or written
    └── BundleError             a file to import is not a valid bundle

Every message says what was wrong, the constraint and the value received, and the way out.
"""


class ProtocoreError(Exception):
    """Base of all errors that are explained to the user."""


class SettingsError(ProtocoreError):
    """A parameter is outside its range."""


class ModelError(ProtocoreError):
    """A classifier cannot be used."""


class UnknownModelError(ModelError):
    """No such architecture or weights entry."""


class UnknownClassError(ModelError):
    """No such class in this classifier."""


class WeightsUnavailableError(ModelError):
    """Weights are neither on disk nor downloadable."""


class CheckpointError(ModelError):
    """A weights file is damaged, unsafe or does not fit the architecture."""


class GenerationError(ProtocoreError):
    """A run could not go on."""


class DivergedError(GenerationError):
    """The loss or the image became NaN or infinite."""


class OutOfMemoryError(GenerationError):
    """The device has no room for the batch."""


class AccessError(ProtocoreError):
    """A server does not read that file for its visitors."""


class DownloadError(ProtocoreError):
    """A file could not be fetched."""


class ImageError(ProtocoreError):
    """A file is not an image that can be used."""


class NaturalReferenceError(ProtocoreError):
    """A natural reference cannot be built."""


class ReviewError(ProtocoreError):
    """A review session or a cohort test is not valid."""


class ReportError(ProtocoreError):
    """A report or an atlas cannot be written."""


class JobError(ProtocoreError):
    """A background job does not exist or cannot do that now."""


class JobEndedError(JobError):
    """Raised in a job's work to end it: nobody waits for its result any more."""


class LibraryError(ProtocoreError):
    """The library cannot be read or written."""


class BundleError(LibraryError):
    """A file to import is not a valid bundle."""


_NO_MEMORY = (
    "out of memory",  # CUDA, MPS
    "can't allocate memory",  # torch's CPU allocator, a bare RuntimeError
    "not enough memory",  # the same on other systems
    "ALLOC_FAILED",  # cuBLAS and cuDNN
)


def is_out_of_memory(error: BaseException) -> bool:
    """Whether a device or the machine had no room, by the kind of the error or by its text."""
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return True
    return isinstance(error, RuntimeError) and any(text in str(error) for text in _NO_MEMORY)
