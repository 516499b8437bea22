-- Events of `authtape cat` (events.ndjson) as tables, by nothing but the rules in authtape-report(1).
.bail on
.mode ascii
.separator "\037" "\n"
create table raw(line text);
.import events.ndjson raw
create table ev as select rowid - 1 as n, json_extract(line, '$.t') as t, json_extract(line, '$.kind') as kind,
  json_extract(line, '$.app') as app, json_extract(line, '$.user') as user, json_extract(line, '$.stream') as stream,
  json_extract(line, '$.platform') as platform, json_extract(line, '$.call') as call, json_extract(line, '$.api') as api,
  json_extract(line, '$.scope') as scope, json_extract(line, '$.errMsg') as errMsg,
  json_extract(line, '$.answer') as answer, json_extract(line, '$.granted') as granted, line from raw;
create index by_call on ev(stream, call, kind, n);
create index by_user on ev(app, user, kind, n);

create table gate as select json_extract(s.value, '$.name') as scope, a.value as api
  from json_each(readfile('profile.json'), '$.scopes') s, json_each(s.value, '$.apis') a;

-- a call and its answer: the first return after it
create table pair as select c.n, c.t, c.app, c.user, c.stream, c.api, c.scope, c.line, c.call,
  (select min(r.n) from ev r where r.kind = 'return' and r.stream = c.stream and r.call = c.call and r.n > c.n) as rn,
  c.platform as p from ev c where c.kind = 'call';
create table answered as select pair.*, coalesce(p, r.platform) as platform, r.errMsg,
  case when errMsg is null then 'unanswered'
       when errMsg like '%:ok' then 'ok'
       when errMsg like '%auth deny%' or errMsg like '%auth denied%' then 'denied'
       when errMsg like '%auth cancel%' then 'dismissed'
       when errMsg like '%scope unauthorized%' then 'unauthorized'
       else 'other' end as class
  from pair left join ev r on r.n = rn;
-- one row for each scope of a call
create table use as
  select a.*, g.scope as s from answered a join gate g on g.api = a.api
  union all
  select a.*, j.value as s from answered a, json_each(json_array(a.scope)) j
    where a.api = 'authorize' and json_type(a.line, '$.scope') = 'text'
  union all
  select a.*, j.value as s from answered a, json_each(a.line, '$.scope') j
    where a.api = 'authorize' and json_type(a.line, '$.scope') = 'array';

-- a decision and the prompt it answers
create table said as select d.*, (select max(p.n) from ev p where p.kind = 'prompt' and p.app = d.app and
    p.user = d.user and p.n < d.n and (d.scope is null or p.scope = d.scope)) as pn from ev d where kind = 'decision';
create table decided as select said.n, said.t, said.app, said.user, said.platform, said.answer,
  coalesce(said.scope, p.scope) as s, said.t - p.t as us from said left join ev p on p.n = said.pn;

-- everything that counts: place, number, and the user for numbers of users
create table item as
  select s, platform, t, '$.calls' as metric, null as who from use
  union all select s, platform, t, '$.' || class, null from use
  union all select scope, platform, t, '$.prompts.observed', null from ev where kind = 'prompt'
  union all select s, platform, t, '$.prompts.' || case answer when 'allow' then 'allowed' when 'deny' then 'denied'
    else 'dismissed' end, null from decided
  union all select s, platform, t, '$.denials.' || case when exists (select 1 from decided d where d.app = use.app and
      d.user = use.user and d.s = use.s and d.answer = 'deny' and d.n between use.n and use.rn)
    then 'at_prompt' else 'while_denied' end, null from use where class = 'denied'
  union all select scope, platform, t, case granted when 1 then '$.settings.to_granted' else '$.settings.to_denied' end,
    null from ev where kind = 'settings'
  union all select s, platform, t, '$.users.asked', app || ' ' || user from use where class in ('ok', 'denied', 'dismissed')
  union all select scope, platform, t, '$.users.asked', app || ' ' || user from ev where kind in ('prompt', 'settings')
  union all select s, platform, t, '$.users.asked', app || ' ' || user from decided
  union all select s, platform, t, '$.users.granted', app || ' ' || user from use where class = 'ok'
  union all select s, platform, t, '$.users.granted', app || ' ' || user from decided where answer = 'allow'
  union all select scope, platform, t, '$.users.granted', app || ' ' || user from ev where kind = 'settings' and granted
  union all select s, platform, t, '$.users.denied', app || ' ' || user from use where class = 'denied'
  union all select s, platform, t, '$.users.denied', app || ' ' || user from decided where answer = 'deny'
  union all select scope, platform, t, '$.users.denied', app || ' ' || user from ev where kind = 'settings' and not granted;
create table sign as select app, user, s, min(n) as n from (
  select app, user, s, rn as n from use where class = 'denied'
  union all select app, user, s, n from decided where answer = 'deny'
  union all select app, user, scope, n from ev where kind = 'settings' and not granted) group by app, user, s;
insert into item select e.scope, e.platform, e.t, '$.users.recovered', e.app || ' ' || e.user
  from ev e join sign on sign.app = e.app and sign.user = e.user and sign.s = e.scope
  where e.kind = 'settings' and e.granted and e.n > sign.n and not exists (select 1 from ev l where l.app = e.app and
    l.user = e.user and l.kind = 'settings' and l.granted and l.scope = e.scope and l.n > e.n);
