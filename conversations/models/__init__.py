"""Data, constraints, and chainable reads. Import models from here."""

from .accounts import ApiKey, Member, Organization, Quota, Scope
from .agents import Agent, AgentBlock, OnBusy
from .archives import AgentArchive, Archive, Passage
from .audit import AuditAction, AuditEvent
from .blocks import Block, BlockRevision
from .conversations import Conversation, IsolatedBlock
from .drift import Drift
from .folders import AgentFile, AgentFolder, File, FileStatus, Folder
from .idempotency import IdempotencyRecord
from .identities import AgentIdentity, BlockIdentity, Identity, IdentityType
from .mcp_servers import McpHeader, McpServer
from .messages import ConversationMessage, Message
from .periods import ReadingPeriod
from .runs import Run, RunEvent, Step
from .tools import AgentTool, AgentVariable, Tool

__all__ = [
    "Agent",
    "AgentArchive",
    "AgentBlock",
    "AgentFile",
    "AgentFolder",
    "AgentIdentity",
    "AgentTool",
    "AgentVariable",
    "ApiKey",
    "Archive",
    "AuditAction",
    "AuditEvent",
    "Block",
    "BlockIdentity",
    "BlockRevision",
    "Conversation",
    "ConversationMessage",
    "Drift",
    "File",
    "FileStatus",
    "Folder",
    "IdempotencyRecord",
    "Identity",
    "IdentityType",
    "IsolatedBlock",
    "McpHeader",
    "McpServer",
    "Member",
    "Message",
    "OnBusy",
    "Organization",
    "Passage",
    "Quota",
    "ReadingPeriod",
    "Run",
    "RunEvent",
    "Scope",
    "Step",
    "Tool",
]
