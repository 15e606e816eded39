// Starts everything once for all specs; tells them the addresses by environment variables.
import { startStack } from './stack.js';

export default async function globalSetup() {
  const { env, stop } = await startStack();
  Object.assign(process.env, env);
  return stop;
}
