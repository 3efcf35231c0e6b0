"""Calibrated rounding loses less of what a matrix gives out, and writes what the engine reads."""

from pathlib import Path

import gguf
import numpy as np
from tests.serving.tiny import LETTERS, write_model

from argosy.serving.calibrate import _Inputs, _round, calibrate, can_calibrate
from argosy.serving.quantise import quantise


def tensors(path: Path) -> dict[str, np.ndarray]:
    return {t.name: gguf.dequantize(t.data, t.tensor_type) for t in gguf.GGUFReader(path).tensors}


def test_inputs_that_move_together_make_up_for_one_another() -> None:
    random = np.random.default_rng(3)
    inputs = random.standard_normal((512, 8)) @ random.standard_normal((8, 64))  # 64 columns, 8 directions
    inputs = (inputs + 0.05 * random.standard_normal(inputs.shape)).astype(np.float32)
    matrix = random.standard_normal((32, 64)).astype(np.float32)
    plain, _ = _round(matrix, _Inputs(None))
    calibrated, packed = _round(matrix, _Inputs(inputs))

    def lost(rounded: np.ndarray) -> float:
        return float(np.square(inputs @ (rounded - matrix).T).mean())

    assert lost(calibrated) < 0.3 * lost(plain)
    assert np.array_equal(gguf.dequantize(packed, gguf.GGMLQuantizationType.IQ4_NL), calibrated)


def test_an_empty_block_stays_empty() -> None:
    rounded, packed = _round(np.zeros((2, 64), np.float32), _Inputs(np.ones((4, 64), np.float32)))
    assert not rounded.any()
    assert not gguf.dequantize(packed, gguf.GGMLQuantizationType.IQ4_NL).any()


def test_a_whole_model_is_packed_and_its_answers_are_nearer(tmp_path: Path) -> None:
    source = write_model(tmp_path / "tiny.gguf")
    random = np.random.default_rng(1)
    texts = random.integers(0, LETTERS, (16, 64)).tolist()
    assert can_calibrate(source)
    told: list[str] = []
    calibrate(source, tmp_path / "calibrated.gguf", texts, told.append)
    quantise(source, tmp_path / "plain.gguf", "Q4_0")
    before, after, plain = (tensors(tmp_path / f"{name}.gguf") for name in ("tiny", "calibrated", "plain"))
    assert {name: values.shape for name, values in before.items()} == {n: v.shape for n, v in after.items()}
    assert {t.tensor_type.name for t in gguf.GGUFReader(tmp_path / "calibrated.gguf").tensors} == {"F32", "IQ4_NL"}
    assert told == ["Calibrating four bits: layer 1 of 2", "Calibrating four bits: layer 2 of 2"]
    # What reaches the first layer is known exactly here, so that its first matrix can be judged.
    x = before["token_embd.weight"][np.array(texts)].reshape(-1, before["token_embd.weight"].shape[1])
    x = x / np.sqrt((x * x).mean(1, keepdims=True) + 1e-5)
    name = "blk.0.ffn_up.weight"
    assert not np.array_equal(after[name], plain[name])
    query = "blk.0.attn_q.weight"
    losses = [np.square(x @ (packed[query] - before[query]).T).mean() for packed in (after, plain)]
    assert losses[0] < losses[1]


def test_models_of_other_kinds_are_not_tried(tmp_path: Path) -> None:
    source = write_model(tmp_path / "tiny.gguf")
    content = source.read_bytes()
    other = tmp_path / "other.gguf"
    other.write_bytes(content.replace(b"llama", b"qwen2"))
    assert not can_calibrate(other)
