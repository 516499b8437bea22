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
  json_extract(line, '$.answer') as answer, json_extract(line, '$.granted') as granted, line, 0 as hidden from raw;
-- what `replay` says nobody saw (replay.json, where there is one): a prompt right after the event that it came after, all
-- else right before the event that shows it, whose time and platform count
create table said_hidden as select json_extract(value, '$.kind') as kind, json_extract(value, '$.app') as app,
  json_extract(value, '$.user') as user, json_extract(value, '$.scope') as scope, json_extract(value, '$.answer') as answer,
  json_extract(value, '$.granted') as granted, json_extract(value, '$.after_event') as after_event,
  json_extract(value, '$.before_event') as before_event from json_each(readfile('replay.json'), '$.inferred');
-- a decision on the tape that names no scope, and is the inferred one
create table same as select h.rowid as h, min(d.n) as n from said_hidden h join ev d on d.kind = 'decision' and d.app = h.app and
  d.user = h.user and d.answer = h.answer and d.n between h.after_event and h.before_event where h.kind = 'decision' group by 1;
insert into ev select case h.kind when 'prompt' then after_event + 0.25 + h.rowid / 1e6 else before_event - 0.5 end, e.t, h.kind, h.app, h.user,
  null, e.platform, null, null, h.scope, null, h.answer, h.granted, '{}', 1 from said_hidden h join ev e on e.n = h.before_event
  where h.kind <> 'reset' and h.rowid not in (select h from same);
-- denials that no run explains count neither as at the prompt nor as in silence
create table unexplained as select json_extract(value, '$.event') as n from json_each(readfile('replay.json'), '$.divergences')
  where json_extract(value, '$.class') in ('unexpected-failure', 'decision-ignored', 'missing-prompt');
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
       when errMsg like '%system permission denied%' then 'os-denied'
       when errMsg like '%privacy permission%' then 'privacy'
       when errMsg like '%invalid scope%' then 'malformed'
       when errMsg like '%TAP gesture%' then 'gesture'
       else 'other' end as class, r.t as rt
  from pair left join ev r on r.n = rn;
create index answered_by on answered(stream, call, n);
create index answered_rn on answered(rn);
-- one row for each scope of a call
create table use as
  select a.*, g.scope as s from answered a join gate g on g.api = a.api
  union all
  select a.*, j.value as s from answered a, json_each(json_array(a.scope)) j
    where a.api = 'authorize' and json_type(a.line, '$.scope') = 'text'
  union all
  select a.*, j.value as s from answered a, json_each(a.line, '$.scope') j
    where a.api = 'authorize' and json_type(a.line, '$.scope') = 'array';

-- a prompt, and the API of the call that it names, if that one waits
create table prompt as select p.hidden, p.n, p.t, p.app, p.user, p.platform, p.scope as s,
  (select a.api from answered a where a.stream = p.stream and a.call = p.call and a.n < p.n and
    coalesce(a.rn, p.n) >= p.n order by a.n desc limit 1) as api from ev p where kind = 'prompt';
create index prompt_by on prompt(app, user, n);
-- a decision and the scope that it is about: that of the prompt it answers (asked: the prompt that came up last and is not answered), or the only scope that a call waits for, or that of a
-- decision or of a prompt that replay infers there
create table said as select d.*,
  (select max(p.n) from ev p where p.kind = 'prompt' and not p.hidden and p.app = d.app and p.user = d.user and p.n < d.n and
    (d.scope is null or p.scope = d.scope) and not exists (select 1 from ev x where x.kind = 'decision' and x.app = d.app and
    x.user = d.user and x.n > p.n and x.n < d.n and (d.scope is null or x.scope is null or x.scope = d.scope))) as asked,
  (select case when count(distinct u.s) = 1 then min(u.s) end from use u where u.app = d.app and u.user = d.user and u.n < d.n and
    coalesce(u.rn, d.n) >= d.n) as waiting,
  (select h.scope from same join said_hidden h on h.rowid = same.h where same.n = d.n) as known,
  (select scope from said_hidden h where h.kind = 'prompt' and h.app = d.app and h.user = d.user and
    d.n between h.after_event and h.before_event order by h.after_event desc limit 1) as unseen
  from ev d where kind = 'decision';
create table decided as select d.n, d.t, d.app, d.user, d.platform, d.answer,
  coalesce(d.scope, a.s, d.waiting, d.known, d.unseen) as s, a.api, d.t - a.t as us from said d left join prompt a on a.n = d.asked;
create index decided_by on decided(app, user, s, n);

-- everything that counts: place, number, and the user for numbers of users
create table silent as select use.*, exists (select 1 from decided d where d.app = use.app and d.user = use.user and
    d.s = use.s and d.answer = 'deny' and d.n between use.n and use.rn) as prompted from use where class = 'denied'
    and rn not in (select n from unexplained);
create table flip as select hidden, n, t, app, user, platform, scope as s, granted from ev where kind = 'settings';
create index flip_by on flip(app, user, s, n);
create table item(s, platform, app, api, errmsg, t, metric, who);
insert into item select s, platform, app, api, errMsg, t, '$.calls', null from use;
insert into item select s, platform, app, api, errMsg, t, '$.' || case when class in ('os-denied', 'privacy', 'malformed', 'gesture') then 'other'
    else class end, null from use;
insert into item select s, platform, app, api, errMsg, t, '$.others.' || class, null from use
  where class in ('os-denied', 'privacy', 'malformed', 'gesture', 'other');
insert into item select s, platform, app, api, null, t, case hidden when 1 then '$.prompts.inferred' else '$.prompts.observed'
  end, null from prompt;
insert into item select s, platform, app, null, null, t, '$.settings.inferred', null from flip where hidden;
insert into item select s, platform, app, api, null, t, '$.prompts.' ||
  case answer when 'allow' then 'allowed' when 'deny' then 'denied' else 'dismissed' end, null from decided;
insert into item select s, platform, app, api, errMsg, t, case prompted when 1 then '$.denials.at_prompt' else
  '$.denials.while_denied' end, null from silent;
insert into item select s, platform, app, null, null, t, case granted when 1 then '$.settings.to_granted' else
  '$.settings.to_denied' end, null from flip;
-- signs: what the users saw, with its place in time
create table sign as
  select n, t, app, user, s, platform, api, null as errmsg, 'asked' as what from prompt
  union all select rn, t, app, user, s, platform, api, errMsg, 'asked' from use where class = 'dismissed'
  union all select rn, t, app, user, s, platform, api, errMsg, 'granted' from use where class = 'ok'
  union all select rn, t, app, user, s, platform, api, errMsg, 'denied' from use where class = 'denied'
  union all select n, t, app, user, s, platform, api, null, case answer when 'allow' then 'granted' when 'deny' then
    'denied' else 'asked' end from decided
  union all select n, t, app, user, s, platform, null, null, case granted when 1 then 'granted' else 'denied' end from flip;
insert into item select s, platform, app, api, errmsg, t, '$.users.asked', app || ' ' || user from sign;
insert into item select s, platform, app, api, errmsg, t, '$.users.' || what, app || ' ' || user from sign
  where what <> 'asked';
insert into item select s, platform, app, api, errMsg, t, '$.users.silenced', app || ' ' || user from silent
  where not prompted;
-- the first of each: a sign of a denial (a denied call's time is that of its answer), of a grant; flips after them
create table began as select app, user, s, min(n) filter (where what = 'denied') as denied,
  min(n) filter (where what = 'granted') as granted from sign group by 1, 2, 3;
create table came as select b.app, b.user, b.s, b.denied, b.granted,
  (select min(n) from flip f where f.app = b.app and f.user = b.user and f.s = b.s and f.granted and f.n > b.denied) as up,
  (select min(n) from flip f where f.app = b.app and f.user = b.user and f.s = b.s and not f.granted and f.n > b.granted)
    as off from began b;
create table later as select c.*, (select min(n) from flip f where f.app = c.app and f.user = c.user and f.s = c.s and
    f.granted and f.n > c.off) as again from came c;
insert into item select f.s, f.platform, f.app, null, null, f.t, '$.users.recovered', f.app || ' ' || f.user
  from later join flip f on f.n = later.up and f.s = later.s and f.app = later.app and f.user = later.user;
insert into item select f.s, f.platform, f.app, null, null, f.t, '$.users.turned_off', f.app || ' ' || f.user
  from later join flip f on f.n = later.off and f.s = later.s and f.app = later.app and f.user = later.user;
insert into item select f.s, f.platform, f.app, null, null, f.t, '$.users.turned_on_again', f.app || ' ' || f.user
  from later join flip f on f.n = later.again and f.s = later.s and f.app = later.app and f.user = later.user;
-- times: answers, and from the first denial to the recovery
create table span as
  select s, platform, app, api, null as errmsg, t, '$.prompts.answer_ms.' as what, us from decided where us is not null
  union all select f.s, f.platform, f.app, null, null, f.t, '$.settings.recovery_ms.', f.t - d.t
    from later join flip f on f.n = later.up and f.s = later.s and f.app = later.app and f.user = later.user join ev d on d.n = later.denied;
-- calls of users whom nobody asked
create table lone as select s, api, platform, count(*) as calls, count(distinct app || ' ' || user) as users from use u
  where not exists (select 1 from sign x where x.app = u.app and x.user = u.user and x.s = u.s) and
    not exists (select 1 from use a where a.api = 'authorize' and a.app = u.app and a.user = u.user and a.s = u.s)
  group by 1, 2, 3;
