-- Prints every number of report.json that the tables contradict, and every one of the tables that the report lacks.
create temp table wanted as
  select s, platform, date(t / 1000000, 'unixepoch') as day, metric,
    case when metric like '$.users%' then count(distinct who) else count(*) end as value
    from item group by 1, 2, 3, 4
  union all
  select s, platform, day, '$.prompts.answer_ms.' || q, us / 1000.0 from (
    select s, platform, date(t / 1000000, 'unixepoch') as day, us,
      row_number() over w as rank, count(*) over (partition by s, platform, date(t / 1000000, 'unixepoch')) as all_n
      from decided where us is not null
      window w as (partition by s, platform, date(t / 1000000, 'unixepoch') order by us)),
    (select 'p50' as q, 50 as part union all select 'p90', 90 union all select 'p99', 99)
    where rank = (all_n * part + 99) / 100;
create temp table got as
  select json_extract(g.value, '$.scope') as s, json_extract(g.value, '$.platform') as platform,
    json_extract(g.value, '$.day') as day, replace(m.fullkey, '"', '') as metric, m.atom as value
    from json_each(readfile('report.json'), '$.groups') g, json_tree(g.value) m
    where m.type in ('integer', 'real') and m.atom <> 0;
-- the same without platform and day
create temp table wanted_whole as
  select s, metric, case when metric like '$.users%' then count(distinct who) else count(*) end as value
    from item group by 1, 2;
create temp table got_whole as
  select g.key as s, replace(m.fullkey, '"', '') as metric, m.atom as value
    from json_each(readfile('report.json'), '$.scopes') g, json_tree(g.value) m
    where m.type in ('integer', 'real') and m.atom <> 0 and m.fullkey not like '%answer_ms%';
create temp table wording as
  select coalesce(a.platform, r.platform) as p, coalesce(a.api, substr(r.errMsg, 1, instr(r.errMsg, ':') - 1)) as api,
    r.errMsg, count(*) as n from ev r left join answered a on a.rn = r.n where r.kind = 'return' group by 1, 2, 3;
create temp table got_wording as
  select json_extract(value, '$.platform') as p, json_extract(value, '$.api'), json_extract(value, '$.errMsg'),
    sum(json_extract(value, '$.count')) from json_each(readfile('report.json'), '$.errmsgs') group by 1, 2, 3;
.mode list
.separator "  "
select 'only in SQL', * from (select * from wanted except select * from got);
select 'only in the report', * from (select * from got except select * from wanted);
select 'only in SQL', * from (select * from wanted_whole except select * from got_whole);
select 'only in the report', * from (select * from got_whole except select * from wanted_whole);
select 'only in SQL', * from (select * from wording except select * from got_wording);
select 'only in the report', * from (select * from got_wording except select * from wording);
select 'totals differ' where (select json_array(count(*), count(*) filter (where kind = 'call'), count(distinct app),
    count(distinct user), min(t), max(t)) from ev) <> (select json_extract(readfile('report.json'), '$.events', '$.calls',
    '$.apps', '$.users', '$.from', '$.to'));
select 'compared', (select count(*) from got) + (select count(*) from got_whole) + (select count(*) from got_wording);
