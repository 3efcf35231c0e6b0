"""The shipped files are what the generator writes, byte for byte."""

from argosy.samples import LANGUAGES
from argosy.samples.writing import ROOT, write_all


def test_the_shipped_files_are_what_the_generator_writes(tmp_path):
    write_all(tmp_path)
    for language in LANGUAGES:
        written = sorted(p.name for p in (tmp_path / language).iterdir())
        assert written == sorted(p.name for p in (ROOT / language).iterdir())
        for name in written:
            assert (tmp_path / language / name).read_bytes() == (ROOT / language / name).read_bytes(), name
