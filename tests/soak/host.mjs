// host.mjs: the host of the soak, a process of its own: it answers calls through WebSockets, compressed or not, and counts for
// itself what it got and sent.   Forked by soak.mjs; says {port}, and after 'tell' what it counted.
import http from 'node:http';
import {once} from 'node:events';
import {WebSocketServer} from 'ws';

const told = {connections: {}, halves: 0, halves_whole: 0};
const server = http.createServer((request, response) => {
  told.halves++; // its head was read; its body will not be
  request.on('error', () => {});
  request.on('end', () => (told.halves_whole++, response.end('{}')));
  request.resume();
});
server.on('clientError', (_, socket) => socket.destroy());
const sockets = new WebSocketServer({server, perMessageDeflate: {threshold: 0}});
sockets.on('connection', (socket, request) => {
  const mine = (told.connections[new URL(request.url, 'ws://h').searchParams.get('c')] = {calls: 0, answers: 0});
  socket.on('error', () => {});
  socket.on('message', (data) => {
    const {id, params} = JSON.parse(data);
    mine.calls++;
    if (socket.readyState === socket.OPEN) mine.answers++;
    socket.send(JSON.stringify({id, result: {result: {errMsg: `${params.method}:fail auth deny`}}}), () => {});
  });
});
await once(server.listen(0, '127.0.0.1'), 'listening');
process.send({port: server.address().port});
await once(process, 'message');
process.send(told, () => process.exit(0));
