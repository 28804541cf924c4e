"""Feedback on a step."""

from ...models import Step
from ..actor import Actor


def set_feedback(step: Step, feedback: str | None, *, tags: list[str] | None, by: Actor) -> None:
    """Set or clear the feedback; replace the tags unless they are None."""
    step.feedback = feedback
    if tags is not None:
        step.tags = tags
    step.last_updated_by = by.member
    step.save(update_fields=["feedback", "tags", "last_updated_by", "updated_at"])
