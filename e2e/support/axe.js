// axe-core in the page.
import { createRequire } from 'node:module';

import { expect } from './test.js';

const AXE = createRequire(import.meta.url).resolve('axe-core/axe.min.js');
const IMPACTS = ['serious', 'critical'];

/** Fails if axe finds something serious on the page as it is now. */
export async function expectAccessible(page) {
  // Not as a script element, which the content security policy would refuse.
  await page.addInitScript({ path: AXE });
  if (!(await page.evaluate(() => 'axe' in window))) await page.reload();
  await settled(page);
  const { violations } = await page.evaluate(() => window.axe.run(document, { resultTypes: ['violations'] }));
  const serious = violations
    .filter((violation) => IMPACTS.includes(violation.impact))
    .map(({ id, help, nodes }) => ({ id, help, where: nodes.slice(0, 5).map((node) => `${node.target.join(' ')}: ${node.failureSummary}`) }));
  expect(serious).toEqual([]);
}

/** Nothing is loading, and no transition half way through would spoil the colours. */
export async function settled(page) {
  await expect(page.getByRole('status', { name: /^Loading/ })).toHaveCount(0);
  await page.evaluate(() => Promise.all(document.getAnimations().map((animation) => animation.finished.catch(() => {}))));
}
