"""One row of every registered model, for tests of all of them."""

from conversations.domain.conversations.accounts import issue_key
from conversations.models import (
    Agent,
    AgentBlock,
    AgentTool,
    ApiKey,
    Archive,
    AuditEvent,
    Block,
    BlockRevision,
    Conversation,
    ConversationMessage,
    File,
    Folder,
    IsolatedBlock,
    Member,
    Message,
    Organization,
    Passage,
    Run,
    RunEvent,
    Step,
    Tool,
)

from ..factories import (
    make_agent,
    make_conversation,
    make_file,
    make_folder,
    make_messages,
    make_passage,
    make_run,
    make_tool,
    numbers,
)

MODELS = [
    *[
        Organization,
        Member,
        ApiKey,
        AuditEvent,
        Agent,
        AgentBlock,
        Block,
        BlockRevision,
        Conversation,
    ],
    *[IsolatedBlock, Message, ConversationMessage, Run, Step, RunEvent, Archive, Passage],
    *[Tool, AgentTool, Folder, File],
]
WRITABLE = [Organization, Member, ApiKey, Agent, Block, Conversation, Archive, Tool, Folder, File]


def make_world(member: Member) -> dict[type, object]:
    """Create a row of each model in the member's organization."""
    tool = make_tool(member, f"tool_{next(numbers)}")
    agent = make_agent(member, labels=["human"], name="Some agent", tools=[tool.name])
    conversation = make_conversation(agent, isolated=["human"], summary="Some conversation")
    [message] = make_messages(conversation, "hello")
    run = make_run(conversation, usage={"total_tokens": 7})
    step = Step.objects.create(organization_id=run.organization_id, run=run, number=1)
    event = RunEvent.objects.create(run=run, seq=1, data={"message_type": "ping"})
    key, _ = issue_key(member)
    event_of_key = AuditEvent.objects.get(object_id=key.pk)
    block = agent.blocks.get()
    passage = make_passage(agent, "Some passage")
    file = make_file(make_folder(member))
    rows = [
        *[member.organization, member, key, event_of_key, agent, agent.block_links.get(), block],
        *[block.revisions.get(), conversation, conversation.isolations.get(), message],
        *[conversation.message_links.get(message=message), run, step, event],
        *[passage.archive, passage, tool, agent.tool_links.get()],
        *[file.folder, file],
    ]
    return dict(zip(MODELS, rows, strict=True))
