-- Create %(count)s conversations of one agent, half of them with two isolated blocks each, with the
-- rows that the domain's verbs store. The verbs would take an hour for 200,000 conversations.
CREATE TEMPORARY TABLE seeded ON COMMIT DROP AS
SELECT
    gen_random_uuid() AS conversation_id,
    gen_random_uuid() AS message_id,
    gen_random_uuid() AS human_id,
    gen_random_uuid() AS persona_id,
    n %% 2 = 0 AS is_isolated,
    now() - (interval '1 second') * n AS created_at
FROM generate_series(1, %(count)s) AS n;

INSERT INTO conversations_conversation (
    id, organization_id, agent_id, created_at, updated_at, created_by_id, last_updated_by_id,
    is_default, summary, hidden, version, compiled_from, compiled_at, last_message_at
)
SELECT
    conversation_id, a.organization_id, a.id, s.created_at, s.created_at, a.created_by_id,
    a.created_by_id, false, 'Seeded', false, 1, d.compiled_from, s.created_at, s.created_at
FROM seeded AS s
CROSS JOIN conversations_agent AS a
JOIN conversations_conversation AS d ON d.agent_id = a.id AND d.is_default
WHERE a.id = %(agent)s;

INSERT INTO conversations_message (
    id, organization_id, agent_id, created_at, updated_at, role, content, tool_calls, tool_returns
)
SELECT s.message_id, a.organization_id, a.id, s.created_at, s.created_at, 'system', m.content, '[]', '[]'
FROM seeded AS s
CROSS JOIN conversations_agent AS a
JOIN conversations_conversation AS d ON d.agent_id = a.id AND d.is_default
JOIN conversations_conversationmessage AS l ON l.conversation_id = d.id AND l.position = 0
JOIN conversations_message AS m ON m.id = l.message_id
WHERE a.id = %(agent)s;

INSERT INTO conversations_conversationmessage (conversation_id, message_id, position, in_context)
SELECT conversation_id, message_id, 0, true FROM seeded;

INSERT INTO conversations_block (
    id, organization_id, conversation_id, created_at, updated_at, label, value, "limit",
    metadata, read_only, copy_on_write, tags, version, is_template
)
SELECT
    CASE b.label WHEN 'human' THEN s.human_id ELSE s.persona_id END, b.organization_id,
    s.conversation_id, s.created_at, s.created_at, b.label, b.value, b."limit", '{}', false, false,
    '[]', 1, false
FROM seeded AS s
CROSS JOIN conversations_agentblock AS l
JOIN conversations_block AS b ON b.id = l.block_id
WHERE s.is_isolated AND l.agent_id = %(agent)s AND b.label IN ('human', 'persona');

INSERT INTO conversations_blockrevision (
    block_id, number, value, "limit", source, reason, unconditional, written_at, conversation_id
)
SELECT b.id, 1, b.value, b."limit", 'api', 'isolated', false, b.created_at, b.conversation_id
FROM conversations_block AS b JOIN seeded AS s ON s.conversation_id = b.conversation_id;

INSERT INTO conversations_isolatedblock (
    conversation_id, block_id, label, source_block_id, base_value, base_version, created_at
)
SELECT b.conversation_id, b.id, b.label, l.block_id, b.value, 1, b.created_at
FROM conversations_block AS b
JOIN seeded AS s ON s.conversation_id = b.conversation_id
JOIN conversations_agentblock AS l ON l.agent_id = %(agent)s AND l.label = b.label;

INSERT INTO conversations_readingperiod (conversation_id, block_id, label, position, since)
SELECT b.conversation_id, b.id, b.label, 0, b.created_at
FROM conversations_block AS b JOIN seeded AS s ON s.conversation_id = b.conversation_id;
