// node proxy.mjs PORT TARGET SNIPPET
import http from 'node:http';
import { createProxyMiddleware, responseInterceptor } from 'http-proxy-middleware';

const [port, target, snippet] = process.argv.slice(2);

// On the bytes: as a string, as in the examples of its documentation, a page costs more.
async function injected(body, answer) {
  if (!answer.headers['content-type']?.startsWith('text/html')) return body;
  const end = body.lastIndexOf('</body>');
  return end < 0 ? body : Buffer.concat([body.subarray(0, end), Buffer.from(snippet), body.subarray(end)]);
}

const proxy = createProxyMiddleware({
  target,
  agent: new http.Agent({ keepAlive: true, maxFreeSockets: 64 }),
  xfwd: true,
  selfHandleResponse: true,
  on: { proxyRes: responseInterceptor(injected) },
});
http.createServer((request, response) => proxy(request, response)).listen(Number(port), '127.0.0.1');
