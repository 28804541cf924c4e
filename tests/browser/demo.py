"""Create an operator of the demo organization; print the login and the pages as JSON."""

import json
import secrets

import django


def main() -> None:
    django.setup()
    from django.contrib.auth.models import Permission  # noqa: PLC0415 (after django.setup)

    from conversations.models import Agent, Block, Conversation, Organization  # noqa: PLC0415
    from tests.factories import link_user, make_member  # noqa: PLC0415

    demo = Organization.objects.get(name="Demo")
    password = secrets.token_urlsafe(16)
    operator = link_user(make_member(demo, "operator"), password=password, is_staff=True)
    operator.user.user_permissions.set(Permission.objects.all())
    diverged = Conversation.objects.get(summary="Refund for a cancelled rental")
    agent = Agent.objects.get(name="Support Desk")
    block = Block.objects.ordinary().get(label="case_notes")
    at = f"/admin/conversations/conversation/{diverged.pk}"
    pages = {
        "index": "/admin/",
        "conversation": f"{at}/change/",
        "timeline": f"{at}/timeline/",
        "context": f"{at}/context/",
        "promote": f"{at}/promote/?label=human",
        "merge": f"{at}/rebase/?label=case_notes",
        "fork": f"{at}/fork/",
        "block": f"/admin/conversations/block/{block.pk}/change/#history",
        "blockform": f"/admin/conversations/block/{block.pk}/change/",
        "agent": f"/admin/conversations/agent/{agent.pk}/change/",
        "conversations": "/admin/conversations/conversation/",
        "isolated": "/admin/conversations/isolatedblock/?_facets=True",
    }
    print(json.dumps({"username": "operator", "password": password, "pages": pages}))


if __name__ == "__main__":
    main()
