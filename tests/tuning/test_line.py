import threading
import time

import pytest

from argosy.runtime.shifts import Interrupted
from argosy.tuning.line import Line


def test_the_oldest_goes_first_and_only_the_first_asks():
    line = Line(threading.Event())
    asked, entered, doors = [], [], {"b": False, "a": False}

    def wait(key):
        line.wait(key, lambda: asked.append(key) or doors[key])
        entered.append(key)

    threads = [threading.Thread(target=wait, args=(key,)) for key in ("b", "a")]
    threads[0].start()
    time.sleep(0.05)
    threads[1].start()
    time.sleep(0.05)
    asked.clear()
    time.sleep(0.25)
    assert set(asked) == {"a"}, "b waits behind a, and costs nothing"
    doors["a"] = doors["b"] = True
    for thread in threads:
        thread.join(5)
    assert entered == ["a", "b"]


def test_stopping_lets_go_of_those_who_wait():
    stopping = threading.Event()
    stopping.set()
    with pytest.raises(Interrupted):
        Line(stopping).wait("a", lambda: False)
