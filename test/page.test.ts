/** The page for people who explore: signed in by one click, everything from this server, alice and bob talking. */
import type { Browser, BrowserContext, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startApi, type TestApi, tokenFor, until } from './support/api.ts';
import { launchBrowser } from './support/browser.ts';
import { startServers, type TestServers } from './support/servers.ts';

let servers: TestServers;
let api: TestApi;
let browser: Browser;
let context: BrowserContext;
/** Every request of every page of the context. */
const requested: string[] = [];
const complaints: string[] = [];

beforeAll(async () => {
  [servers, browser] = await Promise.all([startServers(), launchBrowser()]);
  api = await startApi(servers);
  context = await browser.newContext({ viewport: { width: 1280, height: 800 } });
  context.on('request', (request) => requested.push(request.url()));
}, 120_000);
afterAll(async () => {
  await browser?.close();
  await api?.stop();
  await servers?.stop();
});

const open = async (): Promise<Page> => {
  const page = await context.newPage();
  page.on('console', (message) => message.type() === 'error' && complaints.push(message.text()));
  page.on('pageerror', (error) => complaints.push(String(error)));
  await page.goto(api.url);
  return page;
};
const signIn = async (page: Page, user: string): Promise<void> => {
  await page.getByRole('button', { name: `Sign in as ${user}` }).click();
  await page.getByText(`signed in as ${user}`).waitFor();
  await page.locator('.graphiql-execute-button').waitFor({ timeout: 30_000 });
};
const run = async (page: Page, tab: string): Promise<void> => {
  if (!(await page.getByRole('tab', { selected: true }).innerText()).includes(tab)) {
    await page.locator('.graphiql-tab-button', { hasText: tab }).click();
    // The editor tells what it holds a moment after it shows it, and only then it is run.
    const holds = new RegExp(`(query|mutation|subscription) ${tab}\\b`);
    await page.waitForURL(({ searchParams }) => holds.test(searchParams.get('query') ?? ''));
  }
  await page.locator('.graphiql-execute-button').click();
};
/** The seq in the answer on the right. */
const seqShown = async (page: Page): Promise<number> => {
  const line = page.locator('.graphiql-response .view-line').filter({ hasText: '"seq"' }).first();
  return Number(/\d+/.exec((await line.textContent()) ?? '')?.[0]);
};
const response = (page: Page, text: string) => page.locator('.graphiql-response').getByText(text).first();

describe('GraphiQL', { timeout: 120_000 }, () => {
  it('lets alice follow a conversation in one window and hears bob from another', async () => {
    const alice = await open();
    await signIn(alice, 'alice');
    await run(alice, 'WhoAmI');
    await response(alice, '"Alice"').waitFor();
    await run(alice, 'Open');
    await response(alice, '"accepted"').waitFor();
    await run(alice, 'Follow');
    await response(alice, '"CaughtUp"').waitFor();

    const bob = await open();
    await signIn(bob, 'bob');
    await run(bob, 'Send');
    await response(bob, '"seq"').waitFor();
    await response(alice, '"Hello from bob"').waitFor();
    await run(bob, 'History');
    await response(bob, '"Hello from bob"').waitFor();
  });

  it('shows bob how far his message comes while alice receives and reads it', async () => {
    const [alice, bob] = [await open(), await open()];
    await signIn(alice, 'alice');
    await signIn(bob, 'bob');
    await run(bob, 'Delivery');
    await response(bob, '"ACCEPTED"').waitFor();
    await run(alice, 'Phone');
    await response(alice, '"browser"').waitFor();
    await run(alice, 'Inbox');
    await response(alice, '"InboxCaughtUp"').waitFor();
    await run(alice, 'Acknowledge');
    await response(alice, '"markRead"').waitFor();
    await response(bob, '"READ"').waitFor();
  });

  it('keeps its promise that a tab can be run again: another message, by a key of its own', async () => {
    const page = await open();
    await signIn(page, 'alice');
    await run(page, 'Send');
    const first = await seqShown(page);
    await page.locator('.graphiql-execute-button').click();
    await until(async () => (await seqShown(page)) === first + 1);
  });

  it('signs in with a token that was pasted, and says so when it is no good any more', async () => {
    const page = await open();
    await page.getByLabel('A token of your own').fill('nonsense');
    await page.getByRole('button', { name: 'Use it' }).click();
    await page.getByText('That is not a JSON Web Token.').waitFor();
    await page.getByLabel('A token of your own').fill(await tokenFor(api, 'carol', { secret: 'x'.repeat(32) }));
    await page.getByRole('button', { name: 'Use it' }).click();
    await page.getByText('The token is not accepted any more.').waitFor();
    await page.getByLabel('A token of your own').fill(`Bearer ${await tokenFor(api, 'carol')}`);
    await page.getByRole('button', { name: 'Use it' }).click();
    await page.getByText('signed in as carol').waitFor();
    await run(page, 'WhoAmI');
    await response(page, '"carol"').waitFor();
  });

  it('asks no other host for anything, and no page complains', () => {
    const elsewhere = requested.filter((url) => !url.startsWith(new URL(api.url).origin) && !/^(data|blob):/.test(url));
    expect(elsewhere).toEqual([]);
    expect(requested.length).toBeGreaterThan(20);
    // The one refused token is the test's own.
    expect(complaints.filter((text) => !text.includes('401'))).toEqual([]);
  });
});
