"""Weights in another precision: near the originals, complete, and never half written."""

import shutil
from pathlib import Path

import gguf
import numpy as np
import pytest
from tests.serving.tiny import write_model

from argosy.core import Invalid, OutOfSpace
from argosy.serving.quantise import quantise


def weights(path: Path) -> dict[str, np.ndarray]:
    return {t.name: gguf.dequantize(t.data, t.tensor_type) for t in gguf.GGUFReader(path).tensors}


@pytest.mark.parametrize(("form", "error_max"), [("Q4_0", 0.1), ("Q8_0", 0.006)])
def test_matrices_are_packed_and_vectors_kept(tmp_path: Path, form: str, error_max: float) -> None:
    source, target = write_model(tmp_path / "source.gguf"), tmp_path / "target.gguf"
    quantise(source, target, form)
    before, after = weights(source), weights(target)
    assert list(before) == list(after)
    for name, values in before.items():
        assert after[name].shape == values.shape
        error = np.abs(after[name] - values).mean() / np.abs(values).mean()
        assert error == 0 if values.ndim == 1 else 0 < error < error_max, name
    assert {t.tensor_type.name for t in gguf.GGUFReader(target).tensors} == {"F32", form}


def test_the_metadata_is_kept(tmp_path: Path) -> None:
    source, target = write_model(tmp_path / "source.gguf"), tmp_path / "target.gguf"
    quantise(source, target, "Q4_0")
    before, after = gguf.GGUFReader(source).fields, gguf.GGUFReader(target).fields
    changed = [
        name for name in before if not name.startswith("GGUF.") and before[name].contents() != after[name].contents()
    ]
    assert changed == ["general.file_type"]
    assert list(before) == list(after)


def test_a_file_that_is_no_model_is_refused_and_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "bad.gguf").write_bytes(b"GGUF" + b"\0" * 5000)
    with pytest.raises(Invalid, match=r"bad.gguf is not a GGUF file.*deploy the model again"):
        quantise(tmp_path / "bad.gguf", tmp_path / "target.gguf", "Q4_0")
    assert [path.name for path in tmp_path.iterdir()] == ["bad.gguf"]


def test_a_full_disk_is_said_before_anything_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = write_model(tmp_path / "source.gguf")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(100, 99, 1))
    with pytest.raises(OutOfSpace, match="Free some space"):
        quantise(source, tmp_path / "target.gguf", "Q4_0")
    assert [path.name for path in tmp_path.iterdir()] == ["source.gguf"]
