import json

from django.apps import apps
from django.core.management import call_command

from conversations.models import (
    Agent,
    Block,
    Conversation,
    IsolatedBlock,
    Message,
    Run,
)

from ..factories import make_agent, make_member, make_organization


def every_row() -> dict[str, list[dict]]:
    models = apps.get_app_config("conversations").get_models()
    return {model.__name__: list(model.objects.order_by("pk").values()) for model in models}


def test_second_run_changes_nothing(db, capsys):
    call_command("seed_demo")
    before = every_row()

    call_command("seed_demo")

    assert every_row() == before
    out, err = capsys.readouterr()
    assert out == ""
    assert err == "Organization 'Demo' is ready.\nOrganization 'Demo' exists; nothing was added.\n"


def test_demo_has_every_drift(db):
    call_command("seed_demo")

    states = {isolation.drift for isolation in IsolatedBlock.objects.with_drift()}
    assert states == {"in_sync", "isolated_changed", "shared_changed", "diverged", "shared_gone"}


def test_demo_has_rows_of_every_kind(db):
    call_command("seed_demo")

    assert [agent.name for agent in Agent.objects.order_by("name")] == [
        "Personal Tutor",
        "Sales Coach",
        "Support Desk",
    ]
    company = Block.objects.with_agent_count().get(label="company")
    assert company.agent_count == 2
    assert not Block.objects.filter(description=None).exists()
    assert Conversation.objects.archived().count() == 1
    fork = Conversation.objects.get(forked_from__isnull=False)
    of_both = Message.objects.filter(conversations=fork).filter(conversations=fork.forked_from)
    assert of_both.count() == 4


def test_demo_has_completed_run_with_tool_call(db):
    call_command("seed_demo")

    run = Run.objects.get()
    asked, called, returned, answered = run.messages.order_by("created_at")
    assert (run.status, run.stop_reason, run.steps.count()) == ("completed", "end_turn", 2)
    assert run.usage["total_tokens"] == sum(step.usage["total_tokens"] for step in run.steps.all())
    assert [m.role for m in (asked, called, returned, answered)] == [
        "user",
        "assistant",
        "tool",
        "assistant",
    ]
    [call] = called.tool_calls
    wish = json.loads(call["function"]["arguments"])
    assert returned.tool_call_id == call["id"] == returned.tool_returns[0]["tool_call_id"]
    assert returned.name == call["function"]["name"] == "memory_insert"
    notes = run.conversation.isolations.get(label=wish["label"]).block
    assert returned.tool_returns[0]["func_response"] == notes.value
    assert notes.value.endswith(wish["new_string"])
    assert notes.revisions.first().run == run
    # The prompt stays the same within a turn.
    for step in run.steps.all():
        seen = [(s["version"], s["origin"]) for s in step.blocks_seen if s["label"] == "case_notes"]
        assert seen == [(1, "isolated")]


def test_existing_demo_organization_is_unchanged(db):
    make_agent(make_member(make_organization("Demo")), name="Mine")

    call_command("seed_demo")

    assert Agent.objects.get().name == "Mine"
    assert not Message.objects.exclude(role="system").exists()
