// Random texts, JSON and nearly JSON, read by node's parser and by ours: the same ones are taken, and compact text
// stands for the same value. Usage: compare.mjs PROGRAM HOW_MANY SEED
import { spawnSync } from "node:child_process";
import { isDeepStrictEqual } from "node:util";

const [program, howMany, seed] = [process.argv[2], Number(process.argv[3]), Number(process.argv[4])];
let state = BigInt(seed);
const below = (n) => {
    state = (state * 6364136223846793005n + 1442695040888963407n) & 0xffffffffffffffffn;
    return Number((state >> 33n) % BigInt(n));
};
const pick = (list) => list[below(list.length)];

const space = () => (below(4) ? "" : pick([" ", "\t", "\n", "\r", "  \n"]));
const piece = () =>
    pick(["a", "\\n", "\\\"", "\\\\", "\\/", "\\u00e9", "\\ud83d\\udce6", "\\ud83d", "\\uDCE6x", "\\u0000", "权限", "📦",
        "\x7f", "12345678", "{", "]", ",", "'", " "]);
const string = () => `"${Array.from({ length: below(6) }, piece).join("")}"`;
const digits = () => Array.from({ length: 1 + below(below(5) ? 3 : 30) }, () => below(10)).join("");
const number = () =>
    pick(["", "-"]) + pick(["0", `${1 + below(9)}${pick(["", digits()])}`]) + pick(["", "", `.${digits()}`]) +
    pick(["", "", `${pick(["e", "E"])}${pick(["", "+", "-"])}${digits()}`]);
const value = (depth) => {
    const many = below(4), inside = () => value(depth - 1);
    switch (below(depth > 0 ? 6 : 4)) {
    case 0: return string();
    case 1: case 2: return number();
    case 3: return pick(["true", "false", "null"]);
    case 4: return `[${Array.from({ length: many }, () => space() + inside() + space()).join(",")}${space()}]`;
    default:
        return `{${Array.from({ length: many }, () => space() + string() + space() + ":" + space() + inside() + space())
            .join(",")}${space()}}`;
    }
};

// A few bytes dropped, doubled, changed or put in: mostly what the grammar is made of.
const alphabet = Buffer.from('{}[]",:\\/ \t\n\r\x00\x0b\x1f\x7f\x80\xbf\xc0\xc3\xe2\xed\xf0\xf4\xf5\xff0123456789+-.eEuatrfnl', "latin1");
const spoil = (bytes) => {
    for (let times = 1 + below(2); times > 0; times--) {
        const at = below(bytes.length + 1), byte = Buffer.from([pick(alphabet)]);
        const tail = bytes.subarray(at + (pick([0, 1, 1])));
        bytes = Buffer.concat([bytes.subarray(0, at), pick([byte, Buffer.alloc(0), bytes.subarray(at, at + 1)]), tail]);
    }
    return bytes;
};

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
const read = (bytes) => {
    try {
        return [JSON.parse(utf8.decode(bytes))];
    } catch {
        return null;
    }
};

const texts = Array.from({ length: howMany }, () => {
    const text = Buffer.from(space() + value(5) + space());
    return below(2) ? spoil(text) : text;
});
const run = spawnSync(program, { input: texts.map((t) => t.toString("hex") + "\n").join(""), maxBuffer: 1 << 30 });
const answers = run.stdout.toString().split("\n");
let wrong = run.status === 0 && answers.length === howMany + 1 ? 0 : 1, good = 0;
if (wrong)
    console.log(`status ${run.status}, ${answers.length - 1} answers\n${run.stderr}`);
texts.forEach((text, i) => {
    const expected = read(text), ours = answers[i] === "-" ? null : read(Buffer.from(answers[i] ?? "", "hex"));
    good += expected !== null;
    if (isDeepStrictEqual(expected, ours) || wrong++ > 10)
        return;
    console.log(`${text.toString("hex")}\n  ${text}\n  node: ${expected ? "taken" : "refused"}, ours: ${answers[i]}`);
});
console.log(`${howMany} texts, ${good} of them JSON, ${wrong} differ`);
process.exit(wrong || good < howMany / 4 || good > howMany * 0.9 ? 1 : 0);
