-- The tables of a Letta V1 database that are read, with the columns that are read and the indexes
-- that help. Everything else that V1 has is left out.
CREATE TABLE alembic_version (version_num text PRIMARY KEY);
CREATE TABLE organizations (
    id text PRIMARY KEY, name text NOT NULL, created_at timestamptz, is_deleted boolean NOT NULL DEFAULT false
);
CREATE TABLE users (
    id text PRIMARY KEY, name text NOT NULL, created_at timestamptz,
    is_deleted boolean NOT NULL DEFAULT false, organization_id text NOT NULL
);
CREATE TABLE agents (
    id text PRIMARY KEY, name text, created_at timestamptz DEFAULT now(), description text,
    message_ids json, system text, agent_type text, llm_config json, embedding_config json,
    metadata_ json, tool_rules json, updated_at timestamptz DEFAULT now(),
    is_deleted boolean NOT NULL DEFAULT false, _created_by_id text, _last_updated_by_id text,
    organization_id text NOT NULL REFERENCES organizations, last_run_completion timestamptz,
    timezone text, hidden boolean, max_files_open integer, per_file_view_window_char_limit integer
);
CREATE TABLE agents_tags (agent_id text NOT NULL REFERENCES agents, tag text NOT NULL);
CREATE TABLE agent_environment_variables (
    id text PRIMARY KEY, key text NOT NULL, value text NOT NULL, description text,
    is_deleted boolean NOT NULL DEFAULT false, organization_id text NOT NULL,
    agent_id text NOT NULL REFERENCES agents, value_enc text
);
CREATE TABLE tools (
    id text PRIMARY KEY, name text NOT NULL, description text,
    source_type text NOT NULL DEFAULT 'json', source_code text, json_schema json,
    tags json NOT NULL DEFAULT '[]', created_at timestamptz DEFAULT now(),
    updated_at timestamptz DEFAULT now(), is_deleted boolean NOT NULL DEFAULT false,
    _created_by_id text, _last_updated_by_id text, organization_id text NOT NULL,
    return_char_limit integer, tool_type text NOT NULL DEFAULT 'custom', args_json_schema json,
    metadata_ json, pip_requirements json, npm_requirements json,
    default_requires_approval boolean, enable_parallel_execution boolean
);
CREATE TABLE tools_agents (agent_id text NOT NULL REFERENCES agents, tool_id text NOT NULL REFERENCES tools);
CREATE TABLE block (
    id text PRIMARY KEY, value text NOT NULL, "limit" integer NOT NULL DEFAULT 1000,
    template_name text, label text NOT NULL, metadata_ json, description text,
    is_template boolean NOT NULL DEFAULT false, organization_id text NOT NULL REFERENCES organizations,
    created_at timestamptz DEFAULT now(), updated_at timestamptz DEFAULT now(),
    is_deleted boolean NOT NULL DEFAULT false, _created_by_id text, _last_updated_by_id text,
    read_only boolean NOT NULL DEFAULT false, project_id text, hidden boolean
);
CREATE TABLE block_history (
    id text PRIMARY KEY, description text, label text, value text NOT NULL, "limit" bigint NOT NULL,
    metadata_ json, block_id text NOT NULL REFERENCES block, sequence_number integer NOT NULL,
    created_at timestamptz DEFAULT now()
);
CREATE TABLE blocks_tags (block_id text NOT NULL REFERENCES block, tag text NOT NULL, is_deleted boolean NOT NULL DEFAULT false);
CREATE TABLE blocks_agents (
    agent_id text NOT NULL REFERENCES agents, block_id text NOT NULL REFERENCES block,
    block_label text NOT NULL, UNIQUE (agent_id, block_label)
);
CREATE TABLE identities (
    id text PRIMARY KEY, identifier_key text NOT NULL, name text NOT NULL, identity_type text NOT NULL,
    project_id text, organization_id text NOT NULL REFERENCES organizations,
    created_at timestamptz DEFAULT now(), updated_at timestamptz DEFAULT now(),
    is_deleted boolean NOT NULL DEFAULT false, _created_by_id text, _last_updated_by_id text,
    properties json NOT NULL DEFAULT '[]'
);
CREATE TABLE identities_agents (identity_id text NOT NULL REFERENCES identities, agent_id text NOT NULL REFERENCES agents);
CREATE TABLE identities_blocks (identity_id text NOT NULL REFERENCES identities, block_id text NOT NULL REFERENCES block);
CREATE TABLE conversations (
    id text PRIMARY KEY, agent_id text NOT NULL REFERENCES agents, summary text,
    created_at timestamptz DEFAULT now(), updated_at timestamptz DEFAULT now(),
    is_deleted boolean NOT NULL DEFAULT false, _created_by_id text, _last_updated_by_id text,
    organization_id text NOT NULL REFERENCES organizations, model text, model_settings json,
    last_message_at timestamptz
);
CREATE TABLE blocks_conversations (
    conversation_id text NOT NULL REFERENCES conversations, block_id text NOT NULL REFERENCES block,
    block_label text NOT NULL, UNIQUE (conversation_id, block_label)
);
CREATE TABLE runs (
    id text PRIMARY KEY, status text NOT NULL, completed_at timestamp, stop_reason text,
    background boolean, metadata_ json, request_config json, agent_id text NOT NULL REFERENCES agents,
    callback_url text, ttft_ns bigint, total_duration_ns bigint, created_at timestamptz DEFAULT now(),
    updated_at timestamptz DEFAULT now(), is_deleted boolean NOT NULL DEFAULT false,
    _created_by_id text, _last_updated_by_id text, organization_id text NOT NULL, conversation_id text
);
CREATE TABLE steps (
    id text PRIMARY KEY, run_id text REFERENCES runs, model text, model_handle text,
    provider_name text, stop_reason text, error_type text, error_data json, feedback text,
    completion_tokens integer NOT NULL DEFAULT 0, prompt_tokens integer NOT NULL DEFAULT 0,
    total_tokens integer NOT NULL DEFAULT 0, cached_input_tokens integer, reasoning_tokens integer,
    created_at timestamptz DEFAULT now(), updated_at timestamptz DEFAULT now(),
    is_deleted boolean NOT NULL DEFAULT false, _created_by_id text, _last_updated_by_id text,
    organization_id text
);
CREATE SEQUENCE message_seq_id;
CREATE TABLE messages (
    id text PRIMARY KEY, agent_id text NOT NULL REFERENCES agents, role text NOT NULL, text text,
    model text, name text, tool_calls json NOT NULL DEFAULT '[]', tool_call_id text,
    created_at timestamptz DEFAULT now(), updated_at timestamptz DEFAULT now(),
    is_deleted boolean NOT NULL DEFAULT false, _created_by_id text, _last_updated_by_id text,
    organization_id text NOT NULL REFERENCES organizations, step_id text REFERENCES steps, otid text,
    tool_returns json, group_id text, content json,
    sequence_id bigint NOT NULL UNIQUE DEFAULT nextval('message_seq_id'), sender_id text,
    is_err boolean, approve boolean, run_id text REFERENCES runs, approvals json, conversation_id text
);
CREATE TABLE conversation_messages (
    id text PRIMARY KEY DEFAULT gen_random_uuid()::text,
    conversation_id text REFERENCES conversations, agent_id text NOT NULL,
    message_id text NOT NULL REFERENCES messages, position integer NOT NULL,
    in_context boolean NOT NULL DEFAULT true, is_deleted boolean NOT NULL DEFAULT false,
    UNIQUE (conversation_id, message_id)
);
CREATE INDEX ON block_history (block_id);
CREATE INDEX ON blocks_agents (block_id);
CREATE INDEX ON blocks_conversations (block_id);
CREATE INDEX ON conversations (agent_id);
CREATE INDEX ON messages (agent_id, conversation_id, sequence_id);
CREATE INDEX ON messages (conversation_id);
CREATE INDEX ON messages (run_id, sequence_id);
CREATE INDEX ON conversation_messages (conversation_id, position);
CREATE INDEX ON conversation_messages (message_id);
CREATE INDEX ON runs (agent_id);
CREATE INDEX ON steps (run_id);
CREATE TABLE archives (
    id text PRIMARY KEY, name text NOT NULL, description text, metadata_ json,
    created_at timestamptz DEFAULT now(), updated_at timestamptz DEFAULT now(),
    is_deleted boolean NOT NULL DEFAULT false, _created_by_id text, _last_updated_by_id text,
    organization_id text NOT NULL, embedding_config json
);
CREATE TABLE archives_agents (
    agent_id text NOT NULL UNIQUE REFERENCES agents, archive_id text NOT NULL REFERENCES archives,
    created_at timestamptz NOT NULL DEFAULT now(), is_owner boolean NOT NULL
);
-- V1's vectors are of pgvector's type, which is cast in the same way.
CREATE TABLE archival_passages (
    id text PRIMARY KEY, text text NOT NULL, metadata_ json NOT NULL DEFAULT '{}', embedding real[],
    created_at timestamptz DEFAULT now(), updated_at timestamptz DEFAULT now(),
    is_deleted boolean NOT NULL DEFAULT false, _created_by_id text, _last_updated_by_id text,
    organization_id text NOT NULL, archive_id text NOT NULL REFERENCES archives, tags json
);
CREATE TABLE sources (
    id text PRIMARY KEY, name text NOT NULL, description text, instructions text, metadata_ json,
    created_at timestamptz DEFAULT now(), updated_at timestamptz DEFAULT now(),
    is_deleted boolean NOT NULL DEFAULT false, _created_by_id text, _last_updated_by_id text,
    organization_id text NOT NULL, embedding_config json NOT NULL
);
CREATE TABLE files (
    id text PRIMARY KEY, source_id text NOT NULL REFERENCES sources, file_name text,
    original_file_name text, file_path text, file_type text, file_size integer,
    processing_status text NOT NULL, error_message text, total_chunks integer,
    chunks_embedded integer, created_at timestamptz DEFAULT now(),
    updated_at timestamptz DEFAULT now(), is_deleted boolean NOT NULL DEFAULT false,
    _created_by_id text, _last_updated_by_id text, organization_id text NOT NULL
);
CREATE TABLE file_contents (
    id text PRIMARY KEY, file_id text NOT NULL REFERENCES files, text text NOT NULL,
    is_deleted boolean NOT NULL DEFAULT false
);
CREATE TABLE source_passages (
    id text PRIMARY KEY, text text NOT NULL, metadata_ json NOT NULL DEFAULT '{}', embedding real[],
    embedding_config json, created_at timestamptz DEFAULT now(),
    updated_at timestamptz DEFAULT now(), is_deleted boolean NOT NULL DEFAULT false,
    _created_by_id text, _last_updated_by_id text, organization_id text NOT NULL, file_id text,
    source_id text NOT NULL REFERENCES sources, file_name text NOT NULL DEFAULT '', tags json
);
CREATE TABLE sources_agents (
    agent_id text NOT NULL REFERENCES agents, source_id text NOT NULL REFERENCES sources
);
CREATE TABLE files_agents (
    id text PRIMARY KEY, file_id text NOT NULL REFERENCES files,
    agent_id text NOT NULL REFERENCES agents, source_id text NOT NULL, file_name text NOT NULL,
    is_open boolean NOT NULL, visible_content text, start_line integer, end_line integer,
    last_accessed_at timestamptz NOT NULL DEFAULT now(), created_at timestamptz DEFAULT now(),
    is_deleted boolean NOT NULL DEFAULT false, organization_id text NOT NULL
);
