from rest_framework import serializers

from ...domain.memory.drift import Comparison, Promotion
from ...domain.memory.effective import EffectiveBlock
from ...models import Drift
from .blocks import BlockSerializer
from .fields import Flag, Id, Text


class EffectiveBlockSerializer(serializers.Serializer):
    """What one label says in a conversation, and where the text comes from."""

    label = serializers.CharField()  # type: ignore[assignment]
    origin = serializers.ChoiceField(["shared", "isolated"])
    block = BlockSerializer()
    version = serializers.IntegerField()
    shared_block_id = serializers.CharField(allow_null=True)
    drift = serializers.ChoiceField(Drift.values, allow_null=True)

    def to_representation(self, effective: EffectiveBlock):
        return {
            "label": effective.label,
            "origin": effective.origin,
            "block": BlockSerializer().to_representation(effective.block),
            "version": effective.version,
            "shared_block_id": effective.shared.pk if effective.shared else None,
            "drift": effective.drift,
        }


class BaseSerializer(serializers.Serializer):
    value = serializers.CharField()
    version = serializers.IntegerField()


class SideSerializer(BaseSerializer):
    block_id = serializers.CharField()


class PieceSerializer(serializers.Serializer):
    change = serializers.ChoiceField(["same", "added", "removed"])
    text = serializers.CharField()


class ChangesSerializer(serializers.Serializer):
    isolated = PieceSerializer(many=True)
    shared = PieceSerializer(many=True)


class ComparisonSerializer(serializers.Serializer):
    """Base, shared and isolated text of one label; the changes are both against the base."""

    label = serializers.CharField()  # type: ignore[assignment]
    drift = serializers.ChoiceField(Drift.values)
    base = BaseSerializer()
    shared = SideSerializer(allow_null=True)
    isolated = SideSerializer()
    unified = serializers.CharField()
    changes = ChangesSerializer()

    def to_representation(self, comparison: Comparison):
        isolation, shared = comparison.isolation, comparison.shared
        return {
            "label": isolation.label,
            "drift": comparison.effective.drift,
            "base": {"value": isolation.base_value, "version": isolation.base_version},
            "shared": shared and represent_side(shared),
            "isolated": represent_side(isolation.block),
            "unified": comparison.unified,
            "changes": {
                "isolated": [piece._asdict() for piece in comparison.isolated_changes],
                "shared": [piece._asdict() for piece in comparison.shared_changes],
            },
        }


def represent_side(block) -> dict:
    return {"block_id": block.pk, "value": block.value, "version": block.version}


class PromotionSerializer(serializers.Serializer):
    """The shared block after promoting, and how many live agents and conversations read it."""

    label = serializers.CharField()  # type: ignore[assignment]
    dry_run = serializers.BooleanField()
    applied = serializers.BooleanField()
    block = BlockSerializer()
    agents = serializers.IntegerField()
    conversations = serializers.IntegerField()


def represent_promotion(promotion: Promotion, *, dry_run: bool) -> dict:
    return {
        "label": promotion.block.label,
        "dry_run": dry_run,
        "applied": promotion.applied and not dry_run,
        "block": BlockSerializer().to_representation(promotion.block),
        "agents": promotion.agents,
        "conversations": promotion.conversations,
    }


class RebaseSerializer(serializers.Serializer):
    """The isolated block after rebasing. Conflicts are a 409 that lists them."""

    label = serializers.CharField()  # type: ignore[assignment]
    applied = serializers.BooleanField()
    block = BlockSerializer()
    conflicts = serializers.ListField()


def represent_rebase(effective: EffectiveBlock, *, dry_run: bool) -> dict:
    return {
        "label": effective.label,
        "applied": not dry_run,
        "block": BlockSerializer().to_representation(effective.block),
        "conflicts": [],
    }


class IsolateBody(serializers.Serializer):
    value = Text(required=False, help_text="What the copy says first; else the shared text.")


class RestoreIsolatedBlockBody(serializers.Serializer):
    block_id = Id("block", required=False, help_text="Which copy; else the newest.")


class PromoteBody(serializers.Serializer):
    force = Flag(default=False, help_text="Write over changes of the shared block.")
    dry_run = Flag(default=False)


class ResetBody(serializers.Serializer):
    dry_run = Flag(default=False)


class RebaseBody(serializers.Serializer):
    resolution = Text(required=False, help_text="What the isolated block shall say.")
    dry_run = Flag(default=False)
