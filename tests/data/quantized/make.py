"""Writes model.safetensors beside it: small weights as the reference packages pack them, and what they unpack to.

Not part of the suite. Made with compressed-tensors 0.20.1 and auto-gptq 0.7.1 (for whose module only its folder
`auto_gptq/nn_modules/qlinear` is needed), torch 2.13.0: `python tests/data/quantized/make.py FOLDER_OF_QLINEAR`.
Each case is named "case/part"; "case/expected" is the float32 weight [out, in].
"""

import sys
from pathlib import Path

import torch
from compressed_tensors.compressors import BaseCompressor
from compressed_tensors.entrypoints.convert.converters.autoawq import AutoAWQConverter
from compressed_tensors.quantization import QuantizationArgs, QuantizationScheme
from compressed_tensors.quantization.utils import calculate_qparams
from safetensors.torch import save_file

OUT, IN, GROUP = 32, 64, 32
CASES = {
    "int8-channel": ("int-quantized", {"num_bits": 8, "strategy": "channel"}),
    "int8-channel-asymmetric": ("int-quantized", {"num_bits": 8, "strategy": "channel", "symmetric": False}),
    "fp8-channel": ("float-quantized", {"num_bits": 8, "type": "float", "strategy": "channel"}),
    "fp8-tensor": ("float-quantized", {"num_bits": 8, "type": "float", "strategy": "tensor"}),
    "fp8-block": (
        "float-quantized",
        {"num_bits": 8, "type": "float", "strategy": "block", "block_structure": [16, 32]},
    ),
    "w8a16-channel": ("pack-quantized", {"num_bits": 8, "strategy": "channel"}),
    "w4a16-group": ("pack-quantized", {"num_bits": 4, "strategy": "group", "group_size": GROUP}),
    "w4a16-group-asymmetric": (
        "pack-quantized",
        {"num_bits": 4, "strategy": "group", "group_size": GROUP, "symmetric": False},
    ),
    "w4a16-channel": ("pack-quantized", {"num_bits": 4, "strategy": "channel"}),
}


def groups_of(weight: torch.Tensor, strategy: str) -> torch.Tensor:
    """The weights that share a scale, in the last axis."""
    if strategy == "tensor":
        return weight.reshape(1, -1)
    if strategy == "channel":
        return weight.reshape(OUT, 1, IN)
    if strategy == "block":
        return weight.reshape(OUT // 16, 16, IN // 32, 32).transpose(1, 2).reshape(OUT // 16, IN // 32, -1)
    return weight.reshape(OUT, IN // GROUP, GROUP)


def compressed_tensors(format: str, settings: dict) -> dict[str, torch.Tensor]:
    args = QuantizationArgs(**settings)
    scheme = QuantizationScheme(targets=["Linear"], weights=args)
    weight = torch.randn(OUT, IN) + 0.3
    groups = groups_of(weight, settings["strategy"])
    scale, zero = calculate_qparams(groups.amin(-1), groups.amax(-1), args)
    scale = scale.to(torch.bfloat16).float()
    state = {"weight": weight, "weight_scale": scale, "weight_zero_point": zero}
    if args.symmetric:
        del state["weight_zero_point"]
    compressor = BaseCompressor.get_value_from_registry(format)
    stored = compressor.compress(state, scheme)
    expected = compressor.decompress(dict(stored), scheme)["weight"].float()
    stored["weight_scale"] = stored["weight_scale"].to(torch.bfloat16)
    return {**stored, "expected": expected}


def gptq(bits: int, symmetric: bool) -> dict[str, torch.Tensor]:
    from qlinear_cuda_old import QuantLinear

    layer = torch.nn.Linear(IN, OUT, bias=False).half().float()
    groups = layer.weight.data.reshape(OUT, -1, GROUP)
    least, most = groups.amin(-1).clamp(max=-1e-3), groups.amax(-1).clamp(min=1e-3)
    scale = torch.maximum(most, -least) * 2 / (2**bits - 1) if symmetric else (most - least) / (2**bits - 1)
    scale = scale.half().float()
    zero = torch.full_like(scale, 2 ** (bits - 1)) if symmetric else torch.round(-least / scale).clamp(1, 2**bits - 1)
    layer.weight.data = (
        (torch.round(groups / scale[..., None] + zero[..., None]).clamp(0, 2**bits - 1) - zero[..., None])
        * scale[..., None]
    ).reshape(OUT, IN)
    packed = QuantLinear(bits, GROUP, IN, OUT, False, weight_dtype=torch.float32)
    packed.pack(layer, scale, zero, None)
    expected = packed(torch.eye(IN)).T.contiguous().float()
    order = torch.arange(IN, dtype=torch.int32) // GROUP
    return {
        "qweight": packed.qweight,
        "qzeros": packed.qzeros,
        "scales": packed.scales.half(),
        "g_idx": order,
        "expected": expected,
    }


def awq() -> dict[str, torch.Tensor]:
    random = lambda *shape: torch.randint(-(2**31), 2**31, shape, dtype=torch.int64).to(torch.int32)  # noqa: E731
    stored = {
        "qweight": random(IN, OUT // 8),
        "qzeros": random(IN // GROUP, OUT // 8),
        "scales": (torch.rand(IN // GROUP, OUT) / 10).half(),
    }
    converted = AutoAWQConverter(group_size=GROUP).process({f"x.{name}": part.clone() for name, part in stored.items()})
    settings = {"num_bits": 4, "strategy": "group", "group_size": GROUP, "symmetric": False}
    scheme = QuantizationScheme(targets=["Linear"], weights=QuantizationArgs(**settings))
    state = {name.removeprefix("x."): part for name, part in converted.items()}
    state["weight_scale"] = state["weight_scale"].float()
    expected = BaseCompressor.get_value_from_registry("pack-quantized").decompress(state, scheme)["weight"]
    return {**stored, "expected": expected}


def main() -> None:
    sys.path.insert(0, sys.argv[1])
    torch.manual_seed(0)
    cases = {name: compressed_tensors(*case) for name, case in CASES.items()}
    cases |= {"gptq-4": gptq(4, True), "gptq-4-asymmetric": gptq(4, False), "gptq-8": gptq(8, False), "awq": awq()}
    flat = {f"{case}/{name}": part.contiguous() for case, parts in cases.items() for name, part in parts.items()}
    save_file(flat, Path(__file__).with_name("model.safetensors"))
    for name, part in flat.items():
        print(name, part.dtype, tuple(part.shape))


if __name__ == "__main__":
    main()
