// The entrance: takes an order from a browser and passes it on. Sends its spans by OTLP/gRPC.
const express = require('express');
const { trace } = require('@opentelemetry/api');

const { PORT, ORDERS_URL } = process.env;
const app = express();

app.get('/checkout/:item', async (request, response) => {
  // So that the caller can find the trace, as people do it.
  response.set('x-trace-id', trace.getActiveSpan()?.spanContext().traceId ?? '');
  const answer = await fetch(`${ORDERS_URL}/orders`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ item: request.params.item }),
  });
  response.status(answer.ok ? 200 : 502).json(await answer.json());
});

const server = app.listen(Number(PORT), '127.0.0.1', () => console.log('listening'));
// The SDK sends its last spans at this signal and leaves the rest to us.
process.on('SIGTERM', () => {
  server.close();
  server.closeAllConnections();
});
