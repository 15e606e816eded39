// Prices an order and asks for stock. Sends its spans by OTLP/HTTP with protobuf.
const http = require('node:http');
const express = require('express');
const { trace, SpanStatusCode } = require('@opentelemetry/api');

const { PORT, INVENTORY_URL } = process.env;
const tracer = trace.getTracer('orders', '1.2.3');
const app = express();
app.use(express.json());

function priceOf(item) {
  return tracer.startActiveSpan('price order', (span) => {
    span.setAttributes({ 'order.item': item, 'order.quantity': 2, 'order.price': 12.5, 'order.rush': false });
    span.addEvent('discount applied', { percent: 10 });
    span.setStatus({ code: SpanStatusCode.OK });
    span.end();
    return 12.5;
  });
}

function stockOf(item) {
  return new Promise((resolve, reject) => {
    http.get(`${INVENTORY_URL}/stock/${item}`, (response) => {
      response.resume().on('end', () => resolve(response.statusCode)).on('error', reject);
    }).on('error', reject);
  });
}

app.post('/orders', async (request, response) => {
  const price = priceOf(request.body.item);
  const status = await stockOf(request.body.item);
  if (status === 200) response.status(201).json({ price });
  else response.status(502).json({ error: 'no stock' });
});

const server = app.listen(Number(PORT), '127.0.0.1', () => console.log('listening'));
// The SDK sends its last spans at this signal and leaves the rest to us.
process.on('SIGTERM', () => {
  server.close();
  server.closeAllConnections();
});
