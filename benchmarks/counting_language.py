"""The transformers whose counts are checked, as small configurations."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import transformers
from torch import nn

from benchmarks.counting_models import Case, Inputs


def tokens(length: int = 16, **more: Any) -> Callable[[], Inputs]:
    def make() -> Inputs:
        ids = torch.randint(5, 90, (1, length))
        return (), {"input_ids": ids, **{name: build() for name, build in more.items()}}

    return make


def given(**named: Callable[[], Any]) -> Callable[[], Inputs]:
    return lambda: ((), {name: build() for name, build in named.items()})


def _config(name: str, model: str, inputs: Callable[[], Inputs], **settings: Any) -> Case:
    def make() -> nn.Module:
        config = getattr(transformers, name)(**settings)
        built: nn.Module = getattr(transformers, model)(config)
        return built

    return Case("transformers", model, make, inputs)


_SMALL: dict[str, Any] = {
    "vocab_size": 100,
    "hidden_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 128,
}
_ENDS = {"pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2}
_GROUPED = {**_SMALL, "num_key_value_heads": 2, "use_cache": False, **_ENDS}
_CACHELESS = {**_SMALL, "use_cache": False, **_ENDS}
_PICTURE = {**_SMALL, "image_size": 64, "patch_size": 16}
del _PICTURE["vocab_size"]
_EXPERTS = {**_GROUPED, "num_experts_per_tok": 2, "moe_intermediate_size": 32}
_BART = {
    "vocab_size": 100,
    "d_model": 64,
    "encoder_layers": 2,
    "decoder_layers": 2,
    "encoder_attention_heads": 4,
    "decoder_attention_heads": 4,
    "encoder_ffn_dim": 128,
    "decoder_ffn_dim": 128,
    "use_cache": False,
    **_ENDS,
}
_TARGET: dict[str, Any] = {"decoder_input_ids": lambda: torch.randint(5, 90, (1, 8))}


def picture() -> torch.Tensor:
    return torch.randn(1, 3, 64, 64)


def wave() -> torch.Tensor:
    return torch.randn(1, 4000)


_SPEECH = {
    **_SMALL,
    "conv_dim": (32, 32, 32),
    "conv_kernel": (10, 3, 3),
    "conv_stride": (5, 2, 2),
    "num_feat_extract_layers": 3,
    "num_conv_pos_embeddings": 16,
    "num_conv_pos_embedding_groups": 4,
}
TEXT = [
    _config("BertConfig", "BertForMaskedLM", tokens(), **_SMALL),
    _config("RobertaConfig", "RobertaForSequenceClassification", tokens(), **_SMALL, **_ENDS),
    _config(
        "DistilBertConfig",
        "DistilBertModel",
        tokens(),
        vocab_size=100,
        dim=64,
        n_layers=2,
        n_heads=4,
        hidden_dim=128,
    ),
    _config("AlbertConfig", "AlbertModel", tokens(), **_SMALL, embedding_size=32),
    _config("ElectraConfig", "ElectraModel", tokens(), **_SMALL, embedding_size=32),
    _config(
        "DebertaV2Config",
        "DebertaV2Model",
        tokens(),
        **_SMALL,
        relative_attention=True,
        pos_att_type=["p2c", "c2p"],
        position_buckets=8,
    ),
    _config("MPNetConfig", "MPNetModel", tokens(), **_SMALL),
    _config(
        "ModernBertConfig",
        "ModernBertModel",
        tokens(),
        **_SMALL,
        **_ENDS,
        local_attention=8,
        cls_token_id=1,
        sep_token_id=2,
    ),
    _config("FNetConfig", "FNetModel", tokens(), **_SMALL),
    _config("SqueezeBertConfig", "SqueezeBertModel", tokens(), **_SMALL, embedding_size=64),
    _config("LongformerConfig", "LongformerModel", tokens(), **_SMALL, attention_window=8, **_ENDS),
    _config(
        "BigBirdConfig", "BigBirdModel", tokens(), **_SMALL, attention_type="original_full", **_ENDS
    ),
    _config(
        "GPT2Config",
        "GPT2LMHeadModel",
        tokens(),
        vocab_size=100,
        n_embd=64,
        n_layer=2,
        n_head=4,
        use_cache=False,
        **_ENDS,
    ),
    _config("GPTNeoXConfig", "GPTNeoXForCausalLM", tokens(), **_CACHELESS),
    _config(
        "OPTConfig",
        "OPTForCausalLM",
        tokens(),
        vocab_size=100,
        hidden_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        ffn_dim=128,
        word_embed_proj_dim=64,
        use_cache=False,
        **_ENDS,
    ),
    _config(
        "BloomConfig",
        "BloomForCausalLM",
        tokens(),
        vocab_size=100,
        hidden_size=64,
        n_layer=2,
        n_head=4,
        use_cache=False,
        **_ENDS,
    ),
    _config(
        "FalconConfig",
        "FalconForCausalLM",
        tokens(),
        vocab_size=100,
        hidden_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        use_cache=False,
        **_ENDS,
    ),
    _config("LlamaConfig", "LlamaForCausalLM", tokens(), **_GROUPED),
    _config("MistralConfig", "MistralForCausalLM", tokens(), **_GROUPED, sliding_window=8),
    _config("Qwen2Config", "Qwen2ForCausalLM", tokens(), **_GROUPED),
    _config("Qwen3Config", "Qwen3ForCausalLM", tokens(), **_GROUPED, head_dim=16),
    _config("GemmaConfig", "GemmaForCausalLM", tokens(), **_GROUPED, head_dim=16),
    _config("Gemma2Config", "Gemma2ForCausalLM", tokens(), **_GROUPED, head_dim=16),
    _config("PhiConfig", "PhiForCausalLM", tokens(), **_GROUPED),
    _config("Phi3Config", "Phi3ForCausalLM", tokens(), **_GROUPED),
    _config("StableLmConfig", "StableLmForCausalLM", tokens(), **_GROUPED),
    _config("CohereConfig", "CohereForCausalLM", tokens(), **_GROUPED),
    _config("OlmoConfig", "OlmoForCausalLM", tokens(), **_GROUPED),
    _config(
        "MixtralConfig",
        "MixtralForCausalLM",
        tokens(),
        **_GROUPED,
        num_local_experts=4,
        num_experts_per_tok=2,
    ),
    _config(
        "Qwen2MoeConfig",
        "Qwen2MoeForCausalLM",
        tokens(),
        **_EXPERTS,
        num_experts=4,
        shared_expert_intermediate_size=64,
    ),
    _config(
        "MambaConfig",
        "MambaForCausalLM",
        tokens(),
        vocab_size=100,
        hidden_size=64,
        num_hidden_layers=2,
        state_size=8,
        use_cache=False,
        **_ENDS,
    ),
    _config(
        "T5Config",
        "T5ForConditionalGeneration",
        tokens(**_TARGET),
        vocab_size=100,
        d_model=64,
        d_kv=16,
        d_ff=128,
        num_layers=2,
        num_heads=4,
        use_cache=False,
        decoder_start_token_id=0,
    ),
    _config("BartConfig", "BartForConditionalGeneration", tokens(**_TARGET), **_BART),
    _config("MarianConfig", "MarianMTModel", tokens(**_TARGET), **_BART, decoder_start_token_id=0),
    _config("PegasusConfig", "PegasusForConditionalGeneration", tokens(**_TARGET), **_BART),
]
OTHERS = [
    _config("ViTConfig", "ViTForImageClassification", given(pixel_values=picture), **_PICTURE),
    _config("DeiTConfig", "DeiTModel", given(pixel_values=picture), **_PICTURE),
    _config(
        "BeitConfig",
        "BeitModel",
        given(pixel_values=picture),
        **_PICTURE,
        use_relative_position_bias=True,
    ),
    _config("Dinov2Config", "Dinov2Model", given(pixel_values=picture), **_PICTURE),
    _config(
        "SwinConfig",
        "SwinModel",
        given(pixel_values=picture),
        image_size=64,
        patch_size=4,
        embed_dim=32,
        depths=[2, 2],
        num_heads=[2, 4],
        window_size=4,
    ),
    _config(
        "ConvNextConfig",
        "ConvNextModel",
        given(pixel_values=picture),
        hidden_sizes=[16, 32, 64, 128],
        depths=[1, 1, 2, 1],
    ),
    _config(
        "ResNetConfig",
        "ResNetModel",
        given(pixel_values=picture),
        hidden_sizes=[32, 64, 128, 256],
        depths=[1, 1, 1, 1],
        embedding_size=16,
    ),
    _config(
        "SegformerConfig",
        "SegformerForSemanticSegmentation",
        given(pixel_values=picture),
        hidden_sizes=[16, 32, 64, 128],
        depths=[1, 1, 1, 1],
        decoder_hidden_size=32,
    ),
    _config("MobileViTConfig", "MobileViTModel", given(pixel_values=picture), image_size=64),
    _config(
        "CLIPConfig",
        "CLIPModel",
        tokens(8, pixel_values=picture),
        text_config={**_SMALL, **_ENDS},
        vision_config=_PICTURE,
        projection_dim=32,
    ),
    _config(
        "WhisperConfig",
        "WhisperModel",
        given(input_features=lambda: torch.randn(1, 80, 200), **_TARGET),
        **_BART,
        max_source_positions=100,
        decoder_start_token_id=0,
    ),
    _config("Wav2Vec2Config", "Wav2Vec2ForCTC", given(input_values=wave), **_SPEECH),
    _config("HubertConfig", "HubertModel", given(input_values=wave), **_SPEECH),
    _config(
        "ASTConfig",
        "ASTModel",
        given(input_values=lambda: torch.randn(1, 128, 64)),
        **{k: v for k, v in _SMALL.items() if k != "vocab_size"},
        max_length=128,
        num_mel_bins=64,
    ),
    _config(
        "DetrConfig",
        "DetrModel",
        given(pixel_values=picture),
        d_model=64,
        encoder_layers=2,
        decoder_layers=2,
        encoder_attention_heads=4,
        decoder_attention_heads=4,
        encoder_ffn_dim=128,
        decoder_ffn_dim=128,
        num_queries=10,
        use_timm_backbone=False,
        use_pretrained_backbone=False,
        backbone=None,
        backbone_config={
            "model_type": "resnet",
            "hidden_sizes": [32, 64, 128, 256],
            "depths": [1, 1, 1, 1],
            "embedding_size": 16,
            "out_features": ["stage4"],
        },
    ),
]

LANGUAGE = [*TEXT, *OTHERS]
