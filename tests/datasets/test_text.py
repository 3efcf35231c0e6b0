from argosy.datasets.text import LINE_LIMIT_BYTES, lines_of


def test_lines_keep_their_numbers(tmp_path):
    path = tmp_path / "text"
    path.write_bytes(b"\xef\xbb\xbfone\r\n\n  \n four \n" + b"x" * (3 * LINE_LIMIT_BYTES) + b"\nsix")
    assert list(lines_of(path)) == [(1, b"one"), (4, b"four"), (5, None), (6, b"six")]


def test_a_line_of_exactly_the_limit_is_read(tmp_path):
    path = tmp_path / "text"
    path.write_bytes(b"x" * (LINE_LIMIT_BYTES - 1) + b"\nnext")
    assert [number for number, line in lines_of(path) if line] == [1, 2]
