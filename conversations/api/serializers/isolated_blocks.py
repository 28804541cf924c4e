"""Request bodies of isolated blocks."""

from .fields import Id, Input, StrictBoolean, StrictString


class IsolateBody(Input):
    """The body of PUT …/isolated-blocks/{label}."""

    value = StrictString(required=False, help_text="Initial text; by default the shared text.")


class RestoreIsolatedBlockBody(Input):
    """The body of POST …/isolated-blocks/{label}/restore."""

    block_id = Id(
        "block", required=False, help_text="The released block to restore; by default the newest."
    )


class PromoteBody(Input):
    """The body of POST …/isolated-blocks/{label}/promote."""

    force = StrictBoolean(default=False, help_text="Overwrite changes to the shared block.")
    dry_run = StrictBoolean(default=False)


class ResetBody(Input):
    """The body of POST …/isolated-blocks/{label}/reset."""

    dry_run = StrictBoolean(default=False)


class RebaseBody(Input):
    """The body of POST …/isolated-blocks/{label}/rebase."""

    resolution = StrictString(
        required=False, help_text="Text of the isolated block, instead of a merge."
    )
    dry_run = StrictBoolean(default=False)
