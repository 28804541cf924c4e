"""Every memory write leaves the prompts of default conversations fresh."""

import inspect
import pkgutil
from collections.abc import Callable
from importlib import import_module

import pytest

from conversations import domain
from conversations.domain.conversations import agents
from conversations.domain.conversations import conversations as conversation_verbs
from conversations.domain.folders import files, folders, open_files
from conversations.domain.integrity.check import find_breaches
from conversations.domain.memory import (
    blocks,
    bulk,
    drift,
    isolation,
    label_edits,
    periods,
    revisions,
    writes,
)
from conversations.domain.memory.effective import effective_blocks
from conversations.domain.memory.prompt import is_stale

from ...factories import (
    actor,
    make_agent,
    make_block,
    make_file,
    make_folder,
    make_messages,
)

BY = actor()


class World:
    """An agent whose default conversation has isolated `human` and released it twice before."""

    def __init__(self, user):
        self.agent = make_agent(user, labels=["human", "persona"])
        self.default = self.agent.conversations.get(is_default=True)
        self.human = self.agent.blocks.get(label="human")
        self.persona = self.agent.blocks.get(label="persona")
        self.other = make_block(user, label="other")
        self.file = make_file(make_folder(user))
        self.folder, self.other_folder = self.file.folder, make_folder(user)
        folders.attach_folder(self.agent, self.folder, by=BY)
        make_messages(self.default, "hello", "hi")
        isolation.isolate_label(self.default, "human", by=BY, value="mine")
        blocks.write_block(self.human, by=BY, value="theirs")

    def release(self):
        isolation.release_label(self.default, "human", by=BY)


def restore_deleted_agent(w: World) -> None:
    agents.delete_agent(w.agent, by=BY)
    blocks.write_block(w.persona, by=BY, value="edited while the agent was deleted")
    agents.restore_agent(w.agent, by=BY)


def restore_released(w: World) -> None:
    w.release()
    isolation.restore_label(w.default, "human", by=BY)


def redo_undone(w: World) -> None:
    revisions.undo(w.human, by=BY)
    revisions.redo(w.human, by=BY)


# For each verb, a call that changes the effective blocks of the default conversation.
VERBS: dict[Callable, Callable[[World], object]] = {
    agents.create_agent: lambda w: make_agent(blocks=[], labels=["human"]),
    agents.update_agent: lambda w: agents.update_agent(
        w.agent, by=BY, system="Be brief.", timezone="Asia/Tokyo", blocks=[w.other]
    ),
    agents.delete_agent: restore_deleted_agent,
    agents.restore_agent: restore_deleted_agent,
    agents.attach_block: lambda w: agents.attach_block(w.agent, w.other, by=BY),
    agents.detach_block: lambda w: agents.detach_block(w.agent, w.persona, by=BY),
    agents.move_block: lambda w: agents.move_block(w.agent, w.persona, by=BY, places=-1),
    blocks.write_block: lambda w: blocks.write_block(w.persona, by=BY, label="renamed", value="x"),
    blocks.delete_block: lambda w: blocks.delete_block(w.persona, by=BY),
    bulk._run_batch: lambda w: list(bulk.reset_all(w.agent, "human", by=BY)),
    conversation_verbs.create_conversation: lambda w: conversation_verbs.create_conversation(
        w.agent, by=BY, isolated_labels=["human"]
    ),
    conversation_verbs.fork_conversation: lambda w: conversation_verbs.fork_conversation(
        w.default, by=BY
    ),
    conversation_verbs.clear_conversation: lambda w: conversation_verbs.clear_conversation(
        w.default, by=BY
    ),
    drift.promote: lambda w: drift.promote(w.default, "human", by=BY, force=True),
    drift.reset: lambda w: drift.reset(w.default, "human", by=BY),
    drift.rebase: lambda w: drift.rebase(w.default, "human", by=BY, resolution="both"),
    isolation.isolate_label: lambda w: isolation.isolate_label(w.default, "persona", by=BY),
    isolation.release_label: World.release,
    isolation.restore_label: restore_released,
    label_edits.edit_label: lambda w: label_edits.edit_label(
        w.default, "persona", by=BY, edit=lambda block: {"value": "edited"}
    ),
    label_edits.edit_isolated_block: lambda w: label_edits.edit_isolated_block(
        w.default, "human", by=BY, changes={"value": "edited"}
    ),
    folders.attach_folder: lambda w: folders.attach_folder(w.agent, w.other_folder, by=BY),
    folders.detach_folder: lambda w: folders.detach_folder(w.agent, w.folder, by=BY),
    folders.replace_folders: lambda w: folders.replace_folders(w.agent, [], by=BY),
    folders.update_folder: lambda w: folders.update_folder(w.folder, by=BY, name="Renamed"),
    folders.delete_folder: lambda w: folders.delete_folder(w.folder, by=BY),
    files.upload_file: lambda w: files.upload_file(w.folder, "new.txt", b"new", by=BY),
    files.store_text: lambda w: make_file(w.folder, name="new.txt"),
    files.delete_file: lambda w: files.delete_file(w.file, by=BY),
    open_files.open_files: lambda w: open_files.open_files(
        w.agent, [open_files.Opening(w.agent.file_links.get(), 0, 1)]
    ),
    open_files.close_files: lambda w: open_files.close_files(w.agent),
    revisions.undo: lambda w: revisions.undo(w.human, by=BY),
    revisions.redo: redo_undone,
    revisions.restore_revision: lambda w: revisions.restore_revision(w.human, 1, by=BY),
}


def memory_writes() -> set[Callable]:
    """Return every function of the domain that is decorated with `memory_write`."""
    found = set()
    for module in pkgutil.walk_packages(domain.__path__, f"{domain.__name__}."):
        for _, function in inspect.getmembers(import_module(module.name), inspect.isfunction):
            if function.__module__ == module.name and is_memory_write(function):
                found.add(function)
    return found


def is_memory_write(function: Callable) -> bool:
    while wrapped := getattr(function, "__wrapped__", None):
        if function.__code__.co_filename == writes.__file__:
            return True
        function = wrapped
    return False


def test_every_memory_write_is_listed():
    assert memory_writes() == set(VERBS)


@pytest.mark.parametrize("verb", VERBS, ids=lambda verb: verb.__name__)
def test_default_prompt_is_fresh_after(alice, verb):
    world = World(alice)

    VERBS[verb](world)

    assert list(find_breaches()) == []
    world.default.refresh_from_db()
    assert not is_stale(world.default, effective_blocks(world.default))


def test_change_outside_of_a_memory_write_is_rejected(alice):
    agent = make_agent(alice, labels=["human"])

    with pytest.raises(RuntimeError):
        periods.end_periods(agent.reading_periods.all(), by=BY)


@pytest.mark.parametrize("count", [1, 4])
def test_nested_writes_recompile_once(alice, django_assert_num_queries, count):
    shared = make_block(alice, label="human")
    defaults = [make_agent(alice, blocks=[shared]).conversations.get() for _ in range(count)]

    @writes.memory_write
    def write_twice():
        for value in ("one", "two"):
            blocks.write_block(shared, by=BY, value=value)

    # Two for the savepoint, six per write, two for the quota (the first one adds text), seven for
    # the recompilation.
    with django_assert_num_queries(23):
        write_twice()

    assert all("<value>\ntwo\n</value>" in each.messages.get().text for each in defaults)
