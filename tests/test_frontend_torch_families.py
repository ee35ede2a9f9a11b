"""Models of transformers come in with no arguments: each family, small, from its configuration."""

from __future__ import annotations

import warnings
from functools import cache
from types import ModuleType
from typing import Any

import pytest
import torch

import torchvision_cpu
from talaria_widget.compilers import analytic
from talaria_widget.frontends.torch import capture
from talaria_widget.hardware import device

TEXT = {
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 64,
    "vocab_size": 99,
}
GROUPED = {**TEXT, "num_key_value_heads": 2, "head_dim": 8}
EXPERTS = {"num_local_experts": 4, "num_experts": 4, "num_experts_per_tok": 2}
GPT = {"n_embd": 32, "n_layer": 2, "n_head": 4, "vocab_size": 99, "rotary_dim": 8}
PAIR = {
    "d_model": 32,
    "encoder_layers": 2,
    "decoder_layers": 2,
    "encoder_attention_heads": 4,
    "decoder_attention_heads": 4,
    "encoder_ffn_dim": 64,
    "decoder_ffn_dim": 64,
    "vocab_size": 99,
    "pad_token_id": 0,
}
T5 = {
    "d_model": 32,
    "d_kv": 8,
    "d_ff": 64,
    "num_layers": 2,
    "num_decoder_layers": 2,
    "num_heads": 4,
    "vocab_size": 99,
}
IMAGE = {
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 64,
    "image_size": 32,
    "patch_size": 8,
}
SOUND = {
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 64,
    "conv_dim": (16, 16),
    "conv_kernel": (10, 3),
    "conv_stride": (5, 2),
    "num_feat_extract_layers": 2,
    "num_conv_pos_embeddings": 16,
    "num_conv_pos_embedding_groups": 2,
}
SERIES = {
    "prediction_length": 6,
    "context_length": 12,
    "num_time_features": 2,
    "d_model": 16,
    "encoder_layers": 2,
    "decoder_layers": 2,
    "encoder_attention_heads": 2,
    "decoder_attention_heads": 2,
}
RESNET = {"hidden_sizes": [8, 16, 16, 32], "depths": [1, 1, 1, 1], "embedding_size": 8}
TOWERS = {"text_config": {**TEXT, "max_position_embeddings": 16}, "vision_config": IMAGE}
DETECTOR = {
    "use_timm_backbone": False,
    "use_pretrained_backbone": False,
    "num_queries": 10,
    **{key: value for key, value in PAIR.items() if key != "vocab_size"},
}

# One row a family: the class, what its configuration is told, the inputs that must come out.
FAMILIES: tuple[tuple[str, dict[str, Any], dict[str, tuple[int, ...]]], ...] = (
    ("BertForMaskedLM", TEXT, {"input_ids": (1, 128)}),
    ("AlbertModel", {**TEXT, "embedding_size": 16}, {"input_ids": (1, 128)}),
    ("RobertaForSequenceClassification", TEXT, {"input_ids": (1, 128)}),
    ("XLMRobertaModel", TEXT, {"input_ids": (1, 128)}),
    ("ElectraModel", {**TEXT, "embedding_size": 16}, {"input_ids": (1, 128)}),
    ("DebertaV2Model", TEXT, {"input_ids": (1, 128)}),
    ("DistilBertModel", {"dim": 32, "n_layers": 2, "n_heads": 4}, {"input_ids": (1, 128)}),
    ("MPNetModel", TEXT, {"input_ids": (1, 128)}),
    ("ModernBertModel", {**TEXT, "pad_token_id": 0}, {"input_ids": (1, 128)}),
    ("LongformerModel", {**TEXT, "attention_window": 16}, {"input_ids": (1, 128)}),
    ("BigBirdModel", TEXT, {"input_ids": (1, 128)}),
    ("FNetModel", TEXT, {"input_ids": (1, 128)}),
    ("FunnelModel", {"d_model": 32, "n_head": 4, "d_head": 8, "block_sizes": [1, 1]}, {}),
    ("XLNetModel", {"d_model": 32, "n_layer": 2, "n_head": 4, "d_inner": 64}, {}),
    ("MobileBertModel", {"num_hidden_layers": 2}, {"input_ids": (1, 128)}),
    ("SqueezeBertModel", {"num_hidden_layers": 2}, {"input_ids": (1, 128)}),
    ("ReformerModel", {"attn_layers": ["local", "lsh"], "is_decoder": False}, {}),
    ("EsmModel", {**TEXT, "pad_token_id": 0}, {"input_ids": (1, 128)}),
    ("GPT2LMHeadModel", GPT, {"input_ids": (1, 128)}),
    ("GPTNeoXForCausalLM", TEXT, {"input_ids": (1, 128)}),
    ("GPTJModel", GPT, {"input_ids": (1, 128)}),
    ("OPTModel", {**TEXT, "ffn_dim": 64, "word_embed_proj_dim": 32}, {"input_ids": (1, 128)}),
    ("BloomModel", TEXT, {"input_ids": (1, 128)}),
    ("FalconForCausalLM", TEXT, {"input_ids": (1, 128)}),
    ("LlamaForCausalLM", GROUPED, {"input_ids": (1, 128)}),
    ("MistralForCausalLM", GROUPED, {"input_ids": (1, 128)}),
    ("Qwen2ForCausalLM", GROUPED, {"input_ids": (1, 128)}),
    ("Qwen3ForCausalLM", GROUPED, {"input_ids": (1, 128)}),
    ("Gemma2ForCausalLM", GROUPED, {"input_ids": (1, 128)}),
    ("Phi3ForCausalLM", {**GROUPED, "pad_token_id": 0}, {"input_ids": (1, 128)}),
    ("GraniteForCausalLM", GROUPED, {"input_ids": (1, 128)}),
    ("MixtralForCausalLM", {**GROUPED, **EXPERTS}, {"input_ids": (1, 128)}),
    (
        "Qwen2MoeForCausalLM",
        {
            **GROUPED,
            **EXPERTS,
            "moe_intermediate_size": 16,
            "shared_expert_intermediate_size": 16,
        },
        {"input_ids": (1, 128)},
    ),
    ("MambaForCausalLM", {**TEXT, "state_size": 4}, {"input_ids": (1, 128)}),
    ("Mamba2Model", {**TEXT, "num_heads": 8, "head_dim": 8, "state_size": 8}, {}),
    ("RwkvModel", {**TEXT, "attention_hidden_size": 32}, {"input_ids": (1, 128)}),
    ("T5ForConditionalGeneration", T5, {"input_ids": (1, 128), "decoder_input_ids": (1, 128)}),
    ("MT5Model", T5, {"input_ids": (1, 128), "decoder_input_ids": (1, 128)}),
    ("BartForConditionalGeneration", PAIR, {"decoder_input_ids": (1, 128)}),
    ("MarianMTModel", PAIR, {"input_ids": (1, 128), "decoder_input_ids": (1, 128)}),
    ("PegasusModel", PAIR, {"input_ids": (1, 128), "decoder_input_ids": (1, 128)}),
    ("LEDModel", {**PAIR, "attention_window": 16}, {"decoder_input_ids": (1, 128)}),
    (
        "WhisperForConditionalGeneration",
        {**PAIR, "max_source_positions": 50, "max_target_positions": 20},
        {"input_features": (1, 80, 2 * 50), "decoder_input_ids": (1, 20)},
    ),
    (
        "Speech2TextForConditionalGeneration",
        PAIR,
        {"input_features": (1, 200, 80), "decoder_input_ids": (1, 128)},
    ),
    ("ViTForImageClassification", IMAGE, {"pixel_values": (1, 3, 32, 32)}),
    ("DeiTModel", IMAGE, {"pixel_values": (1, 3, 32, 32)}),
    ("BeitModel", IMAGE, {"pixel_values": (1, 3, 32, 32)}),
    ("Dinov2Model", IMAGE, {"pixel_values": (1, 3, 32, 32)}),
    (
        "SwinForImageClassification",
        {"embed_dim": 16, "depths": [1, 1], "num_heads": [2, 4], "image_size": 56},
        {"pixel_values": (1, 3, 56, 56)},
    ),
    ("ConvNextModel", {"hidden_sizes": [8, 16, 16, 32], "depths": [1] * 4}, {}),
    ("ResNetForImageClassification", RESNET, {"pixel_values": (1, 3, 224, 224)}),
    ("RegNetModel", {**RESNET, "groups_width": 8}, {"pixel_values": (1, 3, 224, 224)}),
    (
        "SegformerForSemanticSegmentation",
        {"hidden_sizes": [8, 8, 16, 16], "depths": [1] * 4, "decoder_hidden_size": 16},
        {"pixel_values": (1, 3, 224, 224)},
    ),
    (
        "MobileViTModel",
        {"image_size": 64, "hidden_sizes": [16, 16, 16], "neck_hidden_sizes": [8] * 7},
        {"pixel_values": (1, 3, 64, 64)},
    ),
    ("MobileNetV2Model", {"depth_multiplier": 0.25}, {"pixel_values": (1, 3, 224, 224)}),
    ("EfficientNetModel", {"width_coefficient": 0.25, "hidden_dim": 320, "image_size": 64}, {}),
    (
        "PvtV2Model",
        {"hidden_sizes": [8, 16, 16, 32], "depths": [1] * 4, "num_attention_heads": [1, 2, 4, 4]},
        {},
    ),
    (
        "DPTForDepthEstimation",
        {
            **IMAGE,
            "num_hidden_layers": 4,
            "backbone_out_indices": [0, 1, 2, 3],
            "neck_hidden_sizes": [8, 8, 16, 16],
            "fusion_hidden_size": 8,
        },
        {"pixel_values": (1, 3, 32, 32)},
    ),
    ("GLPNModel", {"hidden_sizes": [8, 8, 20, 16], "depths": [1] * 4}, {}),
    ("DetrForObjectDetection", DETECTOR, {"pixel_values": (1, 3, 224, 224)}),
    ("YolosModel", {**IMAGE, "image_size": [32, 48]}, {"pixel_values": (1, 3, 32, 48)}),
    (
        "SamModel",
        {
            "vision_config": {
                "hidden_size": 32,
                "output_channels": 16,
                "num_pos_feats": 8,
                "num_hidden_layers": 2,
                "num_attention_heads": 2,
                "image_size": 64,
                "global_attn_indexes": [1],
                "window_size": 2,
                "mlp_dim": 64,
            },
            "prompt_encoder_config": {"hidden_size": 16, "image_size": 64},
            "mask_decoder_config": {
                "hidden_size": 16,
                "mlp_dim": 32,
                "num_hidden_layers": 2,
                "num_attention_heads": 2,
                "iou_head_hidden_dim": 16,
            },
        },
        {"pixel_values": (1, 3, 64, 64)},
    ),
    ("VideoMAEModel", {**IMAGE, "num_frames": 4}, {"pixel_values": (1, 4, 3, 32, 32)}),
    ("TimesformerModel", {**IMAGE, "num_frames": 2}, {"pixel_values": (1, 2, 3, 32, 32)}),
    ("Wav2Vec2ForCTC", {**SOUND, "vocab_size": 30}, {"input_values": (1, 16000)}),
    ("HubertModel", SOUND, {"input_values": (1, 16000)}),
    ("WavLMModel", SOUND, {"input_values": (1, 16000)}),
    ("Wav2Vec2BertModel", {**TEXT, "feature_projection_input_dim": 40}, {}),
    ("ASTModel", {**TEXT, "max_length": 64, "num_mel_bins": 32}, {"input_values": (1, 64, 32)}),
    (
        "EncodecModel",
        {"num_filters": 4, "hidden_size": 16, "codebook_size": 16, "upsampling_ratios": [4, 2]},
        {"input_values": (1, 1, 16000)},
    ),
    (
        "ClapModel",
        {
            "text_config": TEXT,
            "audio_config": {
                "patch_embeds_hidden_size": 16,
                "depths": [1, 1],
                "num_attention_heads": [2, 2],
                "hidden_size": 32,
                "num_hidden_layers": 2,
            },
        },
        {"input_features": (1, 1, 1024, 64), "input_ids": (1, 128)},
    ),
    ("CLIPModel", TOWERS, {"input_ids": (1, 16), "pixel_values": (1, 3, 32, 32)}),
    ("SiglipModel", TOWERS, {"input_ids": (1, 16), "pixel_values": (1, 3, 32, 32)}),
    ("BlipModel", TOWERS, {"input_ids": (1, 16), "pixel_values": (1, 3, 32, 32)}),
    (
        "LlavaForConditionalGeneration",
        {
            "text_config": {**GROUPED, "model_type": "llama"},
            "vision_config": {**IMAGE, "model_type": "clip_vision_model"},
            "image_token_index": 7,
            "image_seq_length": 16,
        },
        {"input_ids": (1, 128), "pixel_values": (1, 3, 32, 32)},
    ),
    (
        "Qwen2VLForConditionalGeneration",
        {
            "text_config": {
                **GROUPED,
                "rope_parameters": {
                    "rope_type": "default",
                    "rope_theta": 10000.0,
                    "mrope_section": [1, 1, 2],
                },
            },
            "vision_config": {"depth": 2, "embed_dim": 32, "num_heads": 4, "hidden_size": 32},
            "image_token_id": 90,
            "video_token_id": 91,
            "vision_start_token_id": 92,
            "vision_end_token_id": 93,
        },
        {"pixel_values": (16 * 16, 3 * 2 * 14 * 14), "image_grid_thw": (1, 3)},
    ),
    ("ViltModel", {**TEXT, **IMAGE}, {"input_ids": (1, 40), "pixel_values": (1, 3, 32, 32)}),
    ("VisualBertModel", {**TEXT, "visual_embedding_dim": 24}, {"visual_embeds": (1, 20, 24)}),
    ("LxmertModel", {"l_layers": 1, "x_layers": 1, "r_layers": 1, **TEXT}, {}),
    ("LayoutLMModel", TEXT, {"input_ids": (1, 128), "bbox": (1, 128, 4)}),
    ("LayoutLMv3Model", {"num_hidden_layers": 1, "input_size": 32}, {"bbox": (1, 128, 4)}),
    (
        "PerceiverModel",
        {"num_latents": 8, "d_latents": 16, "d_model": 24, "num_self_attends_per_block": 2},
        {"inputs": (1, 128, 24)},
    ),
    ("TimeSeriesTransformerModel", SERIES, {"past_values": (1, 12 + 7)}),
    ("InformerModel", SERIES, {"past_values": (1, 12 + 7), "past_time_features": (1, 12 + 7, 2)}),
    ("PatchTSTModel", {"d_model": 16, "num_hidden_layers": 1}, {"past_values": (1, 32, 1)}),
    (
        "VisionEncoderDecoderModel",
        {
            "encoder": {**IMAGE, "model_type": "vit"},
            "decoder": {
                **TEXT,
                "model_type": "bert",
                "is_decoder": True,
                "add_cross_attention": True,
            },
        },
        {"pixel_values": (1, 3, 32, 32), "decoder_input_ids": (1, 128)},
    ),
    (
        "SpeechEncoderDecoderModel",
        {
            "encoder": {**SOUND, "model_type": "wav2vec2"},
            "decoder": {
                **TEXT,
                "model_type": "bert",
                "is_decoder": True,
                "add_cross_attention": True,
            },
        },
        {"inputs": (1, 16000), "decoder_input_ids": (1, 128)},
    ),
    ("ViTMAEForPreTraining", IMAGE, {"pixel_values": (1, 3, 32, 32)}),
    ("OwlViTModel", TOWERS, {"input_ids": (1, 16), "pixel_values": (1, 3, 32, 32)}),
    (
        "BlipForQuestionAnswering",
        TOWERS,
        {"pixel_values": (1, 3, 32, 32), "decoder_input_ids": (1, 16)},
    ),
    (
        "PaliGemmaForConditionalGeneration",
        {
            "text_config": {**GROUPED, "model_type": "gemma"},
            "vision_config": {
                **IMAGE,
                "model_type": "siglip_vision_model",
                "projection_dim": 32,
            },
            "image_token_index": 7,
            "image_token_id": 7,
            "projection_dim": 32,
        },
        {"input_ids": (1, 128), "pixel_values": (1, 3, 32, 32)},
    ),
    (
        "Idefics3ForConditionalGeneration",
        {
            "text_config": {**GROUPED, "model_type": "llama", "pad_token_id": 0},
            "vision_config": IMAGE,
            "image_token_id": 7,
            "scale_factor": 2,
        },
        {"input_ids": (1, 128), "pixel_values": (1, 1, 3, 32, 32)},
    ),
    (
        "Gemma3ForConditionalGeneration",
        {
            "text_config": GROUPED,
            "vision_config": IMAGE,
            "image_token_id": 7,
            "mm_tokens_per_image": 4,
        },
        {"input_ids": (1, 128), "pixel_values": (1, 3, 32, 32)},
    ),
    (
        "Blip2ForConditionalGeneration",
        {
            "qformer_config": {**TEXT, "encoder_hidden_size": 32},
            "vision_config": IMAGE,
            "text_config": {
                **TEXT,
                "model_type": "opt",
                "ffn_dim": 64,
                "word_embed_proj_dim": 32,
            },
            "num_query_tokens": 8,
            "image_token_index": 7,
            "image_token_id": 7,
        },
        {"input_ids": (1, 128), "pixel_values": (1, 3, 32, 32)},
    ),
    (
        "DeepseekV3ForCausalLM",
        {
            **TEXT,
            "num_key_value_heads": 4,
            "n_routed_experts": 8,
            "n_group": 2,
            "topk_group": 1,
            "num_experts_per_tok": 2,
            "moe_intermediate_size": 16,
            "first_k_dense_replace": 1,
            "q_lora_rank": 16,
            "kv_lora_rank": 16,
            "qk_rope_head_dim": 8,
            "qk_nope_head_dim": 8,
            "v_head_dim": 8,
        },
        {"input_ids": (1, 128)},
    ),
    ("GptOssForCausalLM", {**GROUPED, **EXPERTS}, {"input_ids": (1, 128)}),
    ("TapasModel", TEXT, {"input_ids": (1, 128)}),
    ("CanineModel", TEXT, {"input_ids": (1, 128)}),
    ("AutoformerModel", SERIES, {"past_values": (1, 12 + 7)}),
    ("PatchTSMixerForPrediction", {"d_model": 8, "num_layers": 2}, {"past_values": (1, 32, 1)}),
    ("DecisionTransformerModel", {"n_layer": 1, "hidden_size": 16}, {"states": (1, 20, 17)}),
)


@cache
def transformers() -> ModuleType:
    torchvision_cpu.models()
    return pytest.importorskip("transformers")


def build(name: str, settings: dict[str, Any]) -> torch.nn.Module:
    kind = getattr(transformers(), name)
    torch.manual_seed(0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = kind(kind.config_class(**settings))
    return model.eval()


@pytest.mark.parametrize(
    ("name", "settings", "shapes"), FAMILIES, ids=[name for name, _, _ in FAMILIES]
)
def test_a_family_comes_in_with_no_arguments(
    name: str, settings: dict[str, Any], shapes: dict[str, tuple[int, ...]]
) -> None:
    model = build(name, settings)
    graph = capture(model)
    program = analytic.compile(graph, device())
    found = {key: graph.tensors[key].shape for key in graph.inputs}
    assert {key: found.get(key) for key in shapes} == shapes, found
    assert graph.assumed and all(" " in sentence for sentence in graph.assumed)
    assert graph.outputs
    uncounted = sum(program.uncounted.values())
    assert uncounted <= 0.02 * program.operations, program.uncounted
    assert not any(op.source and op.source.file.startswith("/") for op in graph.ops)


def test_a_size_that_torch_computes_is_read_and_not_made_up() -> None:
    class Halves(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            half = torch.div(x.shape[1], 2, rounding_mode="trunc") + 1
            return x.new_zeros((2, half, 3)) + x.sum()

    for _ in range(5):
        graph = capture(Halves(), torch.ones(1, 6))
        assert graph.tensors[graph.outputs[0]].shape == (2, 6 // 2 + 1, 3)


@pytest.mark.parametrize("name", ["LlamaForCausalLM", "T5ForConditionalGeneration"])
def test_a_model_with_adapters_comes_in_as_the_one_inside(name: str) -> None:
    peft = pytest.importorskip("peft")
    settings = next(settings for row, settings, _ in FAMILIES if row == name)
    layer = "q_proj" if name == "LlamaForCausalLM" else "q"
    plain = capture(build(name, settings))
    adapted = peft.get_peft_model(
        build(name, settings), peft.LoraConfig(r=4, target_modules=[layer])
    )
    graph = capture(adapted.eval())
    assert graph.inputs == plain.inputs
    assert graph.assumed == plain.assumed
    lora = [op.name for op in graph.ops if op.kind == "linear" and ".lora_" in op.name]
    assert len(lora) == 2 * sum(op.name.endswith(f".{layer}") for op in plain.ops)
    assert all(name.startswith("base_model.model.") for name in lora)


def test_half_precision_compiled_comes_in_too() -> None:
    settings = next(settings for row, settings, _ in FAMILIES if row == "ViTForImageClassification")
    model = torch.compile(build("ViTForImageClassification", settings).half())
    graph = capture(model)
    assert graph.tensors["pixel_values"].dtype == "float16"
    assert not any("_orig_mod" in op.name for op in graph.ops)
    assert len(graph.notes) == 2
