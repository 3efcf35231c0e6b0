"""How the soak judges what a caller saw, and what becomes of the engine's answers with other words."""

import json

import pytest
from bench.soak_outcomes import Soak, judge, judge_differing


def stream(text, *endings):
    events = [{"choices": [{"delta": {"content": text}}]}, *endings]
    return b"".join(f"data: {one if isinstance(one, str) else json.dumps(one)}\n\n".encode() for one in events)


@pytest.mark.parametrize(
    ("status", "streams", "said", "outcome"),
    [
        (200, True, stream("Hello", "[DONE]"), "whole"),
        (200, True, stream("Hallo", "[DONE]"), "other words"),
        (200, True, stream("Hel", {"error": {"code": "upstream_cut"}}), "told"),
        (200, True, stream("Hel"), "unexplained"),
        (200, True, stream("Hal", {"error": {"code": "upstream_cut"}}), "unexplained"),
        (200, True, stream("Hello", {"error": {}}, "[DONE]"), "unexplained"),
        (200, False, b'{"choices":[{"message":{"content":"Hello"}}]}', "whole"),
        (200, False, b'{"choices":[{"message":{"content":"Hi"}}]}', "other words"),
        (502, False, b'{"error":{"code":"engine_failed"}}', "refused"),
        (500, False, b'{"error":{"code":"internal"}}', "unexplained"),
        (200, False, b"", "unexplained"),
    ],
)
def test_an_outcome_is_what_was_promised_or_unexplained(status, streams, said, outcome):
    assert judge(status, streams, said, "Hello")[0] == outcome


def test_other_words_are_explained_by_near_ties_or_not_at_all(tmp_path):
    class Told:
        def ties(self, ask, said, count, bound):
            assert (count, bound) == (16, 0.5)
            return {"near": [{"gap": 0.01}], "far": None, "first": []}[said]

    (tmp_path / "api.log").write_text('{"event":"request","request_id":"req_far","resumed":1}\nother\n')
    soak = Soak("http://127.0.0.1:1", "key")
    for said in ("near", "far", "first"):
        soak.note(f"req_{said}", "whole", "", 1.0)
        soak.differing.append({"id": f"req_{said}", "ask": "?", "said": said, "wanted": "x"})
    judge_differing(soak, Told(), tmp_path, 16, 0.5)
    assert +soak.counts == {"near tie": 1, "unexplained": 1, "whole": 1}
    assert [one.startswith("req_far: 'far'") for one in soak.unexplained] == [True]
    assert [one["carried_on"] for one in soak.differing] == [None, 1, None]
