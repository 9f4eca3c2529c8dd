/**
 * Clients in a closed loop: each sends its next request as soon as it has a reply, or after a time
 * to think. Prints `ready` once each has had a reply, and at the end what became of the requests.
 * Arguments: the port, the number of clients, the milliseconds to think.
 */
import { connect } from 'node:net';
import { argv } from 'node:process';

const [port = 0, clients = 0, thinkMs = 0] = argv.slice(2).map(Number);
const GET = 'GET /quick HTTP/1.1\r\nHost: x\r\n\r\n';

/** What became of the requests, and how the connections ended. */
const counts = {
  answered: 0,
  /** Replies that said `Connection: close`. */
  last: 0,
  /** The server closed the connection before it received the request of this client, if any. */
  closed: 0,
  /** The server closed the connection after it had received the request. */
  lost: 0,
};
let ready = 0;
let open = clients;

for (let client = 0; client < clients; client += 1) {
  const socket = connect(port, '127.0.0.1').setEncoding('latin1').setNoDelay();
  let isFirst = true;
  let isLast = false;
  let isLost = false;
  const ask = () => {
    if (!socket.destroyed) socket.write(GET);
  };
  socket.on('connect', ask);
  // The replies are small, so each arrives whole.
  socket.on('data', (reply: string) => {
    counts.answered += 1;
    if (isFirst) ready += 1;
    if (isFirst && ready === clients) console.log('ready');
    isFirst = false;
    isLast = reply.includes('\r\nConnection: close\r\n');
    if (isLast) counts.last += 1;
    else if (thinkMs === 0) ask();
    else setTimeout(ask, thinkMs * Math.random());
  });
  socket.on('error', (error: NodeJS.ErrnoException) => {
    // If bytes that the server has not read lie in its socket, closing it resets the connection. If
    // the bytes arrive after it was closed, this side sees its end, or EPIPE.
    isLost = error.code === 'ECONNRESET' && !isLast;
  });
  socket.on('close', () => {
    if (isLost) counts.lost += 1;
    else if (!isLast) counts.closed += 1;
    open -= 1;
    if (open === 0) console.log(JSON.stringify(counts));
  });
}
