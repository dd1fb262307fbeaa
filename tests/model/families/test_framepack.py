"""The families framepack and framepack-f1 on small checkpoints with the released ones' classes, files and keys."""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

import model.families as families
from farm.errors import CheckpointError, InputError
from model.checkpoint import WITH_WEIGHTS
from model.components import part_dtypes
from model.conditioning import prompt_key
from model.facts import family_facts
from model.family import SamplingParams
from model.plan import make_plan
from model.single_file import built
from model.sources import Source, parse_source
from tests.model.test_comfyui import comfy_codec
from tests.model.test_single_file import write_gguf
from tests.support.machine import here
from tests.support.released import released_folder, released_repositories

I2V, F1 = "framepack", "framepack-f1"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """All parts in one folder, which both families are pointed to."""
    path = released_folder(tmp_path / "parts")
    monkeypatch.setenv("FARM_FRAMEPACK_PATH", str(path))
    monkeypatch.setenv("FARM_FRAMEPACK_F1_PATH", str(path))
    return path


@pytest.fixture
def configure(farm_home: Path) -> Callable[[str], None]:
    """Write models.toml."""

    def write(text: str) -> None:
        farm_home.mkdir(exist_ok=True)
        (farm_home / "models.toml").write_text(text)

    return write


def weights_of(folder: Path, part: str = "transformer") -> dict[str, torch.Tensor]:
    """The weights of a part's folder, whatever its shards."""
    files = (folder / part).glob("*.safetensors")
    return {name: tensor for file in files for name, tensor in load_file(file).items()}


def video(renderer: Any, picture: bytes, seconds: float = 2.4) -> torch.Tensor:
    """Latents of a whole video in the family's own order."""
    info = renderer.info
    plan = make_plan(layout=info.layout, order=info.default_order, seconds=seconds, seed=3, prompt="The girl dances.")
    conditioning = renderer.encode(picture, ("The girl dances.",), "")
    known = {0: conditioning["start_latent"][:, 0]}
    for section in sorted(plan.sections, key=lambda section: section.level):
        latents = renderer.denoise(section, known, conditioning, SamplingParams(steps=2), lambda done, steps: None)
        known.update({section.start + i: latents[:, i] for i in range(latents.shape[1])})
    return torch.stack([known[i] for i in sorted(known)], dim=1)


def test_facts_are_those_of_the_reference() -> None:
    from diffusers.pipelines.hunyuan_video.pipeline_hunyuan_video_framepack import DEFAULT_PROMPT_TEMPLATE

    i2v, f1 = family_facts(I2V), family_facts(F1)
    for facts in (i2v, f1):
        assert facts["prompt_template"] == DEFAULT_PROMPT_TEMPLATE["template"]
        assert facts["crop_text_tokens"] == DEFAULT_PROMPT_TEMPLATE["crop_start"]
        assert len(facts["buckets"]) == 14 and [608, 640] in facts["buckets"]
        assert all(height % 32 == width % 32 == 0 for height, width in facts["buckets"])
    assert (i2v["layout"], i2v["default_order"]) == ("f1k1_x_g9_f1k1f2k2f16k4_td", "inverted")
    assert (f1["layout"], f1["default_order"]) == ("f1k1_x_td_f16k4f2k2f1k1_g9", "vanilla")
    for facts in (i2v, f1):
        assert len(facts["magcache_ratios"]) == 25 and facts["magcache_ratios"][0] == 1.0
    assert i2v["parts"]["transformer"]["source"] == "lllyasviel/FramePackI2V_HY"
    assert f1["parts"]["transformer"]["source"] == "lllyasviel/FramePack_F1_I2V_HY_20250503"
    assert {part: f1["parts"][part] for part in f1["parts"] if part != "transformer"} == {
        part: i2v["parts"][part] for part in i2v["parts"] if part != "transformer"
    }


def test_configuration_for_single_files_gives_the_released_size() -> None:
    from diffusers import HunyuanVideoFramepackTransformer3DModel

    with torch.device("meta"):
        made = HunyuanVideoFramepackTransformer3DModel.from_config(family_facts(I2V)["transformer_config"])
    assert sum(weight.numel() for weight in made.parameters()) == 12_874_314_816
    assert len(made.state_dict()) == 1274


@pytest.mark.parametrize("part", [part for part in WITH_WEIGHTS if part != "transformer"])
def test_configuration_of_the_other_parts_gives_the_released_size(part: str) -> None:
    facts = family_facts(I2V)
    library, kind = facts["parts"][part]["kind"]
    with torch.device("meta"):
        made = built(getattr(import_module(library), kind), facts[f"{part}_config"])
    assert 2 * sum(weight.numel() for weight in made.parameters()) == pytest.approx(facts["parts"][part]["bytes"], 1e-3)


def test_both_families_render_from_a_folder(folder: Path, picture: bytes) -> None:
    """The sharded bf16 and fp16 files give fp32 on the CPU; each family by its own layout and order."""
    made = {}
    for name in (I2V, F1):
        renderer = families.load(name, here())
        assert renderer.device_class == "cpu-1t-fp32"
        made[name] = video(renderer, picture)
        assert made[name].shape == (16, 19, 8, 8)
        assert renderer.decode(made[name][:, :10]).shape == (37, 64, 64, 3)
    assert made[I2V][:, :1].equal(made[F1][:, :1]) and not made[I2V].equal(made[F1])


def test_text_is_read_behind_the_template(folder: Path, picture: bytes) -> None:
    """256 slots after the 95 that are cut; a longer prompt fills more of them."""
    conditioning = families.load(I2V, here()).encode(picture, ("A cat.", "A cat dances on a wide and empty stage."), "")
    masks = [conditioning[name] for name in sorted(conditioning) if name.startswith("mask.")]
    assert all(mask.shape == (256,) for mask in masks)
    assert len({int(mask.sum()) for mask in masks}) == 3


def test_prompt_is_read_as_diffusers_pipeline_reads_it(folder: Path, picture: bytes) -> None:
    """Llama's third layer from the end behind the cut template; CLIP's pooled embedding of the bare prompt."""
    from diffusers import HunyuanVideoFramepackPipeline

    prompt = "A cat {dances} on a wide and empty stage."
    renderer = families.load(I2V, here())
    parts = ("text_encoder", "tokenizer", "text_encoder_2", "tokenizer_2")
    others = dict.fromkeys(("transformer", "vae", "scheduler", "image_encoder", "feature_extractor"))
    pipeline = HunyuanVideoFramepackPipeline(**{name: renderer._encoders[name] for name in parts}, **others)
    with torch.no_grad():
        text, pooled, mask = pipeline.encode_prompt(prompt)
    conditioning, key = renderer.encode(picture, (prompt,), ""), prompt_key(prompt)
    assert conditioning[f"mask.{key}"].equal(mask[0].bool()) and 0 < mask.sum() < 256
    assert conditioning[f"text.{key}"].equal(text[0])
    assert conditioning[f"pooled.{key}"].equal(pooled[0])


def test_start_latent_is_not_left_to_chance(folder: Path, picture: bytes) -> None:
    """The official program draws it from the codec's posterior, without a seed."""
    renderer = families.load(I2V, here())
    torch.manual_seed(1)
    first = renderer.encode(picture, ("A cat.",), "")["start_latent"]
    torch.manual_seed(2)
    assert renderer.encode(picture, ("A cat.",), "")["start_latent"].equal(first)


def test_on_a_gpu_the_transformer_is_bf16_and_the_rest_fp16() -> None:
    """As in the reference: the transformer's values are too large for fp16."""
    for family in (I2V, F1):
        trained = family_facts(family)["dtypes"]
        dtypes = part_dtypes(WITH_WEIGHTS, {}, trained, "cuda")
        assert dtypes == dict.fromkeys(WITH_WEIGHTS, "fp16") | {"transformer": "bf16"}
        assert set(part_dtypes(WITH_WEIGHTS, {}, trained, "cpu").values()) == {"fp32"}


def test_describe_is_quick_and_imports_no_torch(folder: Path) -> None:
    code = (
        "import sys; from model.families import describe; from tests.support.machine import here; "
        "describe('framepack', here()); assert 'torch' not in sys.modules;"
        "assert 'huggingface_hub.hf_api' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_large_files_are_hashed_once(folder: Path, farm_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import model.weights as weights

    read: list[Path] = []
    honest = weights.file_sha256
    monkeypatch.setattr(weights, "file_sha256", lambda file: read.append(file) or honest(file))
    monkeypatch.setattr(weights, "LARGE", 1000)
    first = families.describe(I2V, here()).checkpoint_sha256
    assert len(read) == len(set(read)) > 5
    assert families.describe(I2V, here()).checkpoint_sha256 == first and len(read) == len(set(read))
    file = read[0]
    file.write_bytes(file.read_bytes()[:-1] + b"\x01")
    assert families.describe(I2V, here()).checkpoint_sha256 != first and read.count(file) == 2


def test_hub_cache_is_used_as_it_lies(
    tmp_path: Path, farm_home: Path, monkeypatch: pytest.MonkeyPatch, folder: Path
) -> None:
    """A cache filled by anyone, such as huggingface_hub or a copy from another machine."""
    from huggingface_hub import constants

    monkeypatch.delenv("FARM_FRAMEPACK_PATH")
    by_folder = families.describe(F1, here()).checkpoint_sha256
    monkeypatch.delenv("FARM_FRAMEPACK_F1_PATH")
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    repositories = released_repositories(tmp_path / "hub")
    for owner in repositories.iterdir():
        for repository in owner.iterdir():
            place = tmp_path / "cache" / f"models--{owner.name}--{repository.name}"
            (place / "refs").mkdir(parents=True)
            (place / "refs/main").write_text("abc123")
            shutil.copytree(repository, place / "snapshots/abc123")
    info = families.describe(I2V, here())
    assert info.origins["transformer"] == "lllyasviel/FramePackI2V_HY@abc123"
    assert info.checkpoint_sha256 == by_folder
    with pytest.raises(CheckpointError, match=r"framepack-f1 is not on this machine: transformer missing"):
        families.describe(F1, here())


@pytest.mark.parametrize(
    ("text", "source"),
    [
        ("/data/vae", Source(path=Path("/data/vae"))),
        ("owner/name", Source(repository="owner/name")),
        ("owner/name/a/b@v1", Source(repository="owner/name", folder="a/b", revision="v1")),
        ("Kijai/Hunyuan_comfy/x.safetensors", Source(repository="Kijai/Hunyuan_comfy", folder="x.safetensors")),
    ],
)
def test_sources(text: str, source: Source) -> None:
    assert parse_source(text) == source
    assert str(source) == text


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[framepak]\n", "Did you mean 'framepack'"),
        ('[framepack]\ntransfomer = "/x"\n', "Did you mean 'transformer'"),
        ('[framepack]\nvae = "nonsense"\n', "expected an absolute path, or owner/repository"),
        ('[framepack.dtypes]\nvae = "fp8"\n', "framepack.dtypes.vae is 'fp8'; expected one of fp32, bf16, fp16"),
        ("[framepack\n", "not valid TOML"),
    ],
)
def test_bad_configuration_names_file_and_key(configure: Callable[[str], None], text: str, message: str) -> None:
    configure(text)
    with pytest.raises(InputError, match=message) as caught:
        families.describe(I2V, here())
    assert "models.toml" in str(caught.value)


def test_part_of_ones_own_and_dtypes_come_from_the_configuration(
    folder: Path, tmp_path: Path, configure: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("FARM_FRAMEPACK_PATH")
    configure(f'[framepack]\nfolder = "{folder}"\n[framepack.dtypes]\ntransformer = "bf16"\ntext_encoder = "bf16"\n')
    renderer = families.load(I2V, here())
    assert renderer.device_class == "cpu-1t-bf16-fp32-bf16-fp32-fp32"
    assert renderer._transformer.dtype == torch.bfloat16 and renderer._vae.dtype == torch.float32


def single(
    folder: Path,
    path: Path,
    rename: Callable[[dict[str, torch.Tensor]], dict[str, torch.Tensor]],
    part: str = "transformer",
) -> Path:
    """A part as a single file with its configuration beside it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file({name: tensor.contiguous() for name, tensor in rename(weights_of(folder, part)).items()}, path)
    shutil.copy(folder / part / "config.json", path.with_suffix(".json"))
    return path


def to_fp8(weights: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Matrices of the blocks as 8-bit floats, the rest as it is."""
    return {
        name: tensor.to(torch.float8_e4m3fn) if tensor.ndim == 2 and "blocks." in name else tensor
        for name, tensor in weights.items()
    }


def with_scales(weights: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    scaled = {"scaled_fp8": torch.zeros(2, dtype=torch.float8_e4m3fn)}
    for name, tensor in weights.items():
        if tensor.ndim == 2 and "blocks." in name:
            scale = tensor.float().abs().max() / 448
            scaled[name] = (tensor.float() / scale).to(torch.float8_e4m3fn)
            scaled[name.removesuffix("weight") + "scale_weight"] = scale.reshape(1)
        else:
            scaled[name] = tensor
    return scaled


def with_row_scales(weights: dict[str, torch.Tensor], columns: tuple[int, ...] = ()) -> dict[str, torch.Tensor]:
    """A scale for each row, as [rows] or [rows, 1]."""
    scaled: dict[str, torch.Tensor] = {}
    for name, tensor in weights.items():
        scaled[name] = tensor
        if tensor.ndim == 2 and "blocks." in name:
            scale = tensor.float().abs().amax(dim=1) / 448 + 1e-12
            scaled[name] = (tensor.float() / scale[:, None]).to(torch.float8_e4m3fn)
            scaled[name.removesuffix("weight") + "weight_scale"] = scale.reshape(-1, *columns)
    return scaled


@pytest.mark.parametrize(
    ("rename", "tolerance"),
    [
        (lambda weights: weights, 0.0),
        (lambda weights: {f"model.diffusion_model.{name}": tensor for name, tensor in weights.items()}, 0.0),
        (to_fp8, 0.07),
        (with_scales, 0.07),
        (with_row_scales, 0.07),
        (lambda weights: with_row_scales(weights, (1,)), 0.07),
    ],
    ids=["bf16", "prefixed", "fp8", "scaled-fp8", "row-scaled-fp8", "column-of-scales"],
)
def test_single_files_give_the_same_transformer(
    folder: Path, tmp_path: Path, configure: Any, monkeypatch: pytest.MonkeyPatch, rename: Any, tolerance: float
) -> None:
    expected = families.load(I2V, here())._transformer.state_dict()
    monkeypatch.delenv("FARM_FRAMEPACK_PATH")
    file = single(folder, tmp_path / "FramePackI2V_HY_variant.safetensors", rename)
    configure(f'[framepack]\nfolder = "{folder}"\ntransformer = "{file}"\n')
    shutil.rmtree(folder / "transformer")
    renderer = families.load(I2V, here())
    assert renderer.info.origins["transformer"] == str(file)
    read = renderer._transformer.state_dict()
    assert read.keys() == expected.keys()
    for name, tensor in read.items():
        assert tensor.dtype == torch.float32
        assert (tensor - expected[name]).abs().max() <= tolerance * expected[name].abs().max(), name


def test_magcache_has_a_calibration_for_any_number_of_steps(folder: Path, picture: bytes) -> None:
    renderer = families.load(I2V, here())
    plan = make_plan(layout=renderer.info.layout, order="inverted", seconds=1, seed=3, prompt="The girl dances.")
    conditioning = renderer.encode(picture, ("The girl dances.",), "")
    known = {0: conditioning["start_latent"][:, 0]}
    for steps in (10, 25, 30):
        looks: list[Any] = []
        params = SamplingParams(steps=steps, cache="mag")
        renderer.denoise(plan.sections[0], known, conditioning, params, lambda done, of: None, looks.append)
        computed = looks[-1].computed["positive"]
        assert len(computed) == steps and 0.3 * steps < sum(computed) < steps


def test_gguf_file_renders_with_its_weights_in_blocks(
    folder: Path, tmp_path: Path, configure: Any, monkeypatch: pytest.MonkeyPatch, picture: bytes
) -> None:
    from gguf import GGMLQuantizationType

    wide = video(families.load(I2V, here()), picture, seconds=1)
    monkeypatch.delenv("FARM_FRAMEPACK_PATH")
    weights = {name: tensor.float() for name, tensor in weights_of(folder).items()}
    file = write_gguf(tmp_path / "FramePackI2V_HY-Q8_0.gguf", weights, GGMLQuantizationType.Q8_0)
    shutil.copy(folder / "transformer/config.json", file.with_suffix(".json"))
    configure(f'[framepack]\nfolder = "{folder}"\ntransformer = "{file}"\n')
    shutil.rmtree(folder / "transformer")
    renderer = families.load(I2V, here())
    assert renderer.device_class == "cpu-1t-gguf-fp32"
    narrow = video(renderer, picture, seconds=1)
    assert (narrow - wide).abs().mean() < 0.05 * wide.abs().mean()


def test_scales_that_are_not_understood_are_refused_by_name(
    folder: Path, tmp_path: Path, configure: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def of_columns(weights: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        rows = with_row_scales(weights)
        return {n: t.reshape(2, -1).clone() if n.endswith("weight_scale") else t for n, t in rows.items()}

    monkeypatch.delenv("FARM_FRAMEPACK_PATH")
    file = single(folder, tmp_path / "FramePackI2V_HY_blocks.safetensors", of_columns)
    configure(f'[framepack]\nfolder = "{folder}"\ntransformer = "{file}"\n')
    shutil.rmtree(folder / "transformer")
    with pytest.raises(CheckpointError, match=r"weight' has a scale \[2, .* one of the whole weight, of each row"):
        families.load(I2V, here())


def of_llama(weights: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """As in ComfyUI's llava_llama3_fp16.safetensors: of a model for texts, with its tokenizer."""
    inner = {f"model.{name}": tensor for name, tensor in weights.items()}
    head = weights["embed_tokens.weight"].clone()
    return {**inner, "lm_head.weight": head, "tokenizer": torch.zeros(5, dtype=torch.uint8)}


def of_clip(weights: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """As in clip_l.safetensors, with what some copies of it have besides."""
    more = {"logit_scale": torch.ones(()), "text_projection.weight": torch.ones(2, 2)}
    return {**weights, **more, "text_model.embeddings.position_ids": torch.arange(77)[None]}


def scaled_llama(weights: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """As in llava_llama3_fp8_scaled.safetensors: a scale of each matrix, and a mark without the names around."""
    made = {"scaled_fp8": torch.zeros(2, dtype=torch.float8_e4m3fn)}
    for name, tensor in of_llama(weights).items():
        made[name] = tensor
        if "_proj." in name:
            scale = tensor.float().abs().max() / 448
            made[name] = (tensor.float() / scale).to(torch.float8_e4m3fn)
            made[name.removesuffix("weight") + "scale_weight"] = scale
    return made


def narrowed(weights: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """What the weights of ``scaled_llama`` mean."""
    made = scaled_llama(weights)
    return {
        name: made[f"model.{name}"].float() * made.get(f"model.{name.removesuffix('weight')}scale_weight", 1)
        for name in weights
    }


def conditioned(picture: bytes) -> dict[str, torch.Tensor]:
    """What the family's encoders make of a picture and a prompt, and the codec of that picture's latent."""
    renderer = families.load(I2V, here())
    made = renderer.encode(picture, ("A cat.",), "")
    return {**made, "frame": renderer.decode(made["start_latent"])}


FILES = {
    "vae": ("hunyuan_video_vae_bf16.safetensors", comfy_codec),
    "text_encoder": ("llava_llama3_fp16.safetensors", of_llama),
    "text_encoder_2": ("clip_l.safetensors", of_clip),
    "image_encoder": ("sigclip_vision_patch14_384.safetensors", dict),
}
"""Parts as ComfyUI's users have them."""


@pytest.mark.parametrize("dtype", ["fp32", "bf16"])
def test_single_files_of_codec_and_encoders_give_the_bits_of_folders(
    folder: Path, tmp_path: Path, configure: Any, monkeypatch: pytest.MonkeyPatch, picture: bytes, dtype: str
) -> None:
    dtypes = "[framepack.dtypes]\n" + "".join(f'{part} = "{dtype}"\n' for part in FILES)
    monkeypatch.delenv("FARM_FRAMEPACK_PATH")
    configure(f'[framepack]\nfolder = "{folder}"\n{dtypes}')
    expected = conditioned(picture)
    sources = ""
    for part, (name, spell) in FILES.items():
        sources += f'{part} = "{single(folder, tmp_path / name, spell, part)}"\n'
        shutil.rmtree(folder / part)
    configure(f'[framepack]\nfolder = "{folder}"\n{sources}{dtypes}')
    found = conditioned(picture)
    assert found.keys() == expected.keys()
    for name, tensor in expected.items():
        assert found[name].equal(tensor), name


def test_codec_under_the_original_names_gives_the_bits_of_its_folder(
    folder: Path, tmp_path: Path, configure: Any, monkeypatch: pytest.MonkeyPatch, picture: bytes
) -> None:
    """Kijai's hunyuan_video_vae_fp32.safetensors: the original has diffusers' names, which may stand under a prefix."""
    expected = conditioned(picture)
    monkeypatch.delenv("FARM_FRAMEPACK_PATH")

    def spell(weights: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        return {f"vae.{name}": tensor.float() for name, tensor in weights.items()}

    file = single(folder, tmp_path / "hunyuan_video_vae_fp32.safetensors", spell, "vae")
    shutil.rmtree(folder / "vae")
    configure(f'[framepack]\nfolder = "{folder}"\nvae = "{file}"\n')
    found = conditioned(picture)
    assert all(found[name].equal(tensor) for name, tensor in expected.items())


def test_scaled_llama_gives_the_bits_of_what_its_numbers_mean(
    folder: Path, tmp_path: Path, configure: Any, monkeypatch: pytest.MonkeyPatch, picture: bytes
) -> None:
    weights = weights_of(folder, "text_encoder")
    file = single(folder, tmp_path / "llava_llama3_fp8_scaled.safetensors", scaled_llama, "text_encoder")
    wide = conditioned(picture)
    for shard in (folder / "text_encoder").glob("*.safetensors*"):
        shard.unlink()
    save_file(narrowed(weights), folder / "text_encoder/model.safetensors", metadata={"format": "pt"})
    expected = conditioned(picture)
    shutil.rmtree(folder / "text_encoder")
    monkeypatch.delenv("FARM_FRAMEPACK_PATH")
    configure(f'[framepack]\nfolder = "{folder}"\ntext_encoder = "{file}"\n')
    found = conditioned(picture)
    text = f"text.{prompt_key('A cat.')}"
    assert all(found[name].equal(tensor) for name, tensor in expected.items())
    assert not found[text].equal(wide[text])


def without_norm(weights: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {name: tensor for name, tensor in of_llama(weights).items() if name != "model.norm.weight"}


def with_short_norm(weights: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {**of_llama(weights), "model.norm.weight": torch.ones(3)}


def with_more(weights: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {**of_llama(weights), "model.layers.9.mlp.up_proj.weight": torch.ones(3)}


@pytest.mark.parametrize(
    ("part", "spell", "message"),
    [
        ("text_encoder", without_norm, r"weights 'norm\.weight' \(1 in all\) are missing"),
        ("text_encoder", with_short_norm, r"'norm\.weight' \(1 in all\) are misshapen .*: \[3\] in place of \[32\]"),
        ("text_encoder", with_more, r"weights 'layers\.9\.mlp\.up_proj\.weight' \(1 in all\) are unknown"),
        ("vae", of_llama, r"weights '.*' \(\d+ in all\) are missing"),
    ],
)
def test_single_file_that_does_not_fit_names_the_weight(
    folder: Path, tmp_path: Path, configure: Any, monkeypatch: pytest.MonkeyPatch, picture: bytes, part: str,
    spell: Any, message: str,
) -> None:  # fmt: skip
    monkeypatch.delenv("FARM_FRAMEPACK_PATH")
    file = single(folder, tmp_path / "one.safetensors", spell, "text_encoder")
    shutil.copy(folder / part / "config.json", file.with_suffix(".json"))
    shutil.rmtree(folder / part)
    configure(f'[framepack]\nfolder = "{folder}"\n{part} = "{file}"\n')
    with pytest.raises(CheckpointError, match=message) as caught:
        conditioned(picture)
    assert str(file) in str(caught.value) and "\n" not in str(caught.value)


def test_folder_whose_weights_another_library_stored_is_refused(folder: Path, picture: bytes) -> None:
    file = folder / "text_encoder/config.json"
    told = {"quant_method": "bitsandbytes", "load_in_4bit": True}
    file.write_text(json.dumps(json.loads(file.read_text()) | {"quantization_config": told}))
    with pytest.raises(CheckpointError, match=r"text_encoder: config\.json says that 'bitsandbytes' .* set the part"):
        conditioned(picture)


def test_only_the_transformer_may_be_a_gguf_file(
    folder: Path, tmp_path: Path, configure: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("FARM_FRAMEPACK_PATH")
    file = tmp_path / "llava-llama-3-8b-Q4_K_M.gguf"
    file.write_bytes(b"GGUF")
    shutil.rmtree(folder / "text_encoder")
    configure(f'[framepack]\nfolder = "{folder}"\ntext_encoder = "{file}"\n')
    with pytest.raises(CheckpointError, match=r"M\.gguf: a GGUF file can be the transformer, not the text_encoder"):
        families.describe(I2V, here())


def test_weights_may_stay_in_8_bits(
    folder: Path, configure: Callable[[str], None], monkeypatch: pytest.MonkeyPatch, picture: bytes
) -> None:
    wide = video(families.load(I2V, here()), picture, seconds=1)
    monkeypatch.delenv("FARM_FRAMEPACK_PATH")
    configure(f'[framepack]\nfolder = "{folder}"\n[framepack.dtypes]\ntransformer = "fp8"\n')
    renderer = families.load(I2V, here())
    assert renderer.device_class == "cpu-1t-fp8-fp32"
    assert renderer._transformer.transformer_blocks[0].attn.to_q.weight.dtype == torch.float8_e4m3fn
    narrow = video(renderer, picture, seconds=1)
    assert narrow.dtype == torch.float32 and not narrow.equal(wide)
    assert (narrow - wide).abs().mean() < 0.2 * wide.abs().mean()


def original_names(weights: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Double blocks as the original HunyuanVideo spells them."""
    spelled = dict(weights)
    for block in range(2):
        old, new = f"transformer_blocks.{block}.", f"double_blocks.{block}."
        for kind in ("weight", "bias"):
            for stream, names in (("img", "to_q to_k to_v"), ("txt", "add_q_proj add_k_proj add_v_proj")):
                parts = [spelled.pop(f"{old}attn.{name}.{kind}") for name in names.split()]
                spelled[f"{new}{stream}_attn_qkv.{kind}"] = torch.cat(parts)
        for name, other in (("attn.to_out.0", "img_attn_proj"), ("attn.to_add_out", "txt_attn_proj")):
            for kind in ("weight", "bias"):
                spelled[f"{new}{other}.{kind}"] = spelled.pop(f"{old}{name}.{kind}")
    return spelled


def test_names_of_the_original_model_are_understood(folder: Path, tmp_path: Path) -> None:
    from diffusers import HunyuanVideoFramepackTransformer3DModel as Transformer

    from model.single_file import read_single_file

    config = json.loads((folder / "transformer/config.json").read_bytes())
    file = single(folder, tmp_path / "single.safetensors", original_names)
    read = read_single_file(Transformer, file, config, torch.float32).state_dict()
    for name, tensor in weights_of(folder).items():
        assert read[name].equal(tensor.float()), name


def test_names_tell_i2v_from_f1(folder: Path, tmp_path: Path, configure: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("FARM_FRAMEPACK_PATH")
    monkeypatch.delenv("FARM_FRAMEPACK_F1_PATH")
    parts = "".join(f'{name} = "{folder / name}"\n' for name in family_facts(I2V)["parts"] if name != "transformer")
    for called, owner in (
        ("FramePackI2V_HY_fp8_e4m3fn.safetensors", I2V),
        ("FramePack_F1_I2V_HY_20250503_bf16.safetensors", F1),
        ("FramePackI2V_F1.safetensors", F1),
    ):
        file = single(folder, tmp_path / called, lambda weights: weights)
        configure("".join(f'[{name}]\ntransformer = "{file}"\n{parts}' for name in (I2V, F1)))
        families.describe(owner, here())
        other = F1 if owner == I2V else I2V
        with pytest.raises(CheckpointError, match=f"so it is {owner}'s; use --model {owner}"):
            families.describe(other, here())
    configure(f'[framepack]\ntransformer = "lllyasviel/FramePack_F1_I2V_HY_20250503"\n{parts}')
    with pytest.raises(CheckpointError, match=f"so it is {F1}'s"):
        families.describe(I2V, here())


def test_bytes_tell_i2v_from_f1(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A copy under a name that says nothing is known by the digests of the one in the hub's cache."""
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    families.describe(F1, here())
    place = tmp_path / "cache/models--lllyasviel--FramePackI2V_HY"
    (place / "refs").mkdir(parents=True)
    (place / "refs/main").write_text("abc123")
    shutil.copytree(folder / "transformer", place / "snapshots/abc123")
    families.describe(I2V, here())
    with pytest.raises(CheckpointError, match="same bytes as lllyasviel/FramePackI2V_HY, which is framepack's"):
        families.describe(F1, here())


def test_layout_beside_the_weights_must_agree(folder: Path) -> None:
    (folder / "family.json").write_text(json.dumps({"layout": "f1k1_x_td_f16k4f2k2f1k1_g9", "buckets": [[64, 64]]}))
    assert families.describe(F1, here()).buckets == ((64, 64),)
    with pytest.raises(CheckpointError, match=r"family\.json says .* trained with layout f1k1_x_td"):
        families.describe(I2V, here())


def shard_missing(folder: Path) -> str:
    next((folder / "transformer").glob("*-00002-of-*")).unlink()
    return "-00002-of-"


def shard_cut(folder: Path) -> str:
    file = next((folder / "text_encoder").glob("*-00001-of-*"))
    file.write_bytes(file.read_bytes()[:-10])
    return f"{file.name} has"


def tokenizer_empty(folder: Path) -> str:
    for file in (folder / "tokenizer_2").iterdir():
        file.unlink()
    return "no tokenizer_2 there"


def other_model(folder: Path) -> str:
    file = folder / "vae/diffusion_pytorch_model.safetensors"
    save_file({"conv.weight": torch.zeros(2)}, file)
    return "are missing for its configuration"


def wrong_shape(folder: Path) -> str:
    file = next((folder / "transformer").glob("*-00001-of-*"))
    weights = load_file(file)
    name = next(name for name in weights if name.endswith("proj_2x.weight") or name.endswith("to_q.weight"))
    weights[name] = weights[name][:-1].clone()
    save_file(weights, file, metadata={"format": "pt"})
    return f"'{name}' (1 in all) are misshapen for its configuration"


@pytest.mark.parametrize(
    "damage", [shard_missing, shard_cut, tokenizer_empty, other_model, wrong_shape], ids=lambda f: f.__name__
)
def test_damage_is_one_clear_line(folder: Path, damage: Callable[[Path], str]) -> None:
    expected = damage(folder)
    with pytest.raises(CheckpointError) as caught:
        families.load(I2V, here())
    assert expected in str(caught.value) and "\n" not in str(caught.value)


def test_folder_that_is_set_but_missing_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("FARM_FRAMEPACK_PATH", str(tmp_path / "nowhere"))
    with pytest.raises(CheckpointError, match=r"no model checkpoint at .*nowhere.*FARM_FRAMEPACK_PATH"):
        families.describe(I2V, here())


def test_encoders_are_freed_where_memory_is_short(
    folder: Path, picture: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    import model.encoders as encoders

    renderer = families.load(I2V, here())
    before = renderer.encode(picture, ("A cat.",), "")
    assert "text_encoder" in renderer._encoders.loaded
    monkeypatch.setattr(encoders, "total_memory", lambda device: 1000)
    again = renderer.encode(picture, ("A cat.",), "")
    assert not {"text_encoder", "text_encoder_2", "image_encoder"} & set(renderer._encoders.loaded)
    assert all(again[name].equal(before[name]) for name in before)
