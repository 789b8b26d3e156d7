-- Times are milliseconds since 1970, except occurred_at, which is RFC 3339 text.
create table outbox (
	id          integer primary key autoincrement, -- never used twice
	event_id    text    not null unique,
	tenant_id   text    not null,
	aggregate   text    not null, -- events of one aggregate stay in order; becomes the record's key
	type        text    not null,
	topic       text    not null,
	headers     text    not null default '{}',
	payload     blob    not null,
	occurred_at text    not null,
	created_at  integer not null default (cast(unixepoch('subsec') * 1000 as integer)),
	shard       integer not null
);
create index outbox_shard_id on outbox (shard, id);

create table outbox_parked (
	id          integer primary key, -- as in outbox: a released event takes its old place
	event_id    text    not null unique,
	tenant_id   text    not null,
	aggregate   text    not null,
	type        text    not null,
	topic       text    not null,
	headers     text    not null,
	payload     blob    not null,
	occurred_at text    not null,
	created_at  integer not null,
	shard       integer not null,
	reason      text    not null,
	parked_at   integer not null default (cast(unixepoch('subsec') * 1000 as integer))
);
create index outbox_parked_key on outbox_parked (shard, aggregate, id);

create table outbox_shard (
	shard       integer primary key,
	owner       text,
	epoch       integer not null default 0, -- one more with each change of owner
	lease_until integer,
	paused      boolean not null default false
);
insert into outbox_shard (shard)
	with recursive n(i) as (values (0) union all select i + 1 from n where i < 63) select i from n;

create table outbox_relay (
	owner       text    primary key,
	alive_until integer not null
);
