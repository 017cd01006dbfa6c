"""The real models of the integration tests: small, seeded, built from their libraries' own classes.

Every entry builds an eval-mode module that takes and returns plain tensors, and inputs for it at any
batch size and length. Nothing is downloaded: weights are random under a fixed seed.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import torch
from torch import Tensor, nn
from zoo_diffusion import Denoiser

Inputs = dict[str, Tensor]


@dataclasses.dataclass(frozen=True)
class Entry:
    """One model of the zoo.

    Attributes:
        name: How tests and goldens call it.
        build: Makes the module, weights included.
        inputs: Makes inputs for a batch size and a length (ignored where nothing has a length).
        dynamic: The symbolic dimensions of each input: axis to name.
        exporters: Which of torch's exporters can export it, ``"dynamo"`` and ``"torchscript"``.
        length: The length the model is exported at.
        other_length: A second length, at which the converted model must be right too.
    """

    name: str
    build: Callable[[], nn.Module]
    inputs: Callable[[int, int], Inputs]
    dynamic: dict[str, dict[int, str]]
    exporters: tuple[str, ...] = ("dynamo", "torchscript")
    length: int = 7
    other_length: int = 11


class First(nn.Module):
    """Calls a model of `transformers` with keyword arguments and returns one tensor of its answer."""

    def __init__(self, model: nn.Module, names: tuple[str, ...], result: str, **fixed: object) -> None:
        super().__init__()
        self.model = model
        self.names = names
        self.result = result
        self.fixed = fixed

    def forward(self, *inputs: Tensor) -> Tensor:
        answer = self.model(**dict(zip(self.names, inputs, strict=True)), **self.fixed)
        return getattr(answer, self.result)


class MLP(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(16, 32), nn.ReLU(), nn.Dropout(0.1), nn.Linear(32, 32), nn.Tanh(), nn.Linear(32, 10)
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(x).softmax(-1)


class Tagger(nn.Module):
    """A bidirectional LSTM over embedded tokens, with a label for each."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(50, 16)
        self.lstm = nn.LSTM(16, 24, num_layers=2, batch_first=True, bidirectional=True)
        self.classifier = nn.Linear(48, 9)

    def forward(self, tokens: Tensor) -> Tensor:
        states, _ = self.lstm(self.embedding(tokens))
        return self.classifier(states)


class DoubleConv(nn.Sequential):
    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__(
            nn.Conv2d(inputs, outputs, 3, padding=1, bias=False),
            nn.BatchNorm2d(outputs),
            nn.ReLU(),
            nn.Conv2d(outputs, outputs, 3, padding=1, bias=False),
            nn.BatchNorm2d(outputs),
            nn.ReLU(),
        )


class UNet(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.down1 = DoubleConv(3, 8)
        self.down2 = DoubleConv(8, 16)
        self.bottom = DoubleConv(16, 32)
        self.pool = nn.MaxPool2d(2)
        self.up2 = nn.ConvTranspose2d(32, 16, 2, stride=2)
        self.conv2 = DoubleConv(32, 16)
        self.up1 = nn.Upsample(scale_factor=2, mode="bilinear", align_corners=False)
        self.conv1 = DoubleConv(24, 8)
        self.head = nn.Conv2d(8, 2, 1)

    def forward(self, image: Tensor) -> Tensor:
        first = self.down1(image)
        second = self.down2(self.pool(first))
        x = self.bottom(self.pool(second))
        x = self.conv2(torch.cat([second, self.up2(x)], dim=1))
        x = self.conv1(torch.cat([first, self.up1(x)], dim=1))
        return self.head(x)


def _images(channels: int, height: int, width: int) -> Callable[[int, int], Inputs]:
    def inputs(batch: int, length: int) -> Inputs:
        generator = torch.Generator().manual_seed(1)
        return {"image": torch.randn(batch, channels, height, width, generator=generator)}

    return inputs


def _tokens(*, mask: bool, vocabulary: int = 99) -> Callable[[int, int], Inputs]:
    def inputs(batch: int, length: int) -> Inputs:
        generator = torch.Generator().manual_seed(1)
        ids = torch.randint(0, vocabulary, (batch, length), generator=generator)
        if not mask:
            return {"input_ids": ids}
        ones = torch.ones(batch, length, dtype=torch.int64)
        ones[0, -2:] = 0
        return {"input_ids": ids, "attention_mask": ones}

    return inputs


def _seeded(module: Callable[[], nn.Module]) -> Callable[[], nn.Module]:
    def build() -> nn.Module:
        torch.manual_seed(0)
        model = module().eval()
        generator = torch.Generator().manual_seed(2)
        # Fresh biases are zeros and fresh scales ones: exporters drop and share them, and any two could be swapped.
        for parameter in model.parameters():
            if parameter.dim() < 2 or not parameter.any():
                parameter.data += torch.randn(parameter.shape, generator=generator) * 0.1
        for name, buffer in model.named_buffers():
            # Fresh statistics would make every BatchNorm the identity and hide mistakes in it.
            if name.endswith("running_mean"):
                buffer.copy_(torch.randn(buffer.shape, generator=generator) * 0.1)
            elif name.endswith("running_var"):
                buffer.copy_(torch.rand(buffer.shape, generator=generator) + 0.5)
        return model

    return build


def _resnet() -> nn.Module:
    from transformers import ResNetConfig, ResNetForImageClassification

    config = ResNetConfig(
        embedding_size=16, hidden_sizes=[32, 64, 96, 128], depths=[2, 2, 2, 2], layer_type="bottleneck", num_labels=10
    )
    return First(ResNetForImageClassification(config), ("pixel_values",), "logits")


def _mobilenet() -> nn.Module:
    from transformers import MobileNetV2Config, MobileNetV2ForImageClassification

    config = MobileNetV2Config(image_size=64, depth_multiplier=0.35, num_labels=10)
    return First(MobileNetV2ForImageClassification(config), ("pixel_values",), "logits")


def _convnext() -> nn.Module:
    from transformers import ConvNextConfig, ConvNextForImageClassification

    config = ConvNextConfig(
        hidden_sizes=[16, 32, 48, 64], depths=[1, 1, 2, 1], num_labels=10, layer_scale_init_value=0.1
    )
    return First(ConvNextForImageClassification(config), ("pixel_values",), "logits")


def _vit() -> nn.Module:
    from transformers import ViTConfig, ViTForImageClassification

    config = ViTConfig(
        hidden_size=32,
        num_hidden_layers=3,
        num_attention_heads=4,
        intermediate_size=64,
        image_size=32,
        patch_size=8,
        num_labels=10,
    )
    return First(ViTForImageClassification(config), ("pixel_values",), "logits")


def _bert() -> nn.Module:
    from transformers import BertConfig, BertForSequenceClassification

    config = BertConfig(
        vocab_size=99,
        hidden_size=32,
        num_hidden_layers=3,
        num_attention_heads=4,
        intermediate_size=64,
        max_position_embeddings=64,
        num_labels=3,
    )
    return First(BertForSequenceClassification(config), ("input_ids", "attention_mask"), "logits")


def _gpt2() -> nn.Module:
    from transformers import GPT2Config, GPT2LMHeadModel

    config = GPT2Config(vocab_size=99, n_positions=64, n_embd=32, n_layer=3, n_head=4)
    return First(GPT2LMHeadModel(config), ("input_ids", "attention_mask"), "logits", use_cache=False)


def _t5() -> nn.Module:
    from transformers import T5Config, T5EncoderModel

    # The exporter takes a wrong stride from fused attention (torch 2.13), so attention is spelled out.
    config = T5Config(
        vocab_size=99, d_model=32, d_kv=8, d_ff=64, num_layers=3, num_heads=4, attn_implementation="eager"
    )
    return First(T5EncoderModel(config), ("input_ids", "attention_mask"), "last_hidden_state")


def _llama() -> nn.Module:
    from transformers import LlamaConfig, LlamaForCausalLM

    config = LlamaConfig(
        vocab_size=99,
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=3,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=64,
    )
    return First(LlamaForCausalLM(config), ("input_ids", "attention_mask"), "logits", use_cache=False)


def _swin() -> nn.Module:
    from transformers import SwinConfig, SwinForImageClassification

    # The default exporter takes a wrong stride from fused attention (torch 2.13), so attention is spelled out.
    config = SwinConfig(
        image_size=32,
        patch_size=2,
        embed_dim=16,
        depths=[2, 2],
        num_heads=[2, 4],
        window_size=4,
        num_labels=10,
        attn_implementation="eager",
    )
    return First(SwinForImageClassification(config), ("pixel_values",), "logits")


def _segformer() -> nn.Module:
    from transformers import SegformerConfig, SegformerForSemanticSegmentation

    config = SegformerConfig(
        depths=[1, 1, 1, 1],
        hidden_sizes=[16, 32, 48, 64],
        num_attention_heads=[1, 2, 3, 4],
        decoder_hidden_size=32,
        num_labels=10,
    )
    return First(SegformerForSemanticSegmentation(config), ("pixel_values",), "logits")


def _detr() -> nn.Module:
    from transformers import DetrConfig, DetrForObjectDetection, ResNetConfig

    backbone = ResNetConfig(
        embedding_size=16, hidden_sizes=[16, 32], depths=[1, 1], layer_type="basic", out_features=["stage2"]
    )
    config = DetrConfig(
        use_timm_backbone=False,
        use_pretrained_backbone=False,
        backbone=None,
        backbone_config=backbone,
        num_queries=7,
        d_model=32,
        encoder_layers=2,
        decoder_layers=2,
        encoder_attention_heads=4,
        decoder_attention_heads=4,
        encoder_ffn_dim=64,
        decoder_ffn_dim=64,
        num_labels=5,
    )
    return First(DetrForObjectDetection(config), ("pixel_values",), "logits")


def _whisper() -> nn.Module:
    from transformers import WhisperConfig, WhisperForConditionalGeneration

    config = WhisperConfig(
        vocab_size=99,
        num_mel_bins=16,
        encoder_layers=2,
        encoder_attention_heads=4,
        decoder_layers=2,
        decoder_attention_heads=4,
        decoder_ffn_dim=64,
        encoder_ffn_dim=64,
        d_model=32,
        max_source_positions=32,
        max_target_positions=64,
        pad_token_id=0,
        bos_token_id=1,
        eos_token_id=2,
        decoder_start_token_id=1,
    )
    names = ("input_features", "decoder_input_ids", "decoder_attention_mask")
    return First(WhisperForConditionalGeneration(config), names, "logits", use_cache=False)


def _clip() -> nn.Module:
    from transformers import CLIPConfig, CLIPModel

    tower = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4}
    text = {"vocab_size": 99, "max_position_embeddings": 64, "bos_token_id": 97, "eos_token_id": 98, "pad_token_id": 1}
    config = CLIPConfig(
        text_config={**tower, **text},
        vision_config={**tower, "image_size": 32, "patch_size": 8},
        projection_dim=24,
    )
    return First(CLIPModel(config), ("input_ids", "pixel_values", "attention_mask"), "logits_per_image")


def _mixtral() -> nn.Module:
    from transformers import MixtralConfig, MixtralForCausalLM

    # The other ways to compute experts cannot be exported: one loops over what the router chose, one has no ONNX.
    config = MixtralConfig(
        vocab_size=99,
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        num_local_experts=4,
        num_experts_per_tok=2,
        max_position_embeddings=64,
        experts_implementation="batched_mm",
    )
    return First(MixtralForCausalLM(config), ("input_ids", "attention_mask"), "logits", use_cache=False)


_BATCH = {"image": {0: "batch"}}
_IDS = {"input_ids": {0: "batch", 1: "seq"}}
_IDS_AND_MASK = {**_IDS, "attention_mask": {0: "batch", 1: "seq"}}


def _features(batch: int, length: int) -> Inputs:
    return {"x": torch.randn(batch, 16, generator=torch.Generator().manual_seed(1))}


def _sentence(batch: int, length: int) -> Inputs:
    return {"tokens": torch.randint(0, 50, (batch, length), generator=torch.Generator().manual_seed(1))}


def _speech(batch: int, length: int) -> Inputs:
    generator = torch.Generator().manual_seed(1)
    ids, mask = _tokens(mask=True)(batch, length).values()
    features = torch.randn(batch, 16, 64, generator=generator)
    return {"input_features": features, "decoder_input_ids": ids, "decoder_attention_mask": mask}


def _captioned(batch: int, length: int) -> Inputs:
    """Sentences that end with their end-of-text token, and images."""
    ids, mask = _tokens(mask=True, vocabulary=97)(batch, length).values()
    ids[:, -3] = 98
    return {"input_ids": ids, "pixel_values": _images(3, 32, 32)(batch, length)["image"], "attention_mask": mask}


def _noisy(batch: int, length: int) -> Inputs:
    return {**_images(3, 32, 32)(batch, length), "steps": torch.arange(batch) * 100 + 7}


ZOO: dict[str, Entry] = {
    entry.name: entry
    for entry in (
        Entry("mlp", _seeded(MLP), _features, {"x": {0: "batch"}}),
        Entry("lstm", _seeded(Tagger), _sentence, {"tokens": {0: "batch", 1: "seq"}}),
        Entry("unet", _seeded(UNet), _images(3, 32, 32), _BATCH),
        Entry("resnet", _seeded(_resnet), _images(3, 64, 64), _BATCH),
        Entry("mobilenet_v2", _seeded(_mobilenet), _images(3, 64, 64), _BATCH),
        Entry("convnext", _seeded(_convnext), _images(3, 64, 64), _BATCH),
        Entry("vit", _seeded(_vit), _images(3, 32, 32), _BATCH),
        Entry("bert", _seeded(_bert), _tokens(mask=True), _IDS_AND_MASK),
        Entry("gpt2", _seeded(_gpt2), _tokens(mask=True), _IDS_AND_MASK),
        Entry("t5_encoder", _seeded(_t5), _tokens(mask=True), _IDS_AND_MASK),
        Entry("llama", _seeded(_llama), _tokens(mask=True), _IDS_AND_MASK),
        Entry("swin", _seeded(_swin), _images(3, 32, 32), _BATCH),
        Entry("segformer", _seeded(_segformer), _images(3, 64, 64), _BATCH),
        Entry("detr", _seeded(_detr), _images(3, 64, 64), _BATCH),
        Entry(
            "whisper",
            _seeded(_whisper),
            _speech,
            {
                "input_features": {0: "batch"},
                "decoder_input_ids": {0: "batch", 1: "seq"},
                "decoder_attention_mask": {0: "batch", 1: "seq"},
            },
        ),
        Entry(
            "clip",
            _seeded(_clip),
            _captioned,
            {**_IDS, "pixel_values": {0: "batch"}, "attention_mask": _IDS_AND_MASK["attention_mask"]},
        ),
        Entry("mixtral", _seeded(_mixtral), _tokens(mask=True), _IDS_AND_MASK),
        Entry("diffusion", _seeded(Denoiser), _noisy, {**_BATCH, "steps": {0: "batch"}}),
    )
}


CASES = [(name, exporter) for name, entry in ZOO.items() for exporter in entry.exporters]
"""Every model with every exporter that can export it."""


def export(entry: Entry, exporter: str, path: str) -> nn.Module:
    """Export an entry with one of torch's exporters.

    Args:
        entry: The model.
        exporter: ``"dynamo"`` or ``"torchscript"``.
        path: The ONNX file to write.

    Returns:
        The module that was exported.
    """
    model = entry.build()
    inputs = entry.inputs(2, entry.length)
    names = list(inputs)
    if exporter == "dynamo":
        dims: dict[str, torch.export.Dim] = {}
        shapes = tuple(
            {
                axis: dims.setdefault(dim, torch.export.Dim(dim, min=2, max=64))
                for axis, dim in entry.dynamic[name].items()
            }
            for name in names
        )
        if isinstance(model, First):
            shapes = (shapes,)  # its forward takes *inputs
        torch.onnx.export(
            model,
            tuple(inputs.values()),
            path,
            dynamo=True,
            input_names=names,
            output_names=["output"],
            dynamic_shapes=shapes,
            external_data=False,
            verbose=False,
        )
    else:
        torch.onnx.export(
            model,
            tuple(inputs.values()),
            path,
            dynamo=False,
            input_names=names,
            output_names=["output"],
            dynamic_axes=dict(entry.dynamic),
            opset_version=17,
        )
    return model
