import pytest

from conversations.domain.errors import BlockTooLong, StaleVersion
from conversations.domain.memory.blocks import write_block

from ...factories import actor, make_block


def test_each_edit_writes_one_revision(alice):
    block = make_block(alice, value="one")

    write_block(block, by=actor(alice), value="two")
    write_block(block, by=actor(alice), tags=["x"], description="what for")

    history = [(r.number, r.value, r.description) for r in block.revisions.all()]
    assert history == [(3, "two", "what for"), (2, "two", None), (1, "one", None)]
    block.refresh_from_db()
    assert block.version == 3


def test_write_without_change_writes_no_revision(alice):
    block = make_block(alice, value="one")

    same = write_block(block, by=actor(alice), value="one", expected_version=7)

    assert same.version == 1
    assert block.revisions.count() == 1


def test_value_over_limit_changes_nothing(alice):
    block = make_block(alice, value="one", limit=5)

    with pytest.raises(BlockTooLong, match="at most 5 characters in block"):
        write_block(block, by=actor(alice), value="longer", description="new")

    block.refresh_from_db()
    assert (block.value, block.description, block.version) == ("one", None, 1)
    assert block.revisions.count() == 1


def test_write_at_older_version_is_stale(alice, bob):
    block = make_block(alice, value="one")
    write_block(block, by=actor(bob), value="two", expected_version=1)

    with pytest.raises(StaleVersion) as error:
        write_block(block, by=actor(alice), value="three", expected_version=1)

    assert (error.value.version, error.value.value) == (2, "two")
    assert block.revisions.count() == 2


def test_true_and_1_differ_in_metadata(alice):
    block = make_block(alice, metadata={"seen": 1})

    write_block(block, by=actor(alice), metadata={"seen": True})

    block.refresh_from_db()
    assert block.metadata["seen"] is True
    assert block.version == 2
