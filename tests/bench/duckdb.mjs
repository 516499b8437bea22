// usage: node duckdb.mjs EVENTS.ndjson GATE.csv QUERY.sql: the rows as CSV on standard output, one thread.
import { readFileSync } from 'node:fs'
import { DuckDBInstance } from '@duckdb/node-api'
const [, , events, gate, query] = process.argv
const db = await (await DuckDBInstance.create(':memory:', { threads: '1' })).connect()
await db.run(`create table ev as select row_number() over () - 1 as n, kind, app, "user" as usr, stream,
    platform, call, api, scope, errMsg, answer, granted, strftime(make_timestamp(t), '%Y-%m-%d') as day
  from read_ndjson('${events}', columns = {t: 'BIGINT', kind: 'VARCHAR', app: 'VARCHAR', user: 'VARCHAR', stream: 'VARCHAR',
    platform: 'VARCHAR', call: 'VARCHAR', api: 'VARCHAR', scope: 'VARCHAR', errMsg: 'VARCHAR', answer: 'VARCHAR', granted: 'BOOLEAN'})`)
await db.run(`create table gate as select * from read_csv('${gate}', header = false, columns = {scope: 'VARCHAR', api: 'VARCHAR'})`)
const rows = (await db.runAndReadAll(readFileSync(query, 'utf8'))).getRowsJS()
process.stdout.write(rows.map(r => r.join(',') + '\n').join(''))
