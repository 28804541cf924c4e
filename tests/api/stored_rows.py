from django.apps import apps

from conversations.models import ApiKey


def stored() -> dict[str, list[dict]]:
    """Return every row, except API keys, which store when they were last used."""
    models = apps.get_app_config("conversations").get_models()
    return {
        model.__name__: list(model.objects.order_by("pk").values())
        for model in models
        if model is not ApiKey
    }
