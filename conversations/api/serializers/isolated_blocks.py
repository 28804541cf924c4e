from rest_framework import serializers

from .fields import Flag, Id, Text


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
