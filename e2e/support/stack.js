// Everything under test: Spanloom with a database of its own, and three services that send to it.
import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

import { freePorts, start } from './processes.js';

const ROOT = fileURLToPath(new URL('../', import.meta.url));
const SERVER_TIMEOUT_MS = 120_000;
const APP_TIMEOUT_MS = 60_000;
const READY_ATTEMPTS_MAX = 100;

/** Starts all of it and returns the addresses as environment variables; stops what it started if a part fails. */
export async function startStack() {
  const started = [];
  const stop = async () => {
    while (started.length > 0) await started.pop()();
  };
  try {
    const server = await startServer(started);
    const apps = await startApps(started, server);
    const python = await preparePython('.venv', 'requirements.txt');
    const pythonEnded = await preparePython('.venv-ended', 'requirements-ended.txt');
    return { env: { ...server, ...apps, E2E_PYTHON: python, E2E_PYTHON_ENDED: pythonEnded }, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

async function startServer(started) {
  const program = resolve(ROOT, process.env.SPANLOOM_BIN ?? '../target/debug/spanloom');
  const data = await mkdtemp(join(tmpdir(), 'spanloom-e2e-'));
  started.push(() => rm(data, { recursive: true, force: true }));
  // PostgreSQL may run as another user, who has to get in.
  await chmod(data, 0o755);
  const [http, grpc, otlpHttp, zipkin, jaegerHttp, jaegerGrpc, jaegerSampling] = (await freePorts(7)).map((port) => `127.0.0.1:${port}`);
  const password = randomBytes(18).toString('base64url');
  const server = await start({
    name: 'spanloom',
    command: program,
    args: [
      'serve', '--data', join(data, 'spanloom'), '--http', http, '--otlp-grpc', grpc, '--otlp-http', otlpHttp,
      '--zipkin', zipkin, '--jaeger-http', jaegerHttp, '--jaeger-grpc', jaegerGrpc,
      '--jaeger-sampling', jaegerSampling,
    ],
    cwd: data,
    env: { ...ownEnvironment(), SPANLOOM_ADMIN_PASSWORD: password },
    ready: /Spanloom is ready at/,
    timeoutMs: SERVER_TIMEOUT_MS,
  });
  started.push(server.stop);
  const ready = await fetchUntilOk(`http://${http}/readyz`);
  if (!ready.ready) throw new Error(`/readyz says ${JSON.stringify(ready)}`);
  return {
    E2E_URL: `http://${http}`,
    E2E_OTLP_GRPC: `http://${grpc}`,
    E2E_OTLP_HTTP: `http://${otlpHttp}`,
    E2E_ZIPKIN: `http://${zipkin}/api/v2/spans`,
    E2E_JAEGER_HTTP: `http://${jaegerHttp}/api/traces?format=jaeger.thrift`,
    E2E_JAEGER_GRPC: jaegerGrpc,
    E2E_JAEGER_SAMPLING: `http://${jaegerSampling}`,
    E2E_PASSWORD: password,
  };
}

async function fetchUntilOk(url) {
  for (let attempt = 0; ; attempt += 1) {
    const response = await fetch(url);
    if (response.ok) return response.json();
    if (attempt === READY_ATTEMPTS_MAX) throw new Error(`${url}: ${response.status} ${await response.text()}`);
  }
}

/** The environment without settings that would change what is under test. */
function ownEnvironment() {
  const kept = Object.entries(process.env).filter(([key]) => !key.startsWith('SPANLOOM_') && !key.startsWith('OTEL_'));
  return Object.fromEntries(kept);
}

async function startApps(started, { E2E_URL, E2E_OTLP_GRPC, E2E_OTLP_HTTP }) {
  const [gateway, orders, inventory] = await freePorts(3);
  const app = async (name, port, protocol, endpoint, more = {}) => {
    const running = await start({
      name,
      command: process.execPath,
      args: ['--require', '@opentelemetry/auto-instrumentations-node/register', join('apps', `${name}.cjs`)],
      cwd: ROOT,
      env: {
        ...ownEnvironment(),
        PORT: String(port),
        OTEL_SERVICE_NAME: name,
        OTEL_RESOURCE_ATTRIBUTES: 'service.version=1.2.3,deployment.environment.name=e2e',
        OTEL_EXPORTER_OTLP_PROTOCOL: protocol,
        OTEL_EXPORTER_OTLP_ENDPOINT: endpoint,
        OTEL_TRACES_EXPORTER: 'otlp',
        OTEL_METRICS_EXPORTER: 'none',
        OTEL_LOGS_EXPORTER: 'none',
        // The others ask cloud providers over the network.
        OTEL_NODE_RESOURCE_DETECTORS: 'env,host,os,process',
        OTEL_BSP_SCHEDULE_DELAY: '100',
        ...more,
      },
      ready: /listening/,
      timeoutMs: APP_TIMEOUT_MS,
    });
    started.push(running.stop);
  };
  // A different way of OTLP for each.
  await Promise.all([
    app('gateway', gateway, 'grpc', E2E_OTLP_GRPC, { ORDERS_URL: `http://127.0.0.1:${orders}` }),
    app('orders', orders, 'http/protobuf', E2E_OTLP_HTTP, { INVENTORY_URL: `http://127.0.0.1:${inventory}` }),
    app('inventory', inventory, 'http/json', E2E_URL, { OTEL_EXPORTER_OTLP_COMPRESSION: 'gzip' }),
  ]);
  return { E2E_GATEWAY: `http://127.0.0.1:${gateway}` };
}

/** Makes a virtual environment of the Python clients unless it is there; returns its interpreter. */
async function preparePython(folder, requirements) {
  const { stdout } = await promisify(execFile)(join(ROOT, 'python', 'setup.sh'), [folder, requirements]);
  return stdout.trim();
}
