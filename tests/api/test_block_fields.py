"""A block field is declared in three places: the model, BlockFields and the JSON shapes."""

from conversations.api.serializers.blocks import CreateBlockBody
from conversations.api.shapes.blocks import BlockJSON
from conversations.domain.memory.blocks import REVISION_ATTRIBUTES, BlockFields, write_block
from conversations.domain.memory.isolation import isolate_label
from conversations.models import Block
from conversations.transfer.agent_files.model import BlockAttributes, FileBlock

from ..factories import actor, make_agent, make_conversation

FIELDS = set(BlockFields.__annotations__)
# One value per field that is not the default.
VALUES = {
    "label": "human",
    "value": "text",
    "limit": 77,
    "description": "about a person",
    "metadata": {"a": 1},
    "read_only": True,
    "copy_on_write": True,
    "hidden": True,
    "tags": ["t"],
    "is_template": True,
    "template_name": "person",
    "project_id": "p",
}


def test_every_editable_column_is_a_block_field():
    editable = {field.name for field in Block._meta.concrete_fields if field.editable}

    assert editable - {"organization", "created_by", "last_updated_by"} == FIELDS


def test_every_shape_of_a_block_has_every_field():
    assert set(BlockJSON.__annotations__) >= FIELDS
    assert set(CreateBlockBody().fields) == FIELDS
    assert set(BlockAttributes.model_fields) == set(REVISION_ATTRIBUTES)
    assert set(FileBlock.model_fields) >= FIELDS


def test_every_field_is_stored_returned_and_in_revision(client_for, alice):
    assert set(VALUES) == FIELDS

    answer = client_for(alice).post("/v1/blocks/", VALUES).json()

    assert {name: answer[name] for name in FIELDS} == VALUES
    revision = Block.objects.get(pk=answer["id"]).revisions.get()
    assert revision.state == VALUES


def test_isolated_block_omits_copy_on_write_and_templates(alice):
    agent = make_agent(alice, labels=["human"])
    shared = write_block(agent.blocks.get(), by=actor(alice), **VALUES)

    block = isolate_label(make_conversation(agent), "human", by=actor(alice)).block

    copied = {name: getattr(block, name) for name in FIELDS}
    assert copied == {name: getattr(shared, name) for name in FIELDS} | {
        "copy_on_write": False,
        "is_template": False,
        "template_name": None,
    }
