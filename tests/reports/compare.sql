-- Prints every number of report.json that the tables contradict, and every one of the tables that the report lacks.
-- LABELS: what the groups are made by, as columns; PATHS: the same in report.json. Both are filled in by check.sh.
create temp table place as select rowid as id, json_array(LABELS) as label from item;
create temp table wanted as
  select place.label as label, metric, case when metric like '$.users%' then count(distinct who) else count(*) end as value
    from item join place on place.id = item.rowid group by 1, 2;
insert into wanted select label, '$.users.kept_asking', count(*) from
  (select place.label as label, who from item join place on place.id = item.rowid where metric = '$.users.silenced'
    group by 1, 2 having count(*) > 1) group by 1;
insert into wanted select label, what || q, us / 1000.0 from (
    select label, what, us, row_number() over w as rank, count(*) over (partition by label, what) as all_n
      from (select json_array(LABELS) as label, what, us from span)
      window w as (partition by label, what order by us)),
    (select 'p50' as q, 50 as part union all select 'p90', 90 union all select 'p99', 99)
    where rank = (all_n * part + 99) / 100;
create temp table got as
  select json_array(PATHS) as label, replace(m.fullkey, '"', '') as metric, m.atom as value
    from json_each(readfile('report.json'), 'SOURCE') g, json_tree(g.value) m
    where m.type in ('integer', 'real') and m.atom <> 0;
create temp table wording as
  select coalesce(a.platform, r.platform) as p, coalesce(a.api, substr(r.errMsg, 1, instr(r.errMsg, ':') - 1)) as api,
    r.errMsg, a.class, r.errMsg like '%quoted%' or r.errMsg like '%parameter error%' or r.errMsg like '% not exists'
      or r.errMsg like '% is not support' as strange, count(*) as n
    from ev r left join answered a on a.rn = r.n where r.kind = 'return' group by 1, 2, 3;
create temp table got_wording as
  select json_extract(value, '$.platform') as p, json_extract(value, '$.api'), json_extract(value, '$.errMsg'),
    json_extract(value, '$.class'), not coalesce(json_extract(value, '$.known'), 1), json_extract(value, '$.count')
    from json_each(readfile('report.json'), '$.errmsgs');
create temp table got_lone as
  select json_extract(value, '$.scope'), json_extract(value, '$.api'), json_extract(value, '$.platform'),
    json_extract(value, '$.calls'), json_extract(value, '$.users') from json_each(readfile('report.json'), '$.never_asked');
.mode list
.separator "  "
select 'only in SQL', * from (select * from wanted where value <> 0 except select * from got);
select 'only in the report', * from (select * from got except select * from wanted);
select 'only in SQL', * from (select * from wording except select * from got_wording);
select 'only in the report', * from (select * from got_wording except select * from wording);
select 'only in SQL', * from (select * from lone except select * from got_lone);
select 'only in the report', * from (select * from got_lone except select * from lone);
select 'totals differ' where (select json_array(count(*), count(*) filter (where kind = 'call'), count(distinct app),
    count(distinct user), min(t), max(t)) from ev where not hidden) <> (select json_extract(readfile('report.json'), '$.events', '$.calls',
    '$.apps', '$.users', '$.from', '$.to'));
select 'compared', (select count(*) from got) + (select count(*) from got_wording) + (select count(*) from got_lone);
