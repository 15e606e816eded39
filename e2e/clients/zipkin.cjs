// Sends one call between two services, through Zipkin's own library: client and server share a span.
// Prints the trace's id. Usage: zipkin.cjs URL SERVICE
const { Annotation, BatchRecorder, ExplicitContext, Request, HttpHeaders, Tracer, TraceId, jsonEncoder, option } = require('zipkin');
const { HttpLogger } = require('zipkin-transport-http');

const [endpoint, service] = process.argv.slice(2);

const ctxImpl = new ExplicitContext();
const logger = new HttpLogger({ endpoint, jsonEncoder: jsonEncoder.JSON_V2, httpInterval: 50 });
logger.on('error', (error) => { throw error; });
// Its timers do not keep the process; it ends with the answer.
const patience = setTimeout(() => { throw new Error('nothing was sent'); }, 20_000);
logger.on('success', () => clearTimeout(patience));
const tracer = (localServiceName) =>
  new Tracer({ ctxImpl, recorder: new BatchRecorder({ logger }), localServiceName, traceId128Bit: true, supportsJoin: true });
const [caller, callee] = [tracer(`${service}-caller`), tracer(`${service}-callee`)];

const headers = ctxImpl.scoped(() => {
  const id = caller.createChildId();
  caller.setId(id);
  caller.recordServiceName(`${service}-caller`);
  caller.recordRpc('get /stock');
  caller.recordBinary('http.path', '/stock');
  caller.recordAnnotation(new Annotation.ServerAddr({ serviceName: `${service}-callee`, port: 8081 }));
  caller.recordAnnotation(new Annotation.ClientSend());
  const sent = Request.addZipkinHeaders({ headers: {} }, id).headers;
  serve(sent);
  caller.setId(id);
  caller.recordAnnotation(new Annotation.ClientRecv());
  return sent;
});

function serve(received) {
  const read = (name) => (received[name] === undefined ? option.None : new option.Some(received[name]));
  const id = callee.join(new TraceId({
    traceId: received[HttpHeaders.TraceId],
    parentId: read(HttpHeaders.ParentSpanId),
    spanId: received[HttpHeaders.SpanId],
    sampled: new option.Some(true),
  }));
  callee.setId(id);
  callee.recordServiceName(`${service}-callee`);
  callee.recordRpc('get /stock');
  callee.recordAnnotation(new Annotation.ServerRecv());
  callee.recordMessage('cache miss');
  callee.local('read stock', () => callee.recordBinary('error', 'no such item'));
  callee.setId(id);
  callee.recordAnnotation(new Annotation.ServerSend());
}

console.log(JSON.stringify({ traceId: headers[HttpHeaders.TraceId] }));
