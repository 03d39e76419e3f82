"""Each clip encoded once: the feature store, and what fills and reads it."""

from emovoz.features.batch import ClipFeatures, ClipSequence, Picked, collate
from emovoz.features.encode import Branch, FrozenEncoders, encode_clips
from emovoz.features.extraction import Extraction, extract
from emovoz.features.store import FeatureStore, default_store
from emovoz.features.stored import StoredFeatures

__all__ = [
    "Branch",
    "ClipFeatures",
    "ClipSequence",
    "Extraction",
    "FeatureStore",
    "FrozenEncoders",
    "Picked",
    "StoredFeatures",
    "collate",
    "default_store",
    "encode_clips",
    "extract",
]
