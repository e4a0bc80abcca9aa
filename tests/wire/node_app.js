// A host app in Node: signed-in people by cookie, pages, uploads, events, a WebSocket echo. Prints its port.
'use strict';
const http = require('http');
const zlib = require('zlib');
const {createHash} = require('crypto');

const people = JSON.parse(process.env.PEOPLE);
const page = process.env.PAGE;
const listeners = new Set();
const CLAIMS = Buffer.from('claims?'); // over the WebSocket: what the handshake claimed about its client

const cookies = (req) => Object.fromEntries(
  (req.headers.cookie || '').split('; ').filter(Boolean).map((pair) => pair.split('=', 2)));
const signedIn = (req) => people[cookies(req).sid];

function json(res, status, value) {
  res.writeHead(status, {'Content-Type': 'application/json'});
  res.end(JSON.stringify(value));
}

function body(req, done) {
  const chunks = [];
  req.on('data', (chunk) => chunks.push(chunk));
  req.on('end', () => done(Buffer.concat(chunks)));
}

const routes = {
  'GET /': (req, res) => { res.setHeader('Content-Type', 'text/html'); res.end(page); },
  'GET /onboarding': (req, res) => { res.setHeader('Content-Type', 'text/html'); res.end(page); },
  'GET /gzip': (req, res) => {
    res.writeHead(200, {'Content-Type': 'text/html; charset=utf-8', 'Content-Encoding': 'gzip'});
    res.end(zlib.gzipSync(page));
  },
  'GET /api/me': (req, res) => (signedIn(req) ? json(res, 200, {user: signedIn(req)}) : json(res, 401, {})),
  'GET /api/request': (req, res) => json(res, 200, {url: req.url, headers: req.rawHeaders}),
  'GET /broken': (req, res) => { res.statusCode = 500; res.end('<h1>Our own error</h1>'); },
  'GET /old': (req, res) => { res.writeHead(301, {Location: '/new?a=b'}); res.end(); },
  'GET /never': () => {},
  'POST /login': (req, res) => body(req, (form) => {
    const user = new URLSearchParams(form.toString()).get('user_id');
    res.writeHead(303, {Location: '/', 'Set-Cookie': [`sid=${user}; HttpOnly; Path=/`, 'theme=dark; Path=/']});
    res.end();
  }),
  'POST /upload': (req, res) => body(req, (bytes) => json(res, 200, {
    bytes: bytes.length, sha256: createHash('sha256').update(bytes).digest('hex')})),
  'GET /events': (req, res) => {
    res.writeHead(200, {'Content-Type': 'text/event-stream'});
    res.write('data: hello\n\n');
    listeners.add(res);
    req.on('close', () => { listeners.delete(res); console.log('reader left'); });
  },
  'POST /events': (req, res) => body(req, (text) => {
    for (const listener of listeners) listener.write(`data: ${text}\n\n`);
    res.statusCode = 204;
    res.end();
  }),
};

const server = http.createServer((req, res) => {
  const route = routes[`${req.method} ${req.url.split('?')[0]}`];
  if (route) route(req, res);
  else { res.statusCode = 404; res.end('nothing here'); }
});

// RFC 6455 for short, whole, masked text frames.
server.on('upgrade', (req, socket) => {
  const key = createHash('sha1').update(`${req.headers['sec-websocket-key']}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`);
  socket.write('HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n' +
    `Sec-WebSocket-Accept: ${key.digest('base64')}\r\nSec-WebSocket-Protocol: chat\r\n\r\n`);
  let buffered = Buffer.alloc(0);
  socket.on('error', () => {});
  socket.on('data', (chunk) => {
    buffered = Buffer.concat([buffered, chunk]);
    while (buffered.length >= 6 && buffered.length >= 6 + (buffered[1] & 127)) {
      const [opcode, length] = [buffered[0] & 15, buffered[1] & 127];
      const mask = buffered.subarray(2, 6);
      const payload = Buffer.from(buffered.subarray(6, 6 + length).map((byte, index) => byte ^ mask[index % 4]));
      buffered = buffered.subarray(6 + length);
      if (opcode === 8) { socket.end(Buffer.concat([Buffer.from([0x88, length]), payload])); return; }
      const claims = ['x-user-id', 'x_user_id', 'x-forwarded-for'].map((name) => req.headers[name]).join(' ');
      const answer = Buffer.from(`${(signedIn(req) || {}).id}: ${payload.equals(CLAIMS) ? claims : payload}`);
      socket.write(Buffer.concat([Buffer.from([0x81, answer.length]), answer]));
    }
  });
});

server.listen(0, '127.0.0.1', () => console.log(server.address().port));
