"""Each clip encoded once: the feature store, and what fills and reads it."""

from emovoz.features.ahead import read_ahead
from emovoz.features.batch import ClipFeatures, ClipSequence, LongClipFeatures, Picked, collate
from emovoz.features.branch import Branch
from emovoz.features.encode import FrozenEncoders, encode_clips
from emovoz.features.extraction import Extraction, extract
from emovoz.features.parts import extract_part
from emovoz.features.store import FeatureStore, default_store
from emovoz.features.stored import EncodedFeatures, StoredFeatures, features_of, features_of_views
from emovoz.features.views import View, views_of

__all__ = [
    "Branch",
    "ClipFeatures",
    "ClipSequence",
    "EncodedFeatures",
    "Extraction",
    "FeatureStore",
    "FrozenEncoders",
    "LongClipFeatures",
    "Picked",
    "StoredFeatures",
    "View",
    "collate",
    "default_store",
    "encode_clips",
    "extract",
    "extract_part",
    "features_of",
    "features_of_views",
    "read_ahead",
    "views_of",
]
