"""The order in which lines are asked."""

from argosy.batches.lines import Line
from argosy.batches.queue import Queue


def lines(*models):
    return iter([Line(number, str(number), model, b"{}") for number, model in enumerate(models, 1)])


def test_lines_come_in_the_files_order():
    queue = Queue(lines("a", "b", "a"))
    assert [queue.take(0.0).number for _ in range(3)] == [1, 2, 3]
    assert not queue.is_empty
    assert queue.take(0.0) is None
    assert queue.is_empty


def test_a_model_that_refuses_is_left_alone_and_the_others_are_not():
    queue = Queue(lines("a", "a", "b", "a", "b"))
    queue.put_back(queue.take(0.0), until=5.0)
    assert [queue.take(1.0).number for _ in range(2)] == [3, 5]
    assert queue.take(1.0) is None
    assert not queue.is_empty
    assert [queue.take(5.0).number for _ in range(3)] == [1, 2, 4]
    assert queue.is_empty


def test_the_longer_of_two_waits_counts():
    queue = Queue(lines("a", "a"))
    first, second = queue.take(0.0), queue.take(0.0)
    queue.put_back(first, until=9.0)
    queue.put_back(second, until=3.0)
    assert queue.take(8.0) is None


def test_only_so_much_is_kept_in_memory():
    read = []

    def endless():
        for number in range(1000):
            read.append(number)
            yield Line(number, str(number), "a", b"x" * 10)

    queue = Queue(endless(), aside_bytes_max=100)
    queue.put_back(queue.take(0.0), until=5.0)
    assert queue.take(1.0) is None
    assert len(read) == 11
    assert queue.take(5.0).number == 0
