"""The tools of an agent. The caller has locked the agent, and saves its rules."""

from collections.abc import Iterable

from django.db.models import Max

from ...models import Agent, AgentTool, Tool
from ...models.agents import REQUIRES_APPROVAL
from ..errors import UnknownId
from .rules import with_approvals


def attach_tools(agent: Agent, tools: Iterable[Tool]) -> None:
    """Attach tools after those the agent has; attached ones stay where they are."""
    attached = set(agent.tool_links.values_list("tool_id", flat=True))
    new = [tool for tool in dict.fromkeys(tools) if tool.pk not in attached]
    for tool in new:
        if tool.organization_id != agent.organization_id:
            raise UnknownId(Tool, tool.pk)
    last = agent.tool_links.aggregate(n=Max("position"))["n"] if attached else None
    AgentTool.objects.bulk_create(
        AgentTool(agent=agent, tool=tool, position=position)
        for position, tool in enumerate(new, start=0 if last is None else last + 1)
    )
    for tool in new:
        if tool.default_requires_approval:
            require_approval(agent, tool.name, True)


def replace_tools(agent: Agent, tools: Iterable[Tool]) -> None:
    """Attach these tools in this order, and no others."""
    agent.tool_links.all().delete()
    attach_tools(agent, tools)


def require_approval(agent: Agent, name: str, required: bool) -> None:
    """Set the rule on whether calls of a tool need approval."""
    names = [each for each in _approvals(agent) if each != name]
    agent.tool_rules = with_approvals(agent.tool_rules, [*names, name] if required else names)


def _approvals(agent: Agent) -> list[str]:
    return [rule["tool_name"] for rule in agent.tool_rules if rule["type"] == REQUIRES_APPROVAL]
