"""Tiny encoders of random weights, each of the class of a published one and saved as the library saves it."""

from pathlib import Path
from typing import Any

import torch
import transformers
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer, models, pre_tokenizers, processors

SMALL: dict[str, Any] = {
    "hidden_size": 32,
    "num_hidden_layers": 3,
    "num_attention_heads": 2,
    "intermediate_size": 64,
}
CONVOLUTIONS = {"conv_dim": (16,) * 7, "num_conv_pos_embeddings": 16, "num_conv_pos_embedding_groups": 2}
LARGE = {"do_stable_layer_norm": True, "feat_extract_norm": "layer", "conv_bias": True}
"""How the large models differ: norms before the layers, and no group norm."""
CONFORMER = {"feature_projection_input_dim": 160, "output_hidden_size": 32}
SPEECH: dict[str, tuple[str, dict[str, Any]]] = {
    "wav2vec 2.0 base": ("Wav2Vec2", CONVOLUTIONS),
    "XLS-R": ("Wav2Vec2", CONVOLUTIONS | LARGE),
    "MMS": ("Wav2Vec2", CONVOLUTIONS | LARGE | {"adapter_attn_dim": 4}),
    "HuBERT base": ("Hubert", CONVOLUTIONS),
    "HuBERT large": ("Hubert", CONVOLUTIONS | LARGE),
    "WavLM base": ("WavLM", CONVOLUTIONS),
    "WavLM large": ("WavLM", CONVOLUTIONS | LARGE),
    "data2vec-audio": ("Data2VecAudio", CONVOLUTIONS | {"num_conv_pos_embeddings": 3, "conv_pos_kernel_size": 5}),
    "w2v-BERT 2.0": ("Wav2Vec2Bert", CONFORMER),
    "w2v-BERT, relative": ("Wav2Vec2Bert", CONFORMER | {"position_embeddings_type": "relative"}),
    "w2v-BERT, rotary": ("Wav2Vec2Bert", CONFORMER | {"position_embeddings_type": "rotary"}),
}
WORDS = ["qué", "alegría", "miedo", "no", "sí", "hola", "la", "casa", "y", "él"]
BERT_LIKE = {"vocab_size": 20, "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2}
BERT_LIKE |= {"intermediate_size": 48, "max_position_embeddings": 20}
TEXT: dict[str, tuple[str, str, dict[str, Any]]] = {
    "BERT": ("Bert", "Model", BERT_LIKE | {"pad_token_id": 3}),
    "RoBERTa": ("Roberta", "Model", BERT_LIKE | {"pad_token_id": 3}),
    "XLM-RoBERTa": ("XLMRoberta", "Model", BERT_LIKE | {"pad_token_id": 3}),
    "MPNet": ("MPNet", "Model", BERT_LIKE | {"pad_token_id": 1}),
    "ELECTRA": ("Electra", "Model", BERT_LIKE | {"embedding_size": 16, "pad_token_id": 3}),
    "ALBERT": ("Albert", "Model", BERT_LIKE | {"embedding_size": 16, "pad_token_id": 3}),
    "DeBERTa v3": (
        "DebertaV2",
        "Model",
        BERT_LIKE | {"relative_attention": True, "pos_att_type": ["p2c", "c2p"], "pad_token_id": 3},
    ),
    "DistilBERT": (
        "DistilBert",
        "Model",
        {"vocab_size": 20, "dim": 32, "n_layers": 2, "n_heads": 2, "hidden_dim": 48, "max_position_embeddings": 20},
    ),
    "ModernBERT": ("ModernBert", "Model", BERT_LIKE | {"pad_token_id": 3}),
    "T5 encoder": (
        "T5",
        "EncoderModel",
        {"vocab_size": 20, "d_model": 32, "d_kv": 16, "d_ff": 48, "num_layers": 2, "num_heads": 2, "pad_token_id": 3},
    ),
    "BART": (
        "Bart",
        "Model",
        {"vocab_size": 20, "d_model": 32, "encoder_layers": 2, "decoder_layers": 1, "encoder_attention_heads": 2}
        | {"decoder_attention_heads": 2, "encoder_ffn_dim": 48, "decoder_ffn_dim": 48, "max_position_embeddings": 20},
    ),
    "GPT-2": ("GPT2", "Model", {"vocab_size": 20, "n_embd": 32, "n_layer": 2, "n_head": 2, "n_positions": 20}),
}


def spoil_tensor(weights: Path, fault: str, there: str, extra: str) -> str:
    """Make a tensor of a file `missing`, `extra` or of another `shape`; the name of that which is wrong now."""
    tensors = load_file(weights)
    if fault == "extra":
        tensors[extra] = torch.zeros(1)
    elif fault == "shape":
        tensors[there] = tensors[there][:-1].contiguous()
    else:
        del tensors[there]
    save_file(tensors, weights, metadata={"format": "pt"})
    return extra if fault == "extra" else there


def speech_checkpoint(name: str, directory: Path, *, head: str = "Model", **more: Any) -> Any:
    """A speech model of random weights, large enough to matter, saved with its feature extractor; the model itself."""
    family, settings = SPEECH[name]
    torch.manual_seed(0)
    config = getattr(transformers, f"{family}Config")(**SMALL, **(settings | more))
    model = getattr(transformers, f"{family}{head}")(config).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(3 if parameter.ndim > 1 else 1)
    model.save_pretrained(directory)
    feature_extractor(name).save_pretrained(directory)
    return model


def feature_extractor(name: str) -> Any:
    """What the library puts before the model."""
    if SPEECH[name][0] == "Wav2Vec2Bert":
        return transformers.SeamlessM4TFeatureExtractor()
    return transformers.Wav2Vec2FeatureExtractor()


def whisper_checkpoint(directory: Path, bands: int) -> Any:
    """A Whisper of random weights over so many mel bands: 80, or 128 as in large-v3; the model itself."""
    torch.manual_seed(0)
    config = transformers.WhisperConfig(
        d_model=48, encoder_layers=4, encoder_attention_heads=3, encoder_ffn_dim=96, num_mel_bins=bands, vocab_size=50,
        decoder_layers=1, decoder_attention_heads=3, decoder_ffn_dim=96, pad_token_id=0, bos_token_id=1, eos_token_id=2,
        decoder_start_token_id=1,
    )  # fmt: skip
    model = transformers.WhisperModel(config).eval()
    model.save_pretrained(directory)
    return model


def text_checkpoint(name: str, directory: Path, *, head: str | None = None, **more: Any) -> Any:
    """A text model of random weights, saved with a word tokenizer; the model itself."""
    family, kind, settings = TEXT[name]
    torch.manual_seed(0)
    config = getattr(transformers, f"{family}Config")(**(settings | more))
    model = getattr(transformers, f"{family}{head or kind}")(config).eval()
    model.save_pretrained(directory)
    word_tokenizer(model_max_length=18).save_pretrained(directory)
    return model


def word_tokenizer(**settings: Any) -> Any:
    """A word tokenizer whose special tokens are those of RoBERTa, at unusual places."""
    special = {"<s>": 5, "</s>": 6, "<pad>": 3, "<unk>": 4}
    vocabulary = special | {word: 7 + i for i, word in enumerate(WORDS)}
    words = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    words.pre_tokenizer = pre_tokenizers.Whitespace()
    words.post_processor = processors.TemplateProcessing(single="<s> $A </s>", special_tokens=[("<s>", 5), ("</s>", 6)])
    names = {"bos_token": "<s>", "cls_token": "<s>", "eos_token": "</s>", "sep_token": "</s>", "pad_token": "<pad>"}
    return transformers.PreTrainedTokenizerFast(tokenizer_object=words, unk_token="<unk>", **names, **settings)
