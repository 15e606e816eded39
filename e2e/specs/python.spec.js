// The stock Python SDK over gRPC and over HTTP: every type of attribute, events, links and status
// come back as they were sent.
import { test, expect } from '../support/test.js';
import { only, sendFromPython, waitForTrace } from '../support/traces.js';

const WAYS = [
  { protocol: 'grpc' },
  { protocol: 'grpc', gzip: true },
  { protocol: 'http' },
  { protocol: 'http', gzip: true },
];

const title = ({ protocol, gzip }) => `${protocol}${gzip ? ' with gzip' : ''}`;
const complete = (trace) => trace.spans.length === 3;
const startNs = () => BigInt(Date.now() - 10_000) * 1_000_000n + 123_457n;

async function sent(api, way, start) {
  const traceId = await sendFromPython({ ...way, service: 'python-client', startNs: start });
  return waitForTrace(api, traceId, complete);
}

for (const way of WAYS) {
  test(`${title(way)}: every attribute type is kept`, async ({ api }) => {
    const trace = await sent(api, way, startNs());
    const root = only(trace, (span) => span.name === 'root');
    expect(root.kind).toBe('consumer');
    expect(root.attributes).toMatchObject({
      text: 'hällo 👩‍🚀 "quoted" \\ \n',
      'text.empty': '',
      truth: true,
      lie: false,
      int: 42,
      double: 0.1,
      'double.huge': 1e300,
      bytes: { $bytes: 'AP8Q' },
      texts: ['a', 'b'],
      truths: [true, false],
      ints: [1, 2, 3],
      mixed: ['a', 1, 1, true, { $bytes: 'AQ==' }, null],
      nothing: null,
      map: { inner: { deep: [1, { deeper: 'x' }] }, n: 7 },
    });
    // JavaScript rounds large integers and does not tell 1.0 from 1: the text does.
    const text = await (await api.get(`/api/v1/traces/${trace.traceId}`)).text();
    for (const part of [
      '"int.max":9223372036854775807',
      '"int.min":-9223372036854775808',
      '"double.whole":1.0',
      '"doubles":[1.0,2.5]',
      '"mixed":["a",1,1.0,true,',
    ]) expect(text).toContain(part);
  });

  test(`${title(way)}: times, events, links and status are kept to the nanosecond`, async ({ api }) => {
    const start = startNs();
    const trace = await sent(api, way, start);
    const root = only(trace, (span) => span.name === 'root');
    const failed = only(trace, (span) => span.name === 'failed');
    const fine = only(trace, (span) => span.name === 'fine');

    const seconds = start / 1_000_000_000n;
    const nanos = String(start % 1_000_000_000n).padStart(9, '0');
    expect(trace.startTime).toBe(`${new Date(Number(seconds) * 1_000).toISOString().slice(0, 19)}.${nanos}Z`);
    expect(trace.durationNs).toBe(5_000_007);
    expect(root).toMatchObject({ startOffsetNs: 0, durationNs: 5_000_007, status: 'unset' });
    expect(root.links).toEqual([expect.objectContaining({
      traceId: '123456789abcdef0123456789abcdef0',
      spanId: 'fedcba9876543210',
      attributes: { reason: 'batch', position: 3 },
    })]);

    expect(failed).toMatchObject({
      parentSpanId: root.spanId,
      kind: 'client',
      status: 'error',
      statusMessage: 'no such customer',
      startOffsetNs: 1_000_001,
      durationNs: 999_999,
    });
    expect(failed.events).toEqual([
      expect.objectContaining({ name: 'retry', offsetNs: 1_500_000, attributes: { attempt: 2, wait: 0.5 } }),
      expect.objectContaining({
        name: 'exception',
        offsetNs: 1_750_003,
        attributes: expect.objectContaining({
          'exception.type': 'ValueError',
          'exception.message': 'no such customer',
          'exception.stacktrace': expect.stringContaining('Traceback'),
        }),
      }),
    ]);
    expect(fine).toMatchObject({ parentSpanId: root.spanId, kind: 'producer', status: 'ok', startOffsetNs: 2_000_000, durationNs: 0 });
    expect(trace.warnings).toEqual([]);
  });
}

test('gRPC and HTTP give the same trace', async ({ api }) => {
  const start = startNs();
  const [overGrpc, overHttp] = await Promise.all([
    sent(api, { protocol: 'grpc' }, start),
    sent(api, { protocol: 'http', gzip: true }, start),
  ]);
  expect(comparable(overHttp)).toEqual(comparable(overGrpc));
});

/** The trace without what the SDK makes up anew each time: ids, the process' id. */
function comparable(trace) {
  const names = new Map(trace.spans.map((span) => [span.spanId, span.name]));
  const spans = trace.spans.map((span) => ({ ...span, spanId: names.get(span.spanId), parentSpanId: names.get(span.parentSpanId) }));
  const resources = trace.resources.map(({ attributes, ...rest }) => ({ ...rest, attributes: { ...attributes, 'service.instance.id': '' } }));
  return { ...trace, traceId: '', spans, resources };
}
