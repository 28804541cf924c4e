from django.apps import apps

from conversations.models import ApiKey


def stored() -> dict[str, list[dict]]:
    """Every row there is, to say that a request changed nothing. A key notes when it was used."""
    models = apps.get_app_config("conversations").get_models()
    return {
        model.__name__: list(model.objects.order_by("pk").values())
        for model in models
        if model is not ApiKey
    }
