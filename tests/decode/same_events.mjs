// usage: same_events.mjs ONE.ndjson OTHER.ndjson
// Two recordings of the same packets have the same events. Each capture has stamps of its own for the packets; they differ
// by microseconds, on a busy machine by more.
import { readFileSync } from 'node:fs';

const [one, other] = process.argv.slice(2).map((file) => readFileSync(file, 'utf8').split('\n').filter(Boolean));
const apart = 20_000; // microseconds
if (one.length !== other.length || one.length === 0) throw new Error(`${one.length} and ${other.length} events`);
one.forEach((line, i) => {
    const { t, ...rest } = JSON.parse(line), { t: otherT, ...otherRest } = JSON.parse(other[i]);
    if (JSON.stringify(rest) !== JSON.stringify(otherRest) || Math.abs(t - otherT) > apart)
        throw new Error(`number ${i}:\n${line}\n${other[i]}`);
});
