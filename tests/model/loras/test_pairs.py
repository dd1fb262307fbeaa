"""Each spelling of LoRAs changes what it should, as diffusers' own converter and PEFT see it; the rest is refused."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from diffusers import HunyuanVideoFramepackTransformer3DModel
from diffusers.loaders.single_file_utils import convert_hunyuan_video_transformer_to_diffusers
from peft import LoraConfig
from safetensors.torch import save_file

from farm.errors import CheckpointError
from model.loras.adapters import read_lora
from model.loras.pairs import pairs_of, text_names
from model.loras.spellings import original_targets
from tests.model.loras.conftest import change, style

WIDTH = 24
Shapes = dict[str, tuple[int, ...]]
Weights = dict[str, torch.Tensor]

ORIGINAL = [
    *(f"double_blocks.0.{side}_{name}" for side in ("img", "txt") for name in ("attn_qkv", "attn_proj", "mod.linear")),
    *(f"double_blocks.0.{side}_mlp.{name}" for side in ("img", "txt") for name in ("fc1", "fc2")),
    "single_blocks.0.linear2",
    "single_blocks.1.modulation.linear",
    *(
        f"txt_in.individual_token_refiner.blocks.0.{name}"
        for name in ("self_attn_qkv", "self_attn_proj", "mlp.fc1", "mlp.fc2", "adaLN_modulation.1")
    ),
    "txt_in.input_embedder",
    *(f"txt_in.{name}" for name in ("t_embedder.mlp.0", "t_embedder.mlp.2")),
    *(f"txt_in.c_embedder.{name}" for name in ("linear_1", "linear_2")),
    *(f"{name}.mlp.{index}" for name in ("time_in", "guidance_in") for index in (0, 2)),
    "vector_in.in_layer",
    "vector_in.out_layer",
    "final_layer.linear",
    "final_layer.adaLN_modulation.1",
]
"""Modules of HunyuanVideo by their own names; ``linear1``, whose cut diffusers knows for one width only, has a test of
its own."""
COMFY = {
    "_attn_qkv": "_attn.qkv",
    "_attn_proj": "_attn.proj",
    "mod.linear": "mod.lin",
    "modulation.linear": "modulation.lin",
    ".fc1": ".0",
    ".fc2": ".2",
    "time_in.mlp.0": "time_in.in_layer",
    "time_in.mlp.2": "time_in.out_layer",
    "guidance_in.mlp.0": "guidance_in.in_layer",
    "guidance_in.mlp.2": "guidance_in.out_layer",
    "embedder.mlp.0": "embedder.in_layer",
    "embedder.mlp.2": "embedder.out_layer",
    "embedder.linear_1": "embedder.in_layer",
    "embedder.linear_2": "embedder.out_layer",
}


def comfy(module: str) -> str:
    for name, own in COMFY.items():
        module = module.replace(name, own)
    return f"diffusion_model.{module}"


def underscored(prefix: str) -> Callable[[str], str]:
    return lambda module: prefix + module.replace(".", "_")


def original_shape(module: str, shapes: Shapes) -> tuple[int, int]:
    parts = [shapes[f"{target}.weight"] for target in original_targets(module)]
    return sum(part[0] for part in parts), parts[0][1]


def changes(file: Path, shapes: Shapes) -> Weights:
    """What a file adds to each weight, by diffusers' names."""
    read = read_lora(file, pairs_of(file, shapes))
    downs = {name.removesuffix(".lora_A.weight"): down for name, down in read.items() if name.endswith("A.weight")}
    return {
        f"{module.removeprefix('transformer.')}.weight": read[f"{module}.lora_B.weight"] @ down
        for module, down in downs.items()
    }


def assert_same(found: Weights, expected: Weights) -> None:
    assert found.keys() == expected.keys()
    for name, weight in expected.items():
        torch.testing.assert_close(found[name], weight)


@pytest.mark.parametrize(
    ("spell", "ends", "alpha"),
    [
        (lambda module: module, ("lora_A.weight", "lora_B.weight"), None),
        (lambda module: f"transformer.{module}", ("lora_A.default.weight", "lora_B.default.weight"), None),
        (comfy, ("lora_down.weight", "lora_up.weight"), 4.0),
        (underscored("lora_unet_"), ("lora_down.weight", "lora_up.weight"), 1.0),
        (underscored("Hunyuan_video_I2V_lora_"), ("lora_down.weight", "lora_up.weight"), 2.0),
    ],
    ids=["original", "peft", "comfyui", "kohya", "tencent"],
)
def test_original_modules_in_each_spelling(
    tmp_path: Path, shapes: Shapes, spell: Callable[[str], str], ends: tuple[str, str], alpha: float | None
) -> None:
    weights: Weights = {}
    original: Weights = {}
    for seed, module in enumerate(ORIGINAL):
        down, up = change(original_shape(module, shapes), seed=seed)
        weights |= {f"{spell(module)}.{end}": tensor for end, tensor in zip(ends, (down, up), strict=True)}
        if alpha is not None:
            weights[f"{spell(module)}.alpha"] = torch.tensor(alpha)
        original[f"{module}.weight"] = (1.0 if alpha is None else alpha / 2) * up @ down
    file = tmp_path / "style.safetensors"
    save_file(weights, file)
    assert_same(changes(file, shapes), convert_hunyuan_video_transformer_to_diffusers(original))


@pytest.mark.parametrize("end", ["qkv", "linear1"])
def test_split_projections_of_onetrainer(tmp_path: Path, shapes: Shapes, end: str) -> None:
    modules = {
        "qkv": {
            f"double_blocks.0.txt_attn_qkv.{part}": f"transformer_blocks.0.attn.add_{name}_proj"
            for part, name in enumerate("qkv")
        },
        "linear1": {
            f"single_blocks.1.linear1.{part}": f"single_transformer_blocks.1.{name}"
            for part, name in enumerate(("attn.to_q", "attn.to_k", "attn.to_v", "proj_mlp"))
        },
    }[end]
    weights: Weights = {}
    expected: Weights = {}
    for seed, (module, target) in enumerate(modules.items()):
        down, up = change(shapes[f"{target}.weight"], seed=seed)  # type: ignore[arg-type]
        weights |= {f"transformer.{module}.lora_down.weight": down, f"transformer.{module}.lora_up.weight": up}
        weights[f"transformer.{module}.alpha"] = torch.tensor(1.0)
        expected[f"{target}.weight"] = up @ down / 2
    file = tmp_path / "style.safetensors"
    save_file(weights, file)
    assert_same(changes(file, shapes), expected)


def test_fused_projection_of_single_blocks_is_cut_as_the_model_is(tmp_path: Path, shapes: Shapes) -> None:
    down, up = change((7 * WIDTH, WIDTH), 3)
    file = tmp_path / "single.safetensors"
    save_file({"single_blocks.1.linear1.lora_A.weight": down, "single_blocks.1.linear1.lora_B.weight": up}, file)
    found = changes(file, shapes)
    block = "single_transformer_blocks.1"
    rows = [found[f"{block}.{name}.weight"] for name in ("attn.to_q", "attn.to_k", "attn.to_v", "proj_mlp")]
    torch.testing.assert_close(torch.cat(rows), up @ down)
    assert [len(part) for part in rows] == [24, 24, 24, 96]


@pytest.mark.parametrize(
    ("before", "dots"),
    [
        ("", True),
        ("transformer.", True),
        ("unet.", True),
        ("diffusion_model.", True),
        ("model.diffusion_model.", True),
        ("base_model.model.", True),
        ("base_model.model.transformer.", True),
        ("lora_unet_", False),
        ("lora_transformer_", False),
    ],
)
def test_diffusers_modules_behind_each_prefix(tmp_path: Path, shapes: Shapes, before: str, dots: bool) -> None:
    plain = changes(style(tmp_path / "plain.safetensors", shapes), shapes)
    weights = {}
    file = tmp_path / "plain.safetensors"
    for name, tensor in read_lora(file, pairs_of(file, shapes)).items():
        module, role = name.removeprefix("transformer.").rsplit(".lora_", 1)
        weights[f"{before}{module if dots else module.replace('.', '_')}.lora_{role}"] = tensor
    save_file(weights, tmp_path / "other.safetensors")
    assert_same(changes(tmp_path / "other.safetensors", shapes), plain)


@pytest.mark.parametrize("rank_stabilised", [False, True])
@pytest.mark.parametrize("where", ["header", "pipeline", "beside"])
def test_strength_is_what_peft_makes_of_it(tmp_path: Path, shapes: Shapes, where: str, rank_stabilised: bool) -> None:
    """Ranks and alphas of single modules included; as diffusers saves it, alone or with a pipeline, and PEFT beside."""
    from tests.support.tiny import _built

    model = HunyuanVideoFramepackTransformer3DModel.from_pretrained(_built() / "transformer")
    config = LoraConfig(
        r=4,
        lora_alpha=16,
        target_modules=["to_q", "to_k"],
        rank_pattern={"transformer_blocks.0.attn.to_q": 2},
        alpha_pattern={"attn.to_k": 3, "transformer_blocks.0.attn.to_q": 5},
        use_rslora=rank_stabilised,
        init_lora_weights=False,
    )
    model.add_adapter(config)
    expected = {
        f"{name}.weight": module.get_delta_weight("default").detach()
        for name, module in model.named_modules()
        if hasattr(module, "get_delta_weight")
    }
    model.save_lora_adapter(tmp_path, weight_name="style.safetensors")
    file = tmp_path / "style.safetensors"
    if where != "header":
        from safetensors import safe_open

        with safe_open(file, "pt") as stored:
            weights = {f"transformer.{name}": stored.get_tensor(name) for name in stored.keys()}  # noqa: SIM118
            told = json.loads(stored.metadata()["lora_adapter_metadata"])
        if where == "beside":
            save_file(weights, file)
            (tmp_path / "adapter_config.json").write_text(json.dumps(told))
        else:
            metadata = {f"transformer.{name}": value for name, value in told.items()}
            save_file(weights, file, {"lora_adapter_metadata": json.dumps(metadata)})
    assert_same(changes(file, shapes), expected)


def test_alpha_in_the_file_wins_over_what_is_said_of_it(tmp_path: Path, shapes: Shapes) -> None:
    down, up = change((WIDTH, WIDTH))
    named = {"lora_down.weight": down, "lora_up.weight": up, "alpha": torch.tensor(1.0)}
    file = tmp_path / "style.safetensors"
    told = {"lora_adapter_metadata": json.dumps({"lora_alpha": 8})}
    save_file(
        {f"lora_unet_transformer_blocks_0_attn_to_q.{name}": tensor for name, tensor in named.items()}, file, told
    )
    assert_same(changes(file, shapes), {"transformer_blocks.0.attn.to_q.weight": up @ down / 2})


def test_parts_for_text_encoders_are_left_out(tmp_path: Path, shapes: Shapes) -> None:
    plain = style(tmp_path / "plain.safetensors", shapes)
    weights = dict(read_lora(plain, pairs_of(plain, shapes)))
    text = {
        "lora_te1_text_model_encoder_layers_0_mlp_fc1.lora_down.weight": torch.ones(2, 8),
        "text_encoder.layers.0.q.lora_A.weight": torch.ones(2, 8),
        "bundle_emb.word.llama": torch.ones(2, 8),
    }
    file = tmp_path / "both.safetensors"
    save_file({**weights, **text}, file)
    assert_same(changes(file, shapes), changes(plain, shapes))
    assert sorted(text_names(file)) == sorted(text) and text_names(plain) == []
    save_file(text, file)
    with pytest.raises(CheckpointError, match="changes text encoders only"):
        pairs_of(file, shapes)


Q = "transformer_blocks.0.attn.to_q"
A, B = f"transformer.{Q}.lora_A.weight", f"transformer.{Q}.lora_B.weight"
PAIR = {A: (2, 24), B: (24, 2)}


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ({"unet.down.0.weight": (2, 2)}, "'unet.down.0.weight' is no weight of a LoRA"),
        ({"lora_unet_input_blocks_1_proj_in.lora_down.weight": (2, 24)}, "is no weight of a LoRA"),
        ({A: (2, 24)}, "lacks its other half"),
        ({A: (2, 3072), B: (3072, 2)}, r"don't make a change of \[24, 24\].*another model"),
        ({A: (2, 24), B: (24, 4)}, "don't make a change"),
        (
            {
                "double_blocks.7.img_attn_proj.lora_A.weight": (2, 24),
                "double_blocks.7.img_attn_proj.lora_B.weight": (24, 2),
            },
            "'transformer_blocks.7.attn.to_out.0', which this model does not have",
        ),
        (
            {
                "clean_x_embedder.proj.lora_A.weight": (2, 16, 1, 2, 2),
                "clean_x_embedder.proj.lora_B.weight": (24, 2, 1, 1, 1),
            },
            "changes 'clean_x_embedder.proj', no linear layer",
        ),
        ({f"{Q}.lora_A.weight": (0, 24), f"{Q}.lora_B.weight": (24, 0)}, "don't make a change"),
        ({}, "is empty"),
        ({**PAIR, f"{Q}.dora_scale": (24,)}, "makes it a DoRA, a kind that can't be used"),
        ({**PAIR, f"{Q}.lora_magnitude_vector.default": (24,)}, "makes it a DoRA"),
        ({f"lora_unet_{Q.replace('.', '_')}.hada_w1_a": (24, 2)}, "makes it a LoHa"),
        ({f"lora_unet_{Q.replace('.', '_')}.lokr_w1": (2, 2)}, "makes it a LoKr"),
        ({f"diffusion_model.{Q}.diff_b": (24,)}, "makes it a change of whole weights"),
        ({**PAIR, f"transformer.{Q}.lora_B.bias": (24,)}, "makes it a LoRA with biases"),
        ({**PAIR, f"{Q}.lora_A.weight": (2, 24)}, "stands there twice"),
        (
            {
                **PAIR,
                "double_blocks.0.img_attn_qkv.lora_A.weight": (2, 24),
                "double_blocks.0.img_attn_qkv.lora_B.weight": (72, 2),
            },
            f"changes '{Q}' twice",
        ),
        ({f"{Q}.lora_A.one.weight": (2, 24), f"{Q}.lora_A.two.weight": (2, 24)}, "holds several: one, two"),
    ],
)
def test_bad_file_is_refused_by_its_header(
    tmp_path: Path, shapes: Shapes, weights: dict[str, tuple[int, ...]], message: str
) -> None:
    file = tmp_path / "bad.safetensors"
    save_file({name: torch.zeros(shape) for name, shape in weights.items()}, file)
    with pytest.raises(CheckpointError, match=message) as caught:
        pairs_of(file, shapes)
    assert "bad.safetensors" in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "told",
    [
        "{",
        "[1]",
        '{"lora_alpha": "many"}',
        '{"lora_alpha": 1, "alpha_pattern": {"(": 2}}',
        '{"lora_alpha": 1, "alpha_pattern": {"(?i)to_q": 2}}',
    ],
)
def test_broken_configuration_is_refused(tmp_path: Path, shapes: Shapes, told: str) -> None:
    file = style(tmp_path / "style.safetensors", shapes)
    (tmp_path / "adapter_config.json").write_text(told)
    with pytest.raises(CheckpointError, match="can't be"):
        pairs_of(file, shapes)


def test_dora_is_refused_by_its_configuration(tmp_path: Path, shapes: Shapes) -> None:
    file = style(tmp_path / "style.safetensors", shapes)
    (tmp_path / "adapter_config.json").write_text('{"use_dora": true, "lora_alpha": 2}')
    with pytest.raises(CheckpointError, match="says that it is a DoRA"):
        pairs_of(file, shapes)


def test_file_that_is_cut_short_is_refused(tmp_path: Path, shapes: Shapes) -> None:
    file = style(tmp_path / "cut.safetensors", shapes)
    file.write_bytes(file.read_bytes()[:-4])
    with pytest.raises(CheckpointError, match="can't be used as a LoRA"):
        pairs_of(file, shapes)
