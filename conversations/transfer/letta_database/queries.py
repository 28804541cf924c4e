"""What is read of a V1 database. Every query keeps to the scope.

What is an agent's comes into the organization of the agent, whichever its own row names.
"""

ORGANIZATIONS = """
    SELECT id, name, created_at FROM organizations
    WHERE (%(deleted)s OR NOT is_deleted)
    AND (%(organizations)s::text[] IS NULL OR id = ANY(%(organizations)s))
    AND (%(agents)s::text[] IS NULL
         OR id IN (SELECT organization_id FROM agents WHERE id = ANY(%(agents)s)))
    ORDER BY created_at, id
"""
USERS = """
    SELECT id, name, created_at, organization_id FROM users
    WHERE (%(deleted)s OR NOT is_deleted) AND organization_id = ANY(%(found)s)
    ORDER BY created_at, id
"""
AGENTS = """
    SELECT a.id, a.organization_id, a.created_at, a.updated_at, a._created_by_id AS created_by,
        a._last_updated_by_id AS updated_by, a.name, a.description, a.system, a.agent_type,
        a.llm_config::text, a.embedding_config::text, a.metadata_::text AS metadata,
        a.tool_rules::text, a.timezone, a.hidden, a.last_run_completion, a.is_deleted,
        a.message_ids::text,
        (SELECT json_agg(tag ORDER BY tag)::text FROM agents_tags t WHERE t.agent_id = a.id) AS tags
    FROM agents a
    WHERE a.organization_id = ANY(%(found)s) AND (%(deleted)s OR NOT a.is_deleted)
    AND (%(agents)s::text[] IS NULL OR a.id = ANY(%(agents)s))
    ORDER BY a.id
"""
TOOLS = """
    SELECT link.agent_id, row_to_json(t)::text AS tool FROM tools_agents link
    JOIN tools t ON t.id = link.tool_id
    WHERE link.agent_id = ANY(%(batch)s) ORDER BY link.agent_id, t.name
"""
# A block is a conversation's own where nobody else reads it. One that was attached to an agent
# after all, or is in a second conversation, is shared in fact, and the conversations get copies.
_SHARED = """(
    EXISTS (SELECT FROM blocks_agents x WHERE x.block_id = b.id)
    OR (SELECT count(*) FROM blocks_conversations x WHERE x.block_id = b.id) > 1
)"""
# V1 left copies behind whose conversation it deleted or failed to make. Nothing marks them; they
# read like a shared block of the organization, are younger, and nothing refers to them. Grouped
# once, since a look among all attached blocks for each block takes their product.
_FIRST_ATTACHED = """(
    SELECT o.organization_id, link.block_label AS label, o."limit", '=' || o.description AS said,
        min(o.created_at) AS created_at
    FROM blocks_agents link JOIN block o ON o.id = link.block_id GROUP BY 1, 2, 3, 4
)"""
_LEFT_BEHIND = """(
    NOT b.is_template
    AND NOT EXISTS (SELECT FROM blocks_agents x WHERE x.block_id = b.id)
    AND NOT EXISTS (SELECT FROM blocks_conversations x WHERE x.block_id = b.id)
    AND NOT EXISTS (SELECT FROM identities_blocks x WHERE x.block_id = b.id)
    AND coalesce(first.created_at < b.created_at, false)
)"""
_BLOCK = """
    b.id, b.created_at, b.updated_at, b._created_by_id AS created_by,
    b._last_updated_by_id AS updated_by, b.label, b.value, b."limit", b.description,
    b.metadata_::text AS metadata, b.read_only, b.hidden, b.is_template, b.template_name,
    b.project_id, b.is_deleted,
    (SELECT json_agg(tag ORDER BY tag)::text FROM blocks_tags t WHERE t.block_id = b.id
     AND NOT t.is_deleted) AS tags
"""
BLOCKS = f"""
    SELECT b.organization_id, {_BLOCK}, {_LEFT_BEHIND} AS left_behind
    FROM block b LEFT JOIN {_FIRST_ATTACHED} first ON first.organization_id = b.organization_id
        AND first.label = b.label AND first."limit" = b."limit"
        AND coalesce(first.said, '') = coalesce('=' || b.description, '')
    WHERE b.organization_id = ANY(%(found)s) AND (%(deleted)s OR NOT b.is_deleted)
    AND (%(agents)s::text[] IS NULL OR EXISTS (
        SELECT FROM blocks_agents x WHERE x.block_id = b.id AND x.agent_id = ANY(%(agents)s)))
    AND (b.is_deleted OR {_SHARED}
        OR NOT EXISTS (SELECT FROM blocks_conversations x WHERE x.block_id = b.id))
    ORDER BY b.id
"""  # noqa: S608 (put together of constants, as all below)
HISTORY = """
    SELECT block_id, value, "limit", description, created_at FROM block_history
    WHERE block_id = ANY(%(batch)s) ORDER BY block_id, sequence_number
"""
ATTACHED = """
    SELECT x.agent_id, x.block_id, x.block_label AS label,
        row_number() OVER (PARTITION BY x.agent_id ORDER BY b.created_at, b.id) - 1 AS position,
        greatest(a.created_at, b.created_at) AS since, b.organization_id,
        b.organization_id = a.organization_id AS is_own
    FROM blocks_agents x JOIN block b ON b.id = x.block_id JOIN agents a ON a.id = x.agent_id
    WHERE x.agent_id = ANY(%(batch)s) AND NOT b.is_deleted
    ORDER BY x.agent_id, position
"""
CONVERSATIONS = """
    SELECT c.id, a.organization_id, c.agent_id, c.created_at, c.updated_at,
        c._created_by_id AS created_by, c._last_updated_by_id AS updated_by, c.summary, c.model,
        c.model_settings::text, c.last_message_at, c.is_deleted
    FROM conversations c JOIN agents a ON a.id = c.agent_id
    WHERE c.agent_id = ANY(%(batch)s) AND (%(deleted)s OR NOT c.is_deleted) ORDER BY c.id
"""
ISOLATED = f"""
    SELECT a.organization_id, {_BLOCK}, false AS left_behind, x.conversation_id, x.block_label,
        c.created_at AS since, {_SHARED} AS shared,
        o.id AS source_id, o.value AS source_value,
        o.updated_at <= greatest(c.created_at, b.created_at) AS is_base
    FROM blocks_conversations x
    JOIN block b ON b.id = x.block_id
    JOIN conversations c ON c.id = x.conversation_id
    JOIN agents a ON a.id = c.agent_id
    LEFT JOIN blocks_agents link ON link.agent_id = c.agent_id AND link.block_label = x.block_label
        AND link.block_id <> x.block_id
    LEFT JOIN block o ON o.id = link.block_id AND (%(deleted)s OR NOT o.is_deleted)
        AND o.organization_id = a.organization_id
    WHERE x.conversation_id = ANY(%(batch)s) AND NOT b.is_deleted
    ORDER BY x.conversation_id, b.created_at, b.id
"""  # noqa: S608
# A run of a plain turn names no conversation; its messages do.
RUNS = """
    SELECT r.id, a.organization_id, r.agent_id, r.created_at, r.updated_at,
        r._created_by_id AS created_by, r._last_updated_by_id AS updated_by, r.status,
        r.stop_reason, r.background, r.metadata_::text AS metadata, r.request_config::text,
        r.completed_at AT TIME ZONE 'UTC' AS completed_at, r.ttft_ns, r.total_duration_ns,
        coalesce(c.id, (SELECT min(mc.id) FROM messages m
            JOIN conversations mc ON mc.id = m.conversation_id AND mc.agent_id = r.agent_id
                AND (%(deleted)s OR NOT mc.is_deleted)
            WHERE m.run_id = r.id)) AS conversation_id,
        s.steps, s.ended_at, s.prompt, s.completion, s.total
    FROM runs r JOIN agents a ON a.id = r.agent_id
    LEFT JOIN conversations c ON c.id = r.conversation_id AND c.agent_id = r.agent_id
    LEFT JOIN LATERAL (
        SELECT count(*) AS steps, max(updated_at) AS ended_at, sum(prompt_tokens) AS prompt,
            sum(completion_tokens) AS completion, sum(total_tokens) AS total
        FROM steps WHERE run_id = r.id AND (%(deleted)s OR NOT is_deleted)
    ) s ON true
    WHERE r.agent_id = ANY(%(batch)s) AND (%(deleted)s OR NOT r.is_deleted)
    AND (%(deleted)s OR c.id IS NULL OR NOT c.is_deleted)
    ORDER BY r.id
"""
# Numbers count those that are left out too, so that these can follow later.
STEPS = """
    SELECT s.id, a.organization_id, s.created_at, s.updated_at, s._created_by_id AS created_by,
        s._last_updated_by_id AS updated_by, s.run_id, s.model, s.model_handle, s.provider_name,
        s.stop_reason, s.error_type, s.error_data::text, s.prompt_tokens, s.completion_tokens,
        s.total_tokens, s.cached_input_tokens, s.reasoning_tokens, s.number
    FROM (
        SELECT *, row_number() OVER (PARTITION BY run_id ORDER BY created_at, id) AS number
        FROM steps WHERE run_id IN (SELECT id FROM runs WHERE agent_id = ANY(%(batch)s))
    ) s JOIN runs r ON r.id = s.run_id JOIN agents a ON a.id = r.agent_id
    LEFT JOIN conversations c ON c.id = r.conversation_id AND c.agent_id = r.agent_id
    WHERE r.agent_id = ANY(%(batch)s) AND (%(deleted)s OR NOT (r.is_deleted OR s.is_deleted))
    AND (%(deleted)s OR c.id IS NULL OR NOT c.is_deleted)
    ORDER BY s.id
"""
# Held by a conversation that comes; or of the agent's own thread; or its conversation comes and
# V1 lost the place.
_HELD = """
    FROM conversation_messages cm JOIN conversations c ON c.id = cm.conversation_id
    WHERE cm.message_id = m.id AND c.agent_id = m.agent_id
    AND (%(deleted)s OR NOT (c.is_deleted OR cm.is_deleted))
"""
_LOST = """
    FROM conversations c WHERE c.id = m.conversation_id AND c.agent_id = m.agent_id
    AND (%(deleted)s OR NOT (c.is_deleted OR m.is_deleted))
"""
MESSAGES = f"""
    SELECT m.id, a.organization_id, m.created_at, m.updated_at, m._created_by_id AS created_by,
        m._last_updated_by_id AS updated_by, m.agent_id, m.role, m.content::text,
        m.tool_calls::text, m.tool_call_id, m.tool_returns::text, m.name, m.otid, m.sender_id,
        m.group_id, m.model, CASE WHEN c.is_deleted AND NOT %(deleted)s THEN NULL ELSE r.id END
        AS run_id, CASE WHEN c.is_deleted AND NOT %(deleted)s THEN NULL ELSE s.id END AS step_id,
        m.is_err, m.text
    FROM messages m JOIN agents a ON a.id = m.agent_id
    LEFT JOIN runs r ON r.id = m.run_id AND r.agent_id = m.agent_id
        AND (%(deleted)s OR NOT r.is_deleted)
    LEFT JOIN conversations c ON c.id = r.conversation_id AND c.agent_id = r.agent_id
    LEFT JOIN steps s ON s.id = m.step_id AND s.run_id = r.id AND (%(deleted)s OR NOT s.is_deleted)
    WHERE m.agent_id = ANY(%(batch)s) AND (
        m.conversation_id IS NULL AND (%(deleted)s OR NOT m.is_deleted)
        OR EXISTS (SELECT {_HELD}) OR EXISTS (SELECT {_LOST})
    )
"""  # noqa: S608
PLACES = """
    SELECT cm.conversation_id AS thread, m.id, m.role, cm.in_context, cm.position, m.sequence_id
    FROM conversation_messages cm JOIN messages m ON m.id = cm.message_id
    JOIN conversations c ON c.id = cm.conversation_id AND c.agent_id = m.agent_id
    WHERE cm.conversation_id = ANY(%(batch)s) AND (%(deleted)s OR NOT cm.is_deleted)
    UNION ALL
    SELECT m.conversation_id, m.id, m.role, false, NULL, m.sequence_id
    FROM messages m JOIN conversations c ON c.id = m.conversation_id AND c.agent_id = m.agent_id
    WHERE m.conversation_id = ANY(%(batch)s) AND (%(deleted)s OR NOT m.is_deleted)
    AND NOT EXISTS (SELECT FROM conversation_messages x WHERE x.message_id = m.id
                    AND x.conversation_id = m.conversation_id
                    AND (%(deleted)s OR NOT x.is_deleted))
    ORDER BY 1, 6
"""
OWN_PLACES = """
    SELECT m.agent_id AS thread, m.id, m.role, false AS in_context, NULL::int AS position,
        m.sequence_id
    FROM messages m WHERE m.agent_id = ANY(%(batch)s) AND m.conversation_id IS NULL
    AND (%(deleted)s OR NOT m.is_deleted)
    ORDER BY m.agent_id, m.sequence_id
"""
