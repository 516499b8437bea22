-- What `authtape report denials --by scope,platform,day --format csv` prints, by the rules of authtape-report(1), for a
-- recording that saw prompts, decisions and flips: over ev (the events in their order, n from 0; day of each) and gate
-- (which API needs which scope). The same text for SQLite and DuckDB.
with answered as (
  select *, lead(n) over w as rn, lead(errMsg) over w as answer_text, lead(platform) over w as answer_platform
    from ev where kind in ('call', 'return') window w as (partition by app, usr, stream, call order by n)),
call as (
  select a.n, a.app, a.usr, a.day, coalesce(a.platform, a.answer_platform) as platform, a.rn,
    coalesce(g.scope, a.scope) in (select scope from gate) as known, coalesce(g.scope, a.scope) as s, case when answer_text like '%:ok' then 'ok'
      when answer_text like '%auth deny%' or answer_text like '%auth denied%' then 'denied' else 'other' end as class
    from answered a left join gate g on g.api = a.api
    where a.kind = 'call' and coalesce(g.scope, a.scope) is not null),
-- decisions that deny, and denied answers, in their order: was the last decision after the call?
deny as (
  select distinct rn as place, n, app, usr, s, day, platform, known, null as decided from call where class = 'denied'
  union all select n, null, app, usr, scope, day, platform, null, n from ev where kind = 'decision' and answer = 'deny'),
latest as (select *, max(decided) over (partition by app, usr, s order by place) as said from deny),
silent as (select s, platform, day, app, usr, known, coalesce(said > n, false) as prompted from latest where n is not null),
-- first signs of a denial, and the first flip to granted after it
sign as (
  select rn as n, app, usr, s, platform, day from call where class = 'denied'
  union all select n, app, usr, scope, platform, day from ev where kind = 'decision' and answer = 'deny'
  union all select n, app, usr, scope, platform, day from ev where kind = 'settings' and not granted),
first_sign as (select app, usr, s, min(n) as n from sign group by app, usr, s),
up as (
  select f.app, f.usr, f.scope as s, min(f.n) as n from ev f join first_sign b on b.app = f.app and b.usr = f.usr and b.s = f.scope
    where f.kind = 'settings' and f.granted and f.n > b.n group by f.app, f.usr, f.scope),
calls as (select s, platform, day, count(*) as calls, sum(case class when 'denied' then 1 else 0 end) as denied
  from call group by s, platform, day),
verdicts as (select s, platform, day, sum(case when known and prompted then 1 else 0 end) as at_prompt,
    sum(case when known and not prompted then 1 else 0 end) as while_denied from silent group by s, platform, day),
users as (select s, platform, day, count(*) as users_denied from
  (select distinct s, platform, day, app, usr from sign) group by s, platform, day),
back as (select u.s, f.platform, f.day, count(*) as recovered from up u join ev f on f.n = u.n group by u.s, f.platform, f.day),
mute as (select s, platform, day, count(*) as silenced, sum(case when times > 1 then 1 else 0 end) as kept_asking from
  (select s, platform, day, app, usr, count(*) as times from silent where known and not prompted
    group by s, platform, day, app, usr) group by s, platform, day),
place as (select s, platform, day from calls union select s, platform, day from users union select s, platform, day from back)
select p.s as scope, p.platform, p.day, coalesce(calls, 0) as calls, coalesce(denied, 0) as denied,
    coalesce(at_prompt, 0) as at_prompt, coalesce(while_denied, 0) as while_denied, coalesce(users_denied, 0) as users_denied,
    coalesce(recovered, 0) as users_recovered, coalesce(silenced, 0) as users_silenced, coalesce(kept_asking, 0) as users_kept_asking
  from place p
    left join calls c on c.s = p.s and c.platform = p.platform and c.day = p.day
    left join verdicts v on v.s = p.s and v.platform = p.platform and v.day = p.day
    left join users u on u.s = p.s and u.platform = p.platform and u.day = p.day
    left join back b on b.s = p.s and b.platform = p.platform and b.day = p.day
    left join mute m on m.s = p.s and m.platform = p.platform and m.day = p.day;
