// Traces through the API: sent, waited for, and looked at.
import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

import { expect } from './test.js';

const SEND = fileURLToPath(new URL('../python/send.py', import.meta.url));
const SEND_OTHER = fileURLToPath(new URL('../python/send_other.py', import.meta.url));
const CLIENTS = fileURLToPath(new URL('../clients/', import.meta.url));
const WAIT_MS = 30_000;
const SPANS_PER_REQUEST = 5_000;

/** Calls the services; returns the answer's status and the id of the trace that it caused. */
export async function checkout(item) {
  const response = await fetch(`${process.env.E2E_GATEWAY}/checkout/${item}`);
  await response.body?.cancel();
  return { status: response.status, traceId: response.headers.get('x-trace-id') };
}

/** Has the stock Python SDK send its trace; returns the trace's id. */
export async function sendFromPython({ protocol, gzip = false, service, startNs }) {
  const endpoint = protocol === 'grpc' ? process.env.E2E_OTLP_GRPC : process.env.E2E_OTLP_HTTP;
  const args = [SEND, '--protocol', protocol, '--endpoint', endpoint, '--service', service, '--start-ns', String(startNs)];
  const { stdout } = await promisify(execFile)(process.env.E2E_PYTHON, gzip ? [...args, '--gzip'] : args);
  return JSON.parse(stdout).traceId;
}

/** Has a stock client from npm send a trace; returns the trace's id. */
export async function sendFromNode(client, ...args) {
  const { stdout } = await promisify(execFile)(process.execPath, [join(CLIENTS, `${client}.cjs`), ...args]);
  return JSON.parse(stdout).traceId;
}

/** Has a stock Python exporter for Zipkin or Jaeger send a trace; returns the trace's id. */
export async function sendWithExporter({ exporter, endpoint, service, ended }) {
  const python = ended ? process.env.E2E_PYTHON_ENDED : process.env.E2E_PYTHON;
  const args = [SEND_OTHER, '--exporter', exporter, '--endpoint', endpoint, '--service', service];
  const { stdout } = await promisify(execFile)(python, args);
  return JSON.parse(stdout).traceId;
}

/** Has the stock Node SDK send a span and three log records, two of them told during it. */
export async function sendLogsFromNode(protocol, service) {
  const otlp = { grpc: process.env.E2E_OTLP_GRPC, http: process.env.E2E_OTLP_HTTP };
  const logs = protocol === 'grpc' ? otlp.grpc : `${otlp.http}/v1/logs`;
  const args = [join(CLIENTS, 'logs.cjs'), protocol, process.env.E2E_ZIPKIN, logs, service];
  const { stdout } = await promisify(execFile)(process.execPath, args);
  return JSON.parse(stdout);
}

/** The service's log records as soon as there are `count`. */
export async function waitForLogs(api, service, count) {
  let logs = [];
  await expect.poll(async () => {
    const response = await api.get(`/api/v1/logs?serviceName=${service}`);
    expect(response.status()).toBe(200);
    logs = (await response.json()).logs;
    return logs.length;
  }, { message: `logs of ${service}`, timeout: WAIT_MS }).toBe(count);
  return logs;
}

/** The trace as soon as `complete` holds for it. */
export async function waitForTrace(api, traceId, complete) {
  let trace;
  await expect.poll(async () => {
    const response = await api.get(`/api/v1/traces/${traceId}`);
    if (response.status() === 404) return 'not there';
    expect(response.status()).toBe(200);
    trace = await response.json();
    return complete(trace) ? 'complete' : `${trace.spans.length} spans`;
  }, { message: `trace ${traceId}`, timeout: WAIT_MS }).toBe('complete');
  return trace;
}

/** Whether the three services have all reported and every parent is there. */
export function hasAllServices(trace) {
  const servers = trace.spans.filter((span) => span.kind === 'server').map((span) => serviceOf(trace, span));
  return ['gateway', 'orders', 'inventory'].every((name) => servers.includes(name)) && trace.warnings.length === 0;
}

/** A trace of the services with everything in it. */
export async function checkoutTrace(api, item) {
  const { status, traceId } = await checkout(item);
  return { status, traceId, trace: await waitForTrace(api, traceId, hasAllServices) };
}

export function serviceOf(trace, span) {
  return trace.resources[span.resource].service;
}

export function parentOf(trace, span) {
  return trace.spans.find((candidate) => candidate.spanId === span.parentSpanId);
}

/** The one span for which `matches` holds. */
export function only(trace, matches) {
  const found = trace.spans.filter(matches);
  expect(found).toHaveLength(1);
  return found[0];
}

/**
 * Sends a trace of `count` spans in the native format: 20 services, about ten levels, every
 * thousandth span failed. Span 1, "GET /report", is the root. Returns the trace's id.
 */
export async function sendLargeTrace(count) {
  const traceId = randomBytes(16).toString('hex');
  const startUs = (Date.now() - 60_000) * 1_000;
  const spanId = (number) => number.toString(16).padStart(16, '0');
  const parent = (number) => Math.floor(number / 3) + 1;
  // Parents last until their last child has ended.
  const endsUs = Array.from({ length: count + 1 }, (_, number) => number * 50 + 40 + (number % 997));
  for (let number = count; number > 1; number -= 1) {
    endsUs[parent(number)] = Math.max(endsUs[parent(number)], endsUs[number] + 1);
  }
  const spans = Array.from({ length: count }, (_, index) => {
    const number = index + 1;
    return {
      traceId,
      spanId: spanId(number),
      ...(number > 1 && { parentSpanId: spanId(parent(number)) }),
      name: number === 1 ? 'GET /report' : `step ${number}`,
      startTime: startUs + number * 50,
      duration: endsUs[number] - number * 50,
      serviceName: number === 1 ? 'large' : `large-${number % 20}`,
      kind: number === 1 ? 'server' : 'internal',
      ...(number % 1_000 === 0 && { status: 'error' }),
      tags: { number },
    };
  });
  for (let from = 0; from < spans.length; from += SPANS_PER_REQUEST) {
    const response = await fetch(`${process.env.E2E_URL}/api/v1/spans`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(spans.slice(from, from + SPANS_PER_REQUEST)),
    });
    expect(response.ok, `${response.status} ${await response.text()}`).toBe(true);
  }
  return traceId;
}

/** Waits until the service map knows the service: calls are paired some seconds after their spans. */
export async function inGraph(request, service) {
  await expect.poll(async () => {
    const graph = await (await request.get('/api/v1/dependencies')).json();
    return graph.nodes.map((node) => node.name);
  }, { timeout: 60_000 }).toContain(service);
}
