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


def configured(name: str, model: str, inputs: Callable[[], Inputs], **settings: Any) -> Case:
    def make() -> nn.Module:
        config = getattr(transformers, name)(**settings)
        built: nn.Module = getattr(transformers, model)(config)
        return built

    return Case("transformers", model, make, inputs)


SMALL: dict[str, Any] = {
    "vocab_size": 100,
    "hidden_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 128,
}
ENDS = {"pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2}
GROUPED = {**SMALL, "num_key_value_heads": 2, "use_cache": False, **ENDS}
_CACHELESS = {**SMALL, "use_cache": False, **ENDS}
PICTURE = {**SMALL, "image_size": 64, "patch_size": 16}
del PICTURE["vocab_size"]
EXPERTS = {**GROUPED, "num_experts_per_tok": 2, "moe_intermediate_size": 32}
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
    **ENDS,
}
_TARGET: dict[str, Any] = {"decoder_input_ids": lambda: torch.randint(5, 90, (1, 8))}


def picture() -> torch.Tensor:
    return torch.randn(1, 3, 64, 64)


def wave() -> torch.Tensor:
    return torch.randn(1, 4000)


_SPEECH = {
    **SMALL,
    "conv_dim": (32, 32, 32),
    "conv_kernel": (10, 3, 3),
    "conv_stride": (5, 2, 2),
    "num_feat_extract_layers": 3,
    "num_conv_pos_embeddings": 16,
    "num_conv_pos_embedding_groups": 4,
}
TEXT = [
    configured("BertConfig", "BertForMaskedLM", tokens(), **SMALL),
    configured("RobertaConfig", "RobertaForSequenceClassification", tokens(), **SMALL, **ENDS),
    configured(
        "DistilBertConfig",
        "DistilBertModel",
        tokens(),
        vocab_size=100,
        dim=64,
        n_layers=2,
        n_heads=4,
        hidden_dim=128,
    ),
    configured("AlbertConfig", "AlbertModel", tokens(), **SMALL, embedding_size=32),
    configured("ElectraConfig", "ElectraModel", tokens(), **SMALL, embedding_size=32),
    configured(
        "DebertaV2Config",
        "DebertaV2Model",
        tokens(),
        **SMALL,
        relative_attention=True,
        pos_att_type=["p2c", "c2p"],
        position_buckets=8,
    ),
    configured("MPNetConfig", "MPNetModel", tokens(), **SMALL),
    configured(
        "ModernBertConfig",
        "ModernBertModel",
        tokens(),
        **SMALL,
        **ENDS,
        local_attention=8,
        cls_token_id=1,
        sep_token_id=2,
    ),
    configured("FNetConfig", "FNetModel", tokens(), **SMALL),
    configured("SqueezeBertConfig", "SqueezeBertModel", tokens(), **SMALL, embedding_size=64),
    configured(
        "LongformerConfig", "LongformerModel", tokens(), **SMALL, attention_window=8, **ENDS
    ),
    configured(
        "BigBirdConfig", "BigBirdModel", tokens(), **SMALL, attention_type="original_full", **ENDS
    ),
    configured(
        "GPT2Config",
        "GPT2LMHeadModel",
        tokens(),
        vocab_size=100,
        n_embd=64,
        n_layer=2,
        n_head=4,
        use_cache=False,
        **ENDS,
    ),
    configured("GPTNeoXConfig", "GPTNeoXForCausalLM", tokens(), **_CACHELESS),
    configured(
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
        **ENDS,
    ),
    configured(
        "BloomConfig",
        "BloomForCausalLM",
        tokens(),
        vocab_size=100,
        hidden_size=64,
        n_layer=2,
        n_head=4,
        use_cache=False,
        **ENDS,
    ),
    configured(
        "FalconConfig",
        "FalconForCausalLM",
        tokens(),
        vocab_size=100,
        hidden_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        use_cache=False,
        **ENDS,
    ),
    configured("LlamaConfig", "LlamaForCausalLM", tokens(), **GROUPED),
    configured("MistralConfig", "MistralForCausalLM", tokens(), **GROUPED, sliding_window=8),
    configured("Qwen2Config", "Qwen2ForCausalLM", tokens(), **GROUPED),
    configured("Qwen3Config", "Qwen3ForCausalLM", tokens(), **GROUPED, head_dim=16),
    configured("GemmaConfig", "GemmaForCausalLM", tokens(), **GROUPED, head_dim=16),
    configured("Gemma2Config", "Gemma2ForCausalLM", tokens(), **GROUPED, head_dim=16),
    configured("PhiConfig", "PhiForCausalLM", tokens(), **GROUPED),
    configured("Phi3Config", "Phi3ForCausalLM", tokens(), **GROUPED),
    configured("StableLmConfig", "StableLmForCausalLM", tokens(), **GROUPED),
    configured("CohereConfig", "CohereForCausalLM", tokens(), **GROUPED),
    configured("OlmoConfig", "OlmoForCausalLM", tokens(), **GROUPED),
    configured(
        "MixtralConfig",
        "MixtralForCausalLM",
        tokens(),
        **GROUPED,
        num_local_experts=4,
        num_experts_per_tok=2,
    ),
    configured(
        "Qwen2MoeConfig",
        "Qwen2MoeForCausalLM",
        tokens(),
        **EXPERTS,
        num_experts=4,
        shared_expert_intermediate_size=64,
    ),
    configured(
        "MambaConfig",
        "MambaForCausalLM",
        tokens(),
        vocab_size=100,
        hidden_size=64,
        num_hidden_layers=2,
        state_size=8,
        use_cache=False,
        **ENDS,
    ),
    configured(
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
    configured("BartConfig", "BartForConditionalGeneration", tokens(**_TARGET), **_BART),
    configured(
        "MarianConfig", "MarianMTModel", tokens(**_TARGET), **_BART, decoder_start_token_id=0
    ),
    configured("PegasusConfig", "PegasusForConditionalGeneration", tokens(**_TARGET), **_BART),
]
OTHERS = [
    configured("ViTConfig", "ViTForImageClassification", given(pixel_values=picture), **PICTURE),
    configured("DeiTConfig", "DeiTModel", given(pixel_values=picture), **PICTURE),
    configured(
        "BeitConfig",
        "BeitModel",
        given(pixel_values=picture),
        **PICTURE,
        use_relative_position_bias=True,
    ),
    configured("Dinov2Config", "Dinov2Model", given(pixel_values=picture), **PICTURE),
    configured(
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
    configured(
        "ConvNextConfig",
        "ConvNextModel",
        given(pixel_values=picture),
        hidden_sizes=[16, 32, 64, 128],
        depths=[1, 1, 2, 1],
    ),
    configured(
        "ResNetConfig",
        "ResNetModel",
        given(pixel_values=picture),
        hidden_sizes=[32, 64, 128, 256],
        depths=[1, 1, 1, 1],
        embedding_size=16,
    ),
    configured(
        "SegformerConfig",
        "SegformerForSemanticSegmentation",
        given(pixel_values=picture),
        hidden_sizes=[16, 32, 64, 128],
        depths=[1, 1, 1, 1],
        decoder_hidden_size=32,
    ),
    configured("MobileViTConfig", "MobileViTModel", given(pixel_values=picture), image_size=64),
    configured(
        "CLIPConfig",
        "CLIPModel",
        tokens(8, pixel_values=picture),
        text_config={**SMALL, **ENDS},
        vision_config=PICTURE,
        projection_dim=32,
    ),
    configured(
        "WhisperConfig",
        "WhisperModel",
        given(input_features=lambda: torch.randn(1, 80, 200), **_TARGET),
        **_BART,
        max_source_positions=100,
        decoder_start_token_id=0,
    ),
    configured("Wav2Vec2Config", "Wav2Vec2ForCTC", given(input_values=wave), **_SPEECH),
    configured("HubertConfig", "HubertModel", given(input_values=wave), **_SPEECH),
    configured(
        "ASTConfig",
        "ASTModel",
        given(input_values=lambda: torch.randn(1, 128, 64)),
        **{k: v for k, v in SMALL.items() if k != "vocab_size"},
        max_length=128,
        num_mel_bins=64,
    ),
    configured(
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
