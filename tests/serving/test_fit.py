"""Fitting measures with the real engine once, and remembers."""

import json
import shutil
from pathlib import Path

import pytest
from tests.serving.tiny import CONTEXT, write_model

from argosy.core import ArgosyError, OutOfSpace
from argosy.serving import fit as fitting
from argosy.serving.fit import CALIBRATED, PERPLEXITY_MAX, adopt, best, fit, recall
from argosy.serving.measuring import Measured, Reference


@pytest.fixture
def source(tmp_path: Path) -> Path:
    (tmp_path / "model").mkdir()
    return write_model(tmp_path / "model" / "tiny.gguf")


def test_the_first_time_measures_and_the_second_time_remembers(source: Path, tmp_path: Path) -> None:
    told: list[str] = []
    fitted = fit(source, tmp_path / "run", told.append)
    assert set(fitted.measured) == {"F32", "Q4_0", "Q8_0"}
    assert fitted.quantisation == best(fitted.measured)
    shipped, packed = fitted.measured["F32"], fitted.measured["Q4_0"]
    assert (shipped.perplexity, shipped.agreement) == (1.0, 1.0)
    assert packed.perplexity > fitted.measured["Q8_0"].perplexity  # a random model is hard on four bits
    assert fitted.measured["Q8_0"].perplexity == pytest.approx(1, abs=0.1)
    assert 0 < packed.agreement < 1
    assert min(packed.one_stream, packed.sixteen_streams, packed.read_one, packed.read_sixteen) > 0
    assert packed.size_bytes < shipped.size_bytes
    assert fitted.characters_per_token > 0
    assert fitted.shape.context_length == CONTEXT
    assert "Measuring Q4_0" in told
    told.clear()
    assert fit(source, tmp_path / "run", told.append) == fitted
    assert told == []


@pytest.fixture
def speeds(monkeypatch: pytest.MonkeyPatch) -> dict[str, float]:
    """Speeds at 16 streams by a part of the file's name, instead of real measurements."""
    table = {"q4_0": 300.0, "q8_0": 200.0, "tiny.gguf": 100.0}

    def measure(path: Path, scratch: Path, reference: Reference | None) -> tuple[Measured, Reference]:
        speed = next(table[part] for part in table if part in path.name)
        return measured(speed), reference or Reference([], [], [], 4.0)

    monkeypatch.setattr(fitting, "measure", measure)
    return table


def measured(sixteen_streams: float, perplexity: float = 1.0) -> Measured:
    return Measured(1.0, sixteen_streams, 1.0, 1.0, perplexity, 1.0, 1)


def test_the_fastest_is_not_chosen_if_it_answers_as_another_model() -> None:
    forms = {"F32": measured(100), "Q4_0": measured(300, PERPLEXITY_MAX + 0.01), "Q8_0": measured(200, PERPLEXITY_MAX)}
    assert best(forms) == "Q8_0"
    assert best({**forms, "Q8_0": measured(200, 1.5)}) == "F32"


def test_four_bits_that_are_fast_but_another_model_are_calibrated(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    perplexities = {"q4_0.": 1.4, "iq4_nl.": 1.1, "q8_0.": 1.0, "tiny.gguf": 1.0}

    def measure(path: Path, scratch: Path, reference: Reference | None) -> tuple[Measured, Reference]:
        part = next(part for part in perplexities if part in path.name)
        return measured(300 if "q4" in part else 100, perplexities[part]), reference or Reference([], [], [], 4.0)

    monkeypatch.setattr(fitting, "measure", measure)
    assert fit(source, tmp_path / "run", lambda _: None).quantisation == "F32"  # it takes minutes: only if asked for
    fitted = fit(source, tmp_path / "run", lambda _: None, thorough=True)  # the texts come from the real engine
    assert (fitted.quantisation, fitted.path.name) == (CALIBRATED, "tiny.argosy-iq4_nl.gguf")
    assert sorted(path.name for path in source.parent.iterdir()) == ["fit.json", fitted.path.name, "tiny.gguf"]


@pytest.mark.usefixtures("speeds")
def test_what_was_found_for_the_same_file_elsewhere_is_taken_over(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = fit(source, tmp_path / "run", lambda _: None)
    (tmp_path / "copy").mkdir()
    copy = Path(shutil.copy2(source, tmp_path / "copy"))
    adopt(copy, source.parent)
    monkeypatch.setattr(fitting, "measure", None)
    found = fit(copy, tmp_path / "run", lambda _: None)
    assert (found.quantisation, found.path.parent) == (first.quantisation, copy.parent)
    write_model(copy, seed=2)
    (copy.parent / "fit.json").unlink()
    adopt(copy, source.parent)  # another file: nothing to take over
    assert recall(copy) is None


@pytest.mark.usefixtures("speeds")
def test_a_form_that_is_wanted_is_served_unmeasured(source: Path, tmp_path: Path) -> None:
    fitted = fit(source, tmp_path / "run", lambda _: None, "Q8_0")
    assert (fitted.path.name, fitted.quantisation, fitted.measured) == ("tiny.argosy-q8_0.gguf", "Q8_0", {})


@pytest.mark.usefixtures("speeds")
def test_another_file_of_the_same_name_is_packed_anew(source: Path, tmp_path: Path) -> None:
    first = fit(source, tmp_path / "run", lambda _: None).path.read_bytes()
    write_model(source, seed=2)
    assert fit(source, tmp_path / "run", lambda _: None).path.read_bytes() != first


@pytest.mark.usefixtures("speeds")
def test_the_fastest_is_kept_and_the_others_are_removed(source: Path, tmp_path: Path) -> None:
    fitted = fit(source, tmp_path / "run", lambda _: None)
    assert fitted.path.name == "tiny.argosy-q4_0.gguf"
    assert sorted(path.name for path in source.parent.iterdir()) == ["fit.json", fitted.path.name, "tiny.gguf"]


@pytest.mark.usefixtures("speeds")
def test_a_packed_file_that_was_deleted_is_made_again_without_measuring(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fit(source, tmp_path / "run", lambda _: None).path.unlink()
    monkeypatch.setattr(fitting, "measure", None)
    assert fit(source, tmp_path / "run", lambda _: None).path.exists()


def test_another_machine_measures_anew(source: Path, tmp_path: Path, speeds: dict[str, float]) -> None:
    fit(source, tmp_path / "run", lambda _: None)
    cache = source.with_name("fit.json")
    saved = json.loads(cache.read_text())
    saved["identity"]["cpu"] = "Another"
    cache.write_text(json.dumps(saved))
    speeds["q8_0"] = 400.0
    assert fit(source, tmp_path / "run", lambda _: None).quantisation == "Q8_0"


@pytest.mark.usefixtures("speeds")
def test_without_space_the_shipped_file_is_served_and_said_so(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OutOfSpace("The disk is full.", code="disk_full")

    monkeypatch.setattr(fitting, "quantise", refuse)
    fitted = fit(source, tmp_path / "run", lambda _: None)
    assert (fitted.path, fitted.quantisation) == (source, "F32")
    assert "The disk is full" in fitted.note


def test_damaged_weights_cannot_be_fitted(tmp_path: Path) -> None:
    (tmp_path / "bad.gguf").write_bytes(b"GGUF" + b"\0" * 5000)
    with pytest.raises(ArgosyError, match=r"bad.gguf is not a GGUF file"):
        fit(tmp_path / "bad.gguf", tmp_path / "run", lambda _: None)
