"""Create, retrieve, update, filter, count, paginate and delete blocks."""

from common import MODEL, WORLD, connect, equal, expect_error, passed
from letta_client import NotFoundError

client = connect()
made = client.blocks.create(
    label="notes/today",
    value="alpha",
    limit=50,
    description="what happened",
    metadata={"k": {"deep": [1, None]}},
    read_only=True,
    tags=["x", "y"],
)
equal((made.label, made.value, made.limit), ("notes/today", "alpha", 50))
equal((made.description, made.metadata), ("what happened", {"k": {"deep": [1, None]}}))
equal((made.read_only, made.tags, made.is_template), (True, ["x", "y"], False))
equal(made.created_by_id, WORLD["user_id"])
equal(client.blocks.retrieve(made.id), made)

changed = client.blocks.update(made.id, value="beta", description="later", tags=["z"])
equal((changed.value, changed.description, changed.tags), ("beta", "later", ["z"]))
equal((changed.label, changed.limit, changed.read_only), ("notes/today", 50, True))
equal(changed.last_updated_by_id, WORLD["user_id"])

plain = client.blocks.create(label="human", value="")
equal((plain.value, plain.limit, plain.description), ("", 100000, None))
hidden = client.blocks.create(label="human", value="h", hidden=True, tags=["z"])
template = client.blocks.create(label="human", value="t", is_template=True, template_name="T")

equal([b.id for b in client.blocks.list()], [made.id, plain.id, template.id])
equal([b.id for b in client.blocks.list(order="desc")], [template.id, plain.id, made.id])
equal([b.id for b in client.blocks.list(label="human")], [plain.id, template.id])
equal([b.id for b in client.blocks.list(tags=["z"])], [made.id])
equal([b.id for b in client.blocks.list(tags=["z", "q"], match_all_tags=True)], [])
with_hidden = client.blocks.list(tags=["z"], extra_query={"show_hidden_blocks": True})
equal([b.id for b in with_hidden], [made.id, hidden.id])
equal([b.id for b in client.blocks.list(templates_only=True, name="T")], [template.id])
equal([b.id for b in client.blocks.list(value_search="BET")], [made.id])
equal(client.get("/v1/blocks/count", cast_to=int), 3)
equal(client.get("/v1/blocks/count", cast_to=int, options={"params": {"label": "human"}}), 2)

# Pages of two return each of the seven once and in order, forwards and backwards.
seven = [client.blocks.create(label="many", value=str(number)).id for number in range(7)]
equal([b.id for b in client.blocks.list(label="many", limit=2)], seven)
equal([b.id for b in client.blocks.list(label="many", limit=2, order="desc")], seven[::-1])
page = client.blocks.list(label="many", limit=2, before=seven[4])
equal([b.id for b in page.items], [seven[2], seven[3]])

agent = client.agents.create(model=MODEL, block_ids=[plain.id])
equal([a.id for a in client.blocks.agents.list(plain.id)], [agent.id])
equal([b.id for b in client.blocks.list(connected_to_agents_count_gt=0)], [plain.id])

equal(client.blocks.delete(made.id), None)
expect_error(NotFoundError, client.blocks.retrieve, made.id)
equal([b.id for b in client.blocks.list(tags=["z"])], [])
passed()
