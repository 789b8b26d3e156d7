create table if not exists crm_event (
    event_id    text primary key,
    topic       text not null,
    partition   integer not null,
    "offset"    bigint not null,
    recorded_at timestamptz not null,
    type        text not null,
    tenant_id   text not null,
    key         bytea, -- as they came; null: no key, or a tombstone
    value       bytea,
    stored_at   timestamptz not null default clock_timestamp()
);
create index if not exists crm_event_tenant on crm_event (tenant_id, recorded_at);
