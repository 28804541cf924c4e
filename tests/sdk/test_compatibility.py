"""docs/compatibility.md says what the methods of the official client do."""

import pytest

from .compatibility.document import DIFFERENCES, PAGE, probe, render


@pytest.fixture(scope="module")
def results():
    return probe()


def test_page_is_what_the_server_does(results):
    assert render(results).splitlines() == PAGE.read_text().splitlines()


def test_no_method_fails(results):
    assert [result for result in results if result.kind == "fails"] == []


def test_differences_are_of_methods_that_work(results):
    works = {result.name for result in results if result.status == 200}

    assert set(DIFFERENCES) - works == set()
