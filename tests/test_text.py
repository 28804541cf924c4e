import json

import pytest

from conversations.text import MAX_NESTING, find_unstorable, is_storable, replace_unstorable


@pytest.mark.parametrize(("text", "replaced"), [("a\0b", "a\ufffdb"), ("é\ud800", "é\ufffd")])
def test_text_with_nul_or_surrogate_is_unstorable(text, replaced):
    assert not is_storable(text)
    assert replace_unstorable(text) == replaced
    assert is_storable(replaced)


@pytest.mark.parametrize(
    ("document", "path"),
    [
        ({"a": [0, "\0"]}, ("a", 1)),
        ({"\ud800": 1}, ("'\\ud800'",)),
        ([1e300, float("inf")], (1,)),
        (json.loads("[" * (MAX_NESTING + 1) + "]" * (MAX_NESTING + 1)), (0,) * MAX_NESTING),
    ],
)
def test_unstorable_value_is_found_with_its_path(document, path):
    assert find_unstorable(document).path == path


def test_json_of_storable_values_has_no_problem():
    nested = json.loads("[" * MAX_NESTING + "]" * MAX_NESTING)

    assert find_unstorable(nested) is None
    assert find_unstorable({"a": ["é", 1, 1.5, None, True]}) is None
