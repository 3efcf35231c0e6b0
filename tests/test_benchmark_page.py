"""The page of figures keeps what was measured elsewhere: measuring one part on a new machine loses no other."""

import json

from bench.page import write_page

ABOUT = {
    "measured_at": 0,
    "took_s": 60,
    "machine": {"processor": "CPU", "cores": 2, "system": "Linux", "python": "3.11"},
    "command": "python -m bench journal",
}


def test_a_part_that_was_not_measured_here_stays(tmp_path):
    here, elsewhere, page = tmp_path / "here", tmp_path / "elsewhere", tmp_path / "benchmarks.md"
    for folder, figure in ((here, 100), (elsewhere, 200)):
        folder.mkdir()
        (folder / "journal.json").write_text(json.dumps([{"intents_per_s": figure}]))
        (folder / "journal.about.json").write_text(json.dumps(ABOUT | {"bf16_gflops": 414}))
    (here / "engine.json").write_text(
        json.dumps({"1": {"bare_tokens_per_s": 1, "through_tokens_per_s": 2, "ratio": 2}})
    )
    (here / "engine.about.json").write_text(json.dumps(ABOUT))

    write_page(here, page)
    first = page.read_text()
    write_page(elsewhere, page)
    second = page.read_text()

    assert "intents_per_s 100" in first
    assert "414 GFLOP/s" in first
    assert second == first.replace("intents_per_s 100", "intents_per_s 200")
    assert write_page(elsewhere, page).read_text() == second
