// Knows what is in stock. Sends its spans by OTLP/HTTP with JSON, gzipped.
const express = require('express');

const SLOW_MS = 300;
const stock = new Map([['book', 3], ['piano', 1]]);
const app = express();

app.get('/stock/:item', (request, response) => {
  const { item } = request.params;
  if (item === 'broken') throw new RangeError('the shelf is broken');
  const answer = () => response.status(stock.has(item) ? 200 : 404).json({ item, count: stock.get(item) ?? 0 });
  if (item === 'piano') setTimeout(answer, SLOW_MS);
  else answer();
});

const server = app.listen(Number(process.env.PORT), '127.0.0.1', () => console.log('listening'));
// The SDK sends its last spans at this signal and leaves the rest to us.
process.on('SIGTERM', () => {
  server.close();
  server.closeAllConnections();
});
