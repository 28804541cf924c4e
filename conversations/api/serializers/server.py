from rest_framework import serializers

from .fields import Choice, Text, WholeNumber


class StatusSerializer(serializers.Serializer):
    version = serializers.CharField()
    status = serializers.CharField()


class ModelSerializer(serializers.Serializer):
    """A model as the client's `Model` type reads it."""

    handle = serializers.CharField()
    name = serializers.CharField()
    display_name = serializers.CharField()
    provider_name = serializers.CharField()
    provider_type = serializers.CharField()
    provider_category = serializers.CharField()
    model = serializers.CharField()
    model_type = serializers.CharField()
    model_endpoint_type = serializers.CharField()
    context_window = serializers.IntegerField()
    max_context_window = serializers.IntegerField()

    def to_representation(self, model):
        return {
            "handle": model.handle,
            "name": model.name,
            "display_name": model.display_name,
            "provider_name": model.provider,
            "provider_type": "openai",
            "provider_category": "base",
            "model": model.name,
            "model_type": "llm",
            "model_endpoint_type": "openai",
            "context_window": model.context_window,
            "max_context_window": model.context_window,
        }


class TagsQuery(serializers.Serializer):
    """The query of GET /v1/tags/; here a cursor is a tag."""

    before = Text(required=False)
    after = Text(required=False)
    limit = WholeNumber(default=50, min_value=1, max_value=1000)
    order = Choice(["asc", "desc"], default="asc")
    order_by = Choice(["name"], default="name")
    name = Text(required=False, help_text="Part of the tag, in any case.")
    query_text = Text(required=False, help_text="The older name of `name`.")
