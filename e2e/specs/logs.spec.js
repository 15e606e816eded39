// Logs of a stock SDK: stored, found, shown with their trace, and linked to other systems.
import { test, expect } from '../support/test.js';
import { sendLogsFromNode, waitForLogs, waitForTrace } from '../support/traces.js';

const rows = (page) => page.getByRole('list', { name: 'Log records' }).getByRole('listitem');
const details = (page) => page.getByRole('complementary', { name: 'Details of the record' });

for (const protocol of ['grpc', 'proto', 'json']) {
  test(`the stock Node exporter over ${protocol}`, async ({ api }) => {
    const service = `logs-${protocol}-${Date.now()}`;
    const { traceId, spanId } = await sendLogsFromNode(protocol, service);
    const logs = await waitForLogs(api, service, 3);
    const byBody = new Map(logs.map((log) => [log.body, log]));
    expect(byBody.get('order hällo accepted')).toMatchObject({
      level: 'info', severityText: 'INFO', traceId, spanId, attributes: { 'order.id': 4711 },
    });
    expect(byBody.get('card was declined')).toMatchObject({ level: 'error', traceId, spanId });
    expect(JSON.stringify(logs)).not.toContain('hunter2');
    const outside = byBody.get('{"queue":"mails","waiting":12}');
    expect(outside).toMatchObject({ level: 'warn' });
    expect(outside.traceId).toBeUndefined();
    const ofTrace = await (await api.get(`/api/v1/traces/${traceId}/logs`)).json();
    expect(ofTrace.logs.map((log) => log.level)).toEqual(['info', 'error']);
  });
}

test('from the logs to the trace and back', async ({ api, app }) => {
  const service = `logs-page-${Date.now()}`;
  const { traceId, spanId } = await sendLogsFromNode('json', service);
  await waitForLogs(api, service, 3);
  await waitForTrace(api, traceId, (trace) => trace.spans.length === 1);

  await app.goto('/logs');
  await app.getByRole('combobox', { name: 'Service', exact: true }).fill(service);
  await app.getByRole('combobox', { name: 'Service', exact: true }).press('Enter');
  await expect(rows(app)).toHaveCount(3);
  await app.getByLabel('Severity').selectOption('error');
  await expect(app).toHaveURL(/level=error/);
  await expect(rows(app)).toHaveCount(1);
  await app.getByRole('textbox', { name: 'Text' }).fill('DECLINED card');
  await app.getByRole('textbox', { name: 'Text' }).press('Enter');
  await expect(app).toHaveURL(/text=DECLINED%20card/);
  await expect(rows(app)).toHaveCount(1);
  await expect(app.getByRole('img', { name: /Log records over time/ })).toHaveAccessibleName(/1 error/);

  // By keyboard: the first record and its details, which the link keeps.
  await app.getByRole('main').focus();
  await app.keyboard.press('j');
  await app.keyboard.press('Enter');
  await expect(details(app)).toContainText('pay.js');
  await expect(app).toHaveURL(/log=\d+/);
  await app.reload();
  await expect(details(app)).toContainText('card was declined');

  // A click on an attribute narrows the search, and what was chosen before stays.
  await details(app).getByRole('link', { name: 'Find logs with this exception.type' }).click();
  await expect(app).toHaveURL(/tag=exception.type%3DCardDeclined/);
  await expect(app).toHaveURL(/level=error/);
  await expect(rows(app)).toHaveCount(1);

  await rows(app).first().getByRole('button').click();
  await details(app).getByRole('link', { name: 'Open trace' }).click();
  await expect(app).toHaveURL(new RegExp(`/traces/${traceId}\\?.*span=${spanId}`));
  const ofSpan = app.getByRole('complementary', { name: 'Details of the span' });
  await expect(ofSpan).toContainText('card was declined');
  await app.getByRole('navigation', { name: 'View' }).getByRole('link', { name: 'Logs' }).click();
  await expect(rows(app)).toHaveCount(2);
  await rows(app).first().getByRole('button').click();
  await expect(details(app)).toContainText('order hällo accepted');
});

test('a search without results tells how to send logs', async ({ app }) => {
  await app.goto('/logs?from=1577836800000&to=1577836860000');
  await expect(app.getByRole('heading', { name: 'No log records found' })).toBeVisible();
  await expect(app.getByText('OTEL_LOGS_EXPORTER=otlp')).toBeVisible();
});

test('links to another log system', async ({ api, app }) => {
  const service = `logs-links-${Date.now()}`;
  const { traceId } = await sendLogsFromNode('proto', service);
  await waitForLogs(api, service, 3);
  await waitForTrace(api, traceId, (trace) => trace.spans.length === 1);

  await app.goto('/settings/log-links');
  await app.getByRole('button', { name: 'New link' }).click();
  await app.getByLabel('Name of the button').fill(`Kibana ${service}`);
  await app.getByLabel('Service (empty: every service)').fill(service);
  await app.getByLabel('Address').fill('javascript:alert(1)');
  await expect(app.getByText('must begin with https:// or http://')).toBeVisible();
  await app.getByLabel('Address').fill('https://logs.example/x?q={traceId}&s={service}&from={startMs}');
  await expect(app.getByText(/https:\/\/logs\.example\/x\?q=4bf92f35/)).toBeVisible();
  await app.getByRole('button', { name: 'Save' }).click();
  await expect(app.getByRole('row').filter({ hasText: service })).toBeVisible();

  const address = new RegExp(`^https://logs\\.example/x\\?q=${traceId}&s=${service}&from=\\d+$`);
  await app.goto(`/logs?service=${service}&level=error`);
  await rows(app).first().getByRole('button').click();
  const button = app.getByRole('link', { name: `Kibana ${service}` });
  await expect(button).toHaveAttribute('href', address);
  await expect(button).toHaveAttribute('rel', /noopener/);
  await app.goto(`/traces/${traceId}`);
  await app.getByRole('treeitem').first().click();
  await app.keyboard.press('Enter');
  await expect(app.getByRole('link', { name: `Kibana ${service}` })).toHaveAttribute('href', address);

  await app.goto('/settings/log-links');
  await app.getByRole('button', { name: `Remove Kibana ${service}` }).click();
  await app.getByRole('button', { name: 'Remove link' }).click();
  await expect(app.getByRole('row').filter({ hasText: service })).toHaveCount(0);
});
