from .accounts import ApiKey, Organization, User
from .agents import Agent, AgentBlock
from .blocks import Block, BlockRevision
from .conversations import Conversation, IsolatedBlock
from .messages import ConversationMessage, Message
from .periods import ReadingPeriod
from .runs import Run, RunEvent, Step

__all__ = [
    "Agent",
    "AgentBlock",
    "ApiKey",
    "Block",
    "BlockRevision",
    "Conversation",
    "ConversationMessage",
    "IsolatedBlock",
    "Message",
    "Organization",
    "ReadingPeriod",
    "Run",
    "RunEvent",
    "Step",
    "User",
]
