insert into crm_event (event_id, topic, partition, "offset", recorded_at, type, tenant_id, key, value)
select * from unnest($1::text[], $2::text[], $3::int[], $4::bigint[], $5::timestamptz[], $6::text[], $7::text[], $8::bytea[], $9::bytea[])
on conflict (event_id) do nothing
