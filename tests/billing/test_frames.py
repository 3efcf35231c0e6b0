"""Records on disk: read as they were written, or not at all."""

from hypothesis import given
from hypothesis import strategies as st

from argosy.billing import UsageEvent
from argosy.billing.frames import Progress, Void, decode, encode

records = st.one_of(
    st.builds(Progress, st.text(max_size=20), st.integers(0, 2**60), st.integers(0, 2**60)),
    st.builds(Void, st.text(max_size=20)),
    st.builds(
        UsageEvent,
        id=st.text(max_size=20),
        project_id=st.just("proj_a"),
        key_id=st.none(),
        kind=st.just("completion"),
        model=st.text(max_size=20),
        base_model=st.just("ship"),
        price_version=st.just("price_1"),
        started_us=st.just(1),
        finished_us=st.just(2),
        prompt_tokens=st.integers(0, 2**60),
    ),
)
journals = st.lists(records, max_size=8)


@given(journals)
def test_what_was_written_is_read(written: list[object]) -> None:
    reading = decode(b"".join(map(encode, written)))  # type: ignore[arg-type]
    assert (reading.records, reading.torn, reading.damaged) == (written, False, False)


@given(journals, records, st.data())
def test_a_torn_end_costs_only_the_torn_record(written: list[object], last: object, data: st.DataObject) -> None:
    frame = encode(last)  # type: ignore[arg-type]
    cut = data.draw(st.integers(1, len(frame) - 1))
    reading = decode(b"".join(map(encode, written)) + frame[:cut])  # type: ignore[arg-type]
    assert (reading.records, reading.torn, reading.damaged) == (written, True, False)


@given(journals, records, st.lists(records, min_size=1, max_size=5), st.data())
def test_a_bad_middle_is_noticed_and_the_rest_is_read(
    before: list[object], bad: object, after: list[object], data: st.DataObject
) -> None:
    frame = bytearray(encode(bad))  # type: ignore[arg-type]
    place = data.draw(st.integers(0, len(frame) - 1))
    frame[place] ^= data.draw(st.integers(1, 255))
    reading = decode(b"".join(map(encode, before)) + bytes(frame) + b"".join(map(encode, after)))  # type: ignore[arg-type]
    assert reading.records == before + after
    assert reading.damaged


@given(st.binary(max_size=300))
def test_any_bytes_can_be_read(noise: bytes) -> None:
    assert decode(b"AJ1\n" + noise).records == []


def test_a_preallocated_tail_of_zeros_is_a_torn_end() -> None:
    reading = decode(encode(Void("req_1")) + bytes(4096))
    assert (reading.records, reading.torn, reading.damaged) == ([Void("req_1")], True, False)
