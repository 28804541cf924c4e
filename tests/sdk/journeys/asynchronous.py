"""The main task with the asynchronous client, eight calls at a time."""

import asyncio

from common import MODEL, connect, equal, isolating, passed
from letta_client import AsyncLetta


async def main():
    client = connect(kind=AsyncLetta)
    agent = await client.agents.create(
        model=MODEL, memory_blocks=[{"label": "human", "value": "Nobody"}]
    )
    names = [f"Visitor {number}" for number in range(8)]

    async def visit(name: str) -> str:
        conversation = await client.conversations.create(
            agent_id=agent.id, summary=name, **isolating("human")
        )
        await client.blocks.update(conversation.isolated_block_ids[0], value=name)
        prompt = await client.conversations.recompile(conversation.id)
        return [other for other in names if other in prompt] == [name] and conversation.id

    visited = await asyncio.gather(*map(visit, names))

    listed = await client.conversations.list(agent_id=agent.id)
    equal(sorted(c.id for c in listed), sorted(visited))
    equal(sorted(c.summary for c in listed), names)
    equal((await client.blocks.retrieve(agent.blocks[0].id)).value, "Nobody")
    for label in ("one", "two", "three"):
        await client.blocks.create(label=label, value="")
    paged = [block.label async for block in client.blocks.list(limit=2)]
    equal(paged, ["human", "one", "two", "three"])


asyncio.run(main())
passed()
