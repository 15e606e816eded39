// Child processes: started, waited for by what they print, stopped by their own handle.
import { spawn } from 'node:child_process';
import { createWriteStream } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const GUARD = fileURLToPath(new URL('./guard.js', import.meta.url));
const LOGS = fileURLToPath(new URL('../test-results/logs/', import.meta.url));
const TAIL_CHARACTERS_MAX = 4_000;

/** Ports of this machine's own address that nobody listens on. */
export async function freePorts(count) {
  const servers = await Promise.all(
    Array.from({ length: count }, () => new Promise((resolve, reject) => {
      const server = createServer();
      server.once('error', reject).listen(0, '127.0.0.1', () => resolve(server));
    })),
  );
  const ports = servers.map((server) => server.address().port);
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  return ports;
}

/**
 * Starts a command and waits until it prints `ready`; its output goes to test-results/logs.
 * @returns {Promise<{stop: () => Promise<void>}>}
 */
export async function start({ name, command, args, env, cwd, ready, timeoutMs }) {
  await mkdir(LOGS, { recursive: true });
  const log = createWriteStream(join(LOGS, `${name}.log`));
  const child = spawn(process.execPath, [GUARD, command, ...args], { cwd, env, stdio: ['pipe', 'pipe', 'pipe'] });
  const ended = new Promise((resolve) => child.once('exit', resolve));
  let tail = '';
  const stop = async () => {
    child.stdin.end();
    await ended;
    log.end();
  };
  try {
    await new Promise((resolve, reject) => {
      const fail = (why) => reject(new Error(`${name} ${why}; its last output:\n${tail}`));
      const timer = setTimeout(() => fail(`was not ready within ${timeoutMs} ms`), timeoutMs);
      const read = (chunk) => {
        log.write(chunk);
        tail = (tail + chunk).slice(-TAIL_CHARACTERS_MAX);
        if (ready.test(tail)) {
          clearTimeout(timer);
          resolve();
        }
      };
      child.stdout.on('data', read);
      child.stderr.on('data', read);
      child.once('exit', (code) => {
        clearTimeout(timer);
        fail(`ended with ${code}`);
      });
    });
  } catch (error) {
    await stop();
    throw error;
  }
  return { stop };
}
